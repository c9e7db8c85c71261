"""All that rests about a person, as they may ask for it: one JSON document, English keys, times in China's.

The stored conversation is left out: it repeats the messages in the engine's own form.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from uuid import UUID

from bot.clock import CHINA
from bot.model import ERASED_TEXT, Fault, InboundKind, MedrepError
from bot.store import doctors, erasure, people
from bot.store.database import Database, Tx
from bot.store.tables import (
    affiliation,
    appointment,
    change_request,
    chat_note,
    consent,
    contact,
    crm_delivery,
    doctor,
    engagement,
    evidence,
    inbox,
    material_open,
    material_sent,
    medical_request,
    medical_step,
    outbox,
    own_visit,
    own_visit_version,
    profile_event,
    profile_tag,
    suggestion,
    task,
    timer,
    visit,
    visit_fact,
    visit_summary,
    visit_summary_version,
)
from bot.store.vault import Vault

_TAG = ("name", "value", "source", "times")
_TIMES = ("at", "proposed_at", "other_at")
_MOMENTS = frozenset(
    {*("first_at", "seen_at", "ended_at", "at", "since", "made_at", "expires_at", "decided_at", "opened_at")}
)


async def export_person(
    db: Database, vault: Vault, *, external_id: str | None = None, person_id: UUID | None = None
) -> dict[str, Any]:
    """Keys: person, profile, verification, stopped_at, consents, contacts, tags, events, affiliations,
    engagement, suggestions, change_requests, messages, tasks, requests, visits, appointments, own_visits,
    told, timers, materials, notes, record.

    Raises MedrepError(BAD_INPUT: not exactly one of the two | NOT_FOUND | ERASED).
    """
    if (external_id is None) == (person_id is None):
        raise MedrepError(Fault.BAD_INPUT, "name a person by external id or by person id")
    async with db.begin() as tx:
        whom = person_id or await doctors.person_of(tx, external_id or "")
        return await _Export(tx, vault, await erasure.everyone(tx, whom)).document(whom)


class _Export:
    """One export, inside its transaction."""

    def __init__(self, tx: Tx, vault: Vault, people: list[UUID]) -> None:
        self._tx = tx
        self._vault = vault
        self._people = people

    async def document(self, whom: UUID) -> dict[str, Any]:
        if not await erasure.keys_left(self._tx, self._people):
            raise MedrepError(Fault.ERASED, "this person was erased")
        await self._vault.prepare(self._tx, await erasure.keys_of(self._tx, self._people))
        profile, verification = await self._doctor()
        contacts = [await self._contact(row) for row in await self._rows(contact)]
        return {
            "person": str(whom),
            "profile": profile,
            "verification": verification,
            "stopped_at": _at(await people.stopped_at(self._tx, whom)),
            "consents": [
                {
                    "purpose": row.purpose,
                    "given_at": _at(row.given_at),
                    "withdrawn_at": _at(row.withdrawn_at),
                    "text_version": row.text_version,
                    "source": row.source,
                }
                for row in await self._rows(consent)
            ],
            "contacts": contacts,
            **await self._known(),
            "messages": await self._messages(),
            "tasks": [await self._task(row) for row in await self._rows(task)],
            "requests": await self._requests(),
            "visits": await self._visits(),
            "own_visits": await self._own_visits(),
            "told": [
                {
                    "at": _at(row.made_at),
                    "to": "crm",
                    "event": row.event,
                    "of": row.subject,
                    "state": row.state,
                }
                for row in await self._rows(crm_delivery)
            ],
            "appointments": [
                {"kind": row.kind, "state": row.state, **{name: _at(row._mapping[name]) for name in _TIMES}}
                for row in await self._rows(appointment)
            ],
            "timers": [
                {
                    "action": row.action,
                    "what": row.name,
                    "refs": row.refs,
                    "purpose": row.purpose,
                    "subject": row.subject,
                    "rrule": row.rrule,
                    "zone": row.zone,
                    "next": _at(row.next_due),
                }
                for row in await self._rows(timer)
            ],
            "materials": await self._materials(),
            "notes": await self._notes(),
            "record": [
                {"at": _at(row.at), "kind": row.kind, "subject": row.subject, "facts": row.facts}
                for row in await self._rows(evidence)
            ],
        }

    async def _rows(self, table: Any) -> list[Any]:
        return await erasure.rows_of(self._tx, table, self._people)

    async def _open(self, row: Any, sealed: bytes | None, place: str, key: UUID | None = None) -> str | None:
        """The clear text; None where there is none, and that it was deleted where it was."""
        if sealed is None:
            return None
        try:
            return await self._vault.open_text(self._tx, key or row.person_id, sealed, place)
        except MedrepError as error:
            if error.fault != Fault.ERASED:
                raise
            return ERASED_TEXT

    async def _message(self, row: Any, place: str) -> dict[str, Any]:
        """The body of a message; none of a template."""
        opened = await self._open(row, row.body_enc, place)
        if opened is None:
            return {}
        if opened == ERASED_TEXT:
            return {"text": ERASED_TEXT, "parts": [[ERASED_TEXT, None]]}
        body: dict[str, Any] = json.loads(opened)
        return body

    async def _doctor(self) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
        rows = await self._rows(doctor)
        if not rows:
            return None, None
        row = rows[0]
        profile = {
            "external_id": row.external_id,
            "name": await self._open(row, row.name_enc, "doctor.name"),
            "phone": await self._open(row, row.phone_enc, "doctor.phone"),
            "hospital": row.hospital,
            "tier": row.tier,
            "department": row.department,
            "title": row.title,
            "city": row.city,
            "interests": list(row.interests),
            "rep": await doctors.rep_name(self._tx, row.rep_id),
            "updated_at": _at(row.updated_at),
        }
        return profile, {"at": _at(row.verified_at), "by": row.verified_by}

    async def _known(self) -> dict[str, Any]:
        """What was noted and made of them beside the list, history included."""
        plain = {
            "tags": (profile_tag, (*_TAG, "evidence", "written_by", "ended_why")),
            "events": (profile_event, ("kind", "product", "topic")),
            "affiliations": (affiliation, ("hospital", "department", "main", "written_by")),
            "engagement": (engagement, ("points", "tier", "parts")),
            "suggestions": (suggestion, ("rule", "subject", "facts", "state", "outcome", "decided_by")),
            "change_requests": (change_request, ("name", "state", "decided_by")),
        }
        sealed = {
            "suggestions": ("note", "note_enc", "suggestion.note"),
            "change_requests": ("wanted", "wanted_enc", "change_request.wanted"),
        }
        found: dict[str, Any] = {}
        for store, (table, columns) in plain.items():
            found[store] = []
            for row in await self._rows(table):
                item = {name: row._mapping[name] for name in columns}
                item |= {n: _at(v) for n, v in row._mapping.items() if n in _MOMENTS}
                if store in sealed:
                    name, column, place = sealed[store]
                    item[name] = await self._open(row, row._mapping[column], place)
                found[store].append(item)
        return found

    async def _contact(self, row: Any) -> dict[str, Any]:
        return {
            "account": f"{row.channel}:{row.account}",
            "address": await self._open(row, row.address_enc, "contact.address"),
            "since": _at(row.created_at),
            "introduced_at": _at(row.introduced_at),
            "unreachable_at": _at(row.unreachable_at),
            "hushed_at": _at(row.hushed_at),
        }

    async def _messages(self) -> list[dict[str, Any]]:
        """Both directions in order of time."""
        received = [
            (row.received_at, 0, row.id, await self._received(row)) for row in await self._rows(inbox)
        ]
        sent = [(row.created_at, 1, row.id, await self._sent(row)) for row in await self._rows(outbox)]
        return [message for *_, message in sorted([*received, *sent], key=lambda item: item[:3])]

    async def _notes(self) -> list[dict[str, Any]]:
        """What colleagues told each other about a conversation."""
        return [
            {"at": _at(row.at), "text": await self._open(row, row.body_enc, "chat_note.body")}
            for row in await self._rows(chat_note)
        ]

    async def _materials(self) -> list[dict[str, Any]]:
        """What was sent to read, and each time that it was opened."""
        opened = await self._rows(material_open)
        return [
            {
                "material": f"{row.material}@{row.number}",
                "sent_at": _at(row.sent_at),
                "opens": [
                    {
                        "at": _at(one.opened_at),
                        "seconds": one.seconds,
                        "downloaded": one.downloaded,
                        "forwarded": one.forwarded,
                    }
                    for one in opened
                    if one.sent_id == row.id
                ],
            }
            for row in await self._rows(material_sent)
        ]

    async def _received(self, row: Any) -> dict[str, Any]:
        body = await self._message(row, "inbox.body")
        return {
            "direction": "trigger" if row.kind == InboundKind.TRIGGER else "in",
            "at": _at(row.received_at),
            "kind": row.kind,
            "text": body.get("text"),
            **{part: body[part] for part in ("choice", "event", "detail") if body.get(part)},
            "findings": row.screening,
        }

    async def _sent(self, row: Any) -> dict[str, Any]:
        body = await self._message(row, "outbox.body")
        return {
            "direction": "out",
            "at": _at(row.created_at),
            "purpose": row.purpose,
            "state": row.state,
            "sent_at": _at(row.sent_at),
            "basis": row.basis,
            "text": "\n\n".join(text for text, _ in body["parts"]) if body else None,
            "choices": [label for _, label in body.get("choices", ())],
        }

    async def _visits(self) -> list[dict[str, Any]]:
        """Automated visits: how each went, what was noticed, its summary."""
        noticed = await self._rows(visit_fact)
        versions = await self._rows(visit_summary_version)
        summaries = {row.visit_id: row for row in await self._rows(visit_summary)}
        return [
            {
                "plan": row.plan_id,
                "state": row.state,
                "planned_at": _at(row.planned_at),
                "begun_at": _at(row.begun_at),
                "moved_to": _at(row.moved_to),
                "ended_at": _at(row.ended_at),
                "ending": row.ending,
                "told": row.key_message,
                "noticed": [
                    {"at": _at(fact.at), "kind": fact.kind, "value": fact.value}
                    for fact in noticed
                    if fact.visit_id == row.id
                ],
                "summary": await self._summary(summaries.get(row.id)),
                "versions": [
                    {"at": _at(one.at), "kind": one.kind, "by": one.login, "says": await self._summary(one)}
                    for one in versions
                    if one.visit_id == row.id
                ],
            }
            for row in await self._rows(visit)
        ]

    async def _own_visits(self) -> list[dict[str, Any]]:
        """Visits that colleagues made themselves, every version."""
        versions = await self._rows(own_visit_version)
        return [
            {
                "visited_at": _at(row.visited_at),
                "by": row.visited_by,
                "state": row.state,
                "versions": [
                    {
                        "at": _at(one.at),
                        "kind": one.kind,
                        "by": one.login,
                        "says": await self._summary(one, "own_visit.body"),
                    }
                    for one in versions
                    if one.own_visit_id == row.id
                ],
            }
            for row in await self._rows(own_visit)
        ]

    async def _requests(self) -> list[dict[str, Any]]:
        """Questions that went to medical information, and all that was done with them."""
        taken = await self._rows(medical_step)
        return [
            {
                "question": await self._open(row, row.question_enc, "medical_request.question"),
                "product": row.product,
                "wish": row.wish,
                "off_label": row.off_label,
                "state": row.state,
                "answered_at": _at(row.answered_at),
                "steps": [
                    {"at": _at(one.at), "kind": one.kind, "by": one.login, "says": await self._step(one)}
                    for one in taken
                    if one.task_id == row.task_id
                ],
            }
            for row in await self._rows(medical_request)
        ]

    async def _step(self, row: Any) -> Any:
        opened = await self._open(row, row.body_enc, "medical_step.body")
        return opened if opened in (None, ERASED_TEXT) else json.loads(opened)

    async def _summary(self, row: Any, place: str = "visit_summary.body") -> Any:
        opened = None if row is None else await self._open(row, row.body_enc, place)
        return opened if opened in (None, ERASED_TEXT) else json.loads(opened)

    async def _task(self, row: Any) -> dict[str, Any]:
        return {
            "kind": row.kind,
            "state": row.state,
            "opened_at": _at(row.opened_at),
            "due_at": _at(row.due_at),
            "closed_at": _at(row.closed_at),
            "outcome": row.outcome,
            "detail": await self._open(row, row.detail_enc, "task.detail", row.key_id),
        }


def _at(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(CHINA).isoformat()
