"""All that rests about a person, as they may ask for it: one JSON document, English keys, times in China's.

The stored conversation is left out: it repeats the messages in the engine's own form.
"""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from bot.model import ERASED_TEXT, Fault, InboundKind, MedrepError
from bot.privacy.exported_rows import Rows, at
from bot.privacy.exported_visits import own_visits_of, told_of, visits_of
from bot.store import doctors, erasure, people
from bot.store.database import Database
from bot.store.tables import (
    affiliation,
    appointment,
    change_request,
    chat_note,
    consent,
    contact,
    doctor,
    engagement,
    evidence,
    inbox,
    material_open,
    material_sent,
    medical_request,
    medical_step,
    meeting_invitation,
    outbox,
    profile_event,
    profile_tag,
    suggestion,
    task,
    timer,
)
from bot.store.vault import Vault

_TAG = ("name", "value", "source", "times")
_TIMES = ("at", "proposed_at", "other_at")
_MEETING_TIMES = ("starts_at", "ends_at", "invited_at", "asked_at", "answered_at", "ended_at")
_MOMENTS = frozenset(
    {*("first_at", "seen_at", "ended_at", "at", "since", "made_at", "expires_at", "decided_at", "opened_at")}
)


async def export_person(
    db: Database, vault: Vault, *, external_id: str | None = None, person_id: UUID | None = None
) -> dict[str, Any]:
    """Keys: person, profile, verification, stopped_at, consents, contacts, tags, events, affiliations,
    engagement, suggestions, change_requests, messages, tasks, requests, visits, appointments, meetings,
    own_visits, told, timers, materials, notes, record.

    Raises MedrepError(BAD_INPUT: not exactly one of the two | NOT_FOUND | ERASED).
    """
    if (external_id is None) == (person_id is None):
        raise MedrepError(Fault.BAD_INPUT, "name a person by external id or by person id")
    async with db.begin() as tx:
        whom = person_id or await doctors.person_of(tx, external_id or "")
        return await _Export(tx, vault, await erasure.everyone(tx, whom)).document(whom)


class _Export(Rows):
    """One export, inside its transaction."""

    async def document(self, whom: UUID) -> dict[str, Any]:
        if not await erasure.keys_left(self.tx, self.people):
            raise MedrepError(Fault.ERASED, "this person was erased")
        await self.vault.prepare(self.tx, await erasure.keys_of(self.tx, self.people))
        profile, verification = await self._doctor()
        contacts = [await self._contact(row) for row in await self.rows(contact)]
        return {
            "person": str(whom),
            "profile": profile,
            "verification": verification,
            "stopped_at": at(await people.stopped_at(self.tx, whom)),
            "consents": [
                {
                    "purpose": row.purpose,
                    "given_at": at(row.given_at),
                    "withdrawn_at": at(row.withdrawn_at),
                    "text_version": row.text_version,
                    "source": row.source,
                }
                for row in await self.rows(consent)
            ],
            "contacts": contacts,
            **await self._known(),
            "messages": await self._messages(),
            "tasks": [await self._task(row) for row in await self.rows(task)],
            "requests": await self._requests(),
            "visits": await visits_of(self),
            "own_visits": await own_visits_of(self),
            "told": await told_of(self),
            "appointments": [
                {"kind": row.kind, "state": row.state, **{name: at(row._mapping[name]) for name in _TIMES}}
                for row in await self.rows(appointment)
            ],
            "meetings": [
                {
                    "meeting": row.meeting_id,
                    "venue": row.venue,
                    "state": row.state,
                    "invited_by": row.invited_by,
                    **{name: at(row._mapping[name]) for name in _MEETING_TIMES},
                }
                for row in await self.rows(meeting_invitation)
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
                    "next": at(row.next_due),
                }
                for row in await self.rows(timer)
            ],
            "materials": await self._materials(),
            "notes": await self._notes(),
            "record": [
                {"at": at(row.at), "kind": row.kind, "subject": row.subject, "facts": row.facts}
                for row in await self.rows(evidence)
            ],
        }

    async def _message(self, row: Any, place: str) -> dict[str, Any]:
        """The body of a message; none of a template."""
        opened = await self.open(row, row.body_enc, place)
        if opened is None:
            return {}
        if opened == ERASED_TEXT:
            return {"text": ERASED_TEXT, "parts": [[ERASED_TEXT, None]]}
        body: dict[str, Any] = json.loads(opened)
        return body

    async def _doctor(self) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
        rows = await self.rows(doctor)
        if not rows:
            return None, None
        row = rows[0]
        profile = {
            "external_id": row.external_id,
            "name": await self.open(row, row.name_enc, "doctor.name"),
            "phone": await self.open(row, row.phone_enc, "doctor.phone"),
            "hospital": row.hospital,
            "tier": row.tier,
            "department": row.department,
            "title": row.title,
            "city": row.city,
            "interests": list(row.interests),
            "rep": await doctors.rep_name(self.tx, row.rep_id),
            "updated_at": at(row.updated_at),
        }
        return profile, {"at": at(row.verified_at), "by": row.verified_by}

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
            for row in await self.rows(table):
                item = {name: row._mapping[name] for name in columns}
                item |= {n: at(v) for n, v in row._mapping.items() if n in _MOMENTS}
                if store in sealed:
                    name, column, place = sealed[store]
                    item[name] = await self.open(row, row._mapping[column], place)
                found[store].append(item)
        return found

    async def _contact(self, row: Any) -> dict[str, Any]:
        return {
            "account": f"{row.channel}:{row.account}",
            "address": await self.open(row, row.address_enc, "contact.address"),
            "since": at(row.created_at),
            "introduced_at": at(row.introduced_at),
            "unreachable_at": at(row.unreachable_at),
            "hushed_at": at(row.hushed_at),
        }

    async def _messages(self) -> list[dict[str, Any]]:
        """Both directions in order of time."""
        received = [(row.received_at, 0, row.id, await self._received(row)) for row in await self.rows(inbox)]
        sent = [(row.created_at, 1, row.id, await self._sent(row)) for row in await self.rows(outbox)]
        return [message for *_, message in sorted([*received, *sent], key=lambda item: item[:3])]

    async def _notes(self) -> list[dict[str, Any]]:
        """What colleagues told each other about a conversation."""
        return [
            {"at": at(row.at), "text": await self.open(row, row.body_enc, "chat_note.body")}
            for row in await self.rows(chat_note)
        ]

    async def _materials(self) -> list[dict[str, Any]]:
        """What was sent to read, and each time that it was opened."""
        opened = await self.rows(material_open)
        return [
            {
                "material": f"{row.material}@{row.number}",
                "sent_at": at(row.sent_at),
                "opens": [
                    {
                        "at": at(one.opened_at),
                        "seconds": one.seconds,
                        "downloaded": one.downloaded,
                        "forwarded": one.forwarded,
                    }
                    for one in opened
                    if one.sent_id == row.id
                ],
            }
            for row in await self.rows(material_sent)
        ]

    async def _received(self, row: Any) -> dict[str, Any]:
        body = await self._message(row, "inbox.body")
        return {
            "direction": "trigger" if row.kind == InboundKind.TRIGGER else "in",
            "at": at(row.received_at),
            "kind": row.kind,
            "text": body.get("text"),
            **{part: body[part] for part in ("choice", "event", "detail") if body.get(part)},
            "findings": row.screening,
        }

    async def _sent(self, row: Any) -> dict[str, Any]:
        body = await self._message(row, "outbox.body")
        return {
            "direction": "out",
            "at": at(row.created_at),
            "purpose": row.purpose,
            "state": row.state,
            "sent_at": at(row.sent_at),
            "basis": row.basis,
            "text": "\n\n".join(text for text, _ in body["parts"]) if body else None,
            "choices": [label for _, label in body.get("choices", ())],
        }

    async def _requests(self) -> list[dict[str, Any]]:
        """Questions that went to medical information, and all that was done with them."""
        taken = await self.rows(medical_step)
        return [
            {
                "question": await self.open(row, row.question_enc, "medical_request.question"),
                "product": row.product,
                "wish": row.wish,
                "off_label": row.off_label,
                "state": row.state,
                "answered_at": at(row.answered_at),
                "steps": [
                    {"at": at(one.at), "kind": one.kind, "by": one.login, "says": await self._step(one)}
                    for one in taken
                    if one.task_id == row.task_id
                ],
            }
            for row in await self.rows(medical_request)
        ]

    async def _step(self, row: Any) -> Any:
        opened = await self.open(row, row.body_enc, "medical_step.body")
        return opened if opened in (None, ERASED_TEXT) else json.loads(opened)

    async def _task(self, row: Any) -> dict[str, Any]:
        return {
            "kind": row.kind,
            "state": row.state,
            "opened_at": at(row.opened_at),
            "due_at": at(row.due_at),
            "closed_at": at(row.closed_at),
            "outcome": row.outcome,
            "detail": await self.open(row, row.detail_enc, "task.detail", row.key_id),
        }
