"""Conversations as a colleague reads them at the console: see `bot.store.desk`."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from bot.model import ERASED_TEXT, Basis, BasisKind
from bot.store.database import Tx, hot
from bot.store.desk import opened
from bot.store.vault import Vault

# Whose words they are, where they are not for every colleague who may see the contact: what went to medical
# information, what medical or pv said with somebody while the conversation was theirs, what hints at money.
HELD = """
    (SELECT min(held.role) FROM takeover JOIN staff_role AS held ON held.staff_id = takeover.staff_id
     WHERE held.role IN ('medical', 'pv') AND takeover.contact_id = {table}.contact_id
       AND takeover.started_at <= {table}.{at} AND coalesce({table}.{at} < takeover.ended_at, true))
    """
# The answer to a hint at money tells of one, also where the NLU heard what the screening did not.
_NO_BENEFIT = "{table}.basis LIKE '%%response:utter_no_benefit@%%'"
RECEIVED_BY = f"""
    CASE WHEN inbox.screening ->> 'money' <> '' OR EXISTS (
             SELECT FROM outbox AS answer
             WHERE answer.turn_id = inbox.turn_id AND {_NO_BENEFIT.format(table="answer")}) THEN 'compliance'
         WHEN turn.route = 'medical_information' THEN 'medical'
         ELSE {HELD.format(table="inbox", at="received_at")} END AS withheld
    """
SENT_BY = f"""
    CASE WHEN {_NO_BENEFIT.format(table="outbox")} THEN 'compliance'
         WHEN outbox.basis LIKE '%%answer:%%' THEN 'medical'
         ELSE {HELD.format(table="outbox", at="created_at")} END AS withheld
    """


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message of a transcript. `author`: person, bot, or a colleague's login. What is sent has a `state`
    and, where something stands in its way, a `fault`; `until` is when it may be asked again. `withheld`: the
    role whose words they are alone (medical, pv, compliance)."""

    id: int
    incoming: bool
    at: datetime
    author: str
    text: str
    kind: str
    choices: tuple[str, ...] = ()
    basis: str = ""
    purpose: str = ""
    state: str = ""
    fault: str = ""
    until: datetime | None = None
    sent_at: datetime | None = None
    via: str = ""
    withheld: str = ""
    findings: tuple[str, ...] = ()
    sender: str = ""  # the login of the colleague who had approved content sent


_RECEIVED = f"""
    SELECT inbox.id, inbox.kind, inbox.received_at, inbox.person_id, inbox.body_enc, inbox.screening,
           {RECEIVED_BY}
    FROM inbox LEFT JOIN turn ON turn.id = inbox.turn_id
    WHERE inbox.contact_id = ANY(CAST(%(contacts)s AS bigint[])) AND inbox.kind IN ('text', 'choice', 'media')
      AND (CAST(%(before)s AS timestamptz) IS NULL OR inbox.received_at < %(before)s)
    ORDER BY inbox.received_at DESC, inbox.id DESC LIMIT %(limit)s
    """  # noqa: S608 - parts of ours
_SENT = f"""
    SELECT outbox.id, outbox.purpose, outbox.created_at, outbox.person_id, outbox.body_enc, outbox.basis,
           outbox.state, outbox.fault, outbox.not_before, outbox.sent_at, outbox.via,
           outbox.subject, {SENT_BY}
    FROM outbox
    WHERE outbox.contact_id = ANY(CAST(%(contacts)s AS bigint[]))
      AND (CAST(%(before)s AS timestamptz) IS NULL OR outbox.created_at < %(before)s)
    ORDER BY outbox.created_at DESC, outbox.id DESC LIMIT %(limit)s
    """  # noqa: S608 - parts of ours


async def transcript(
    tx: Tx, vault: Vault, contact_ids: Collection[int], limit: int, before: datetime | None = None
) -> list[ChatMessage]:
    """The newest `limit` messages, both directions, oldest first; those from before then, where given."""
    values = {"contacts": list(contact_ids), "limit": limit, "before": before}
    found = [await _incoming(tx, vault, row) for row in await hot(tx, _RECEIVED, values)]
    found += [await _outgoing(tx, vault, row) for row in await hot(tx, _SENT, values)]
    return sorted(found, key=lambda one: (one.at, not one.incoming, one.id))[-limit:]


async def _incoming(tx: Tx, vault: Vault, row: Any) -> ChatMessage:
    plain = await opened(tx, vault, row.person_id, row.body_enc, "inbox.body")
    body: dict[str, Any] = {"text": ERASED_TEXT} if plain == ERASED_TEXT else json.loads(plain)
    detail = body.get("detail") or {}
    found = row.screening or {}
    signs = tuple(name for name in ("red_flag", "adverse_event", "stop", "money") if found.get(name))
    return ChatMessage(
        id=row.id,
        incoming=True,
        at=row.received_at,
        author="person",
        text=str(body.get("text") or ""),
        kind=str(detail.get("type") or row.kind) if row.kind == "media" else row.kind,
        withheld=row.withheld or "",
        findings=signs,
    )


def author_of(bases: Collection[Basis]) -> str:
    """Who wrote it: a login, medical information, or the bot."""
    if any(basis.kind == BasisKind.ANSWER for basis in bases):
        return "医学信息部"
    return next((basis.ref for basis in bases if basis.kind == BasisKind.PERSON), "bot")


async def _outgoing(tx: Tx, vault: Vault, row: Any) -> ChatMessage:
    plain = await opened(tx, vault, row.person_id, row.body_enc, "outbox.body")
    body: dict[str, Any] = {"parts": [[plain, None]]} if plain in ("", ERASED_TEXT) else json.loads(plain)
    bases = [Basis.parse(basis) for _, basis in body["parts"] if basis]
    return ChatMessage(
        id=row.id,
        incoming=False,
        at=row.created_at,
        author=body.get("author") or author_of(bases),
        text="\n\n".join(part for part, _ in body["parts"]),
        kind="text",
        choices=tuple(label for _, label in body.get("choices", ())),
        basis=row.basis or "",
        purpose=row.purpose,
        state=row.state,
        fault=row.fault or "",
        until=row.not_before,
        sent_at=row.sent_at,
        via=row.via or "",
        withheld=row.withheld or "",
        sender=row.subject.rpartition("@")[2] if (row.subject or "").startswith("send:") else "",
    )


# ---------------------------------------------------------------- the list


@dataclass(frozen=True, slots=True)
class ChatLine:
    """A conversation in the list: its last word from the person, who has it, and whether a person is asked
    for. `waiting_since`: since when they want a colleague and have none; `claimed_by`: who has said that they
    do it."""

    contact_id: int
    last_id: int
    last_at: datetime
    unanswered: bool
    taken_by: str
    taken_name: str
    waiting_since: datetime | None
    due_at: datetime | None
    claimed_by: str


_LINES = """
    WITH wanted AS MATERIALIZED (
        SELECT contact_id, min(opened_at) AS opened_at, min(due_at) AS due_at, max(acknowledged_by) AS claimer
        FROM task
        WHERE kind = 'hand_over' AND state <> 'done' AND contact_id IS NOT NULL GROUP BY contact_id
    ),
    {chosen}
    SELECT chosen.id AS contact_id, came.id AS last_id, came.at AS last_at,
           coalesce(went.at < came.at, true) AS unanswered,
           staff.login AS taken_by, staff.name AS taken_name,
           wanted.opened_at AS waiting_since, wanted.due_at,
           (SELECT name FROM staff AS one WHERE one.login = wanted.claimer) AS claimed_by
    FROM chosen
    JOIN LATERAL (
        SELECT id, received_at AS at FROM inbox
        WHERE inbox.contact_id = chosen.id AND inbox.kind IN ('text', 'choice', 'media')
        ORDER BY id DESC LIMIT 1) AS came ON true
    LEFT JOIN LATERAL (
        SELECT max(created_at) AS at FROM outbox
        WHERE outbox.contact_id = chosen.id AND outbox.state NOT IN ('blocked', 'cancelled')) AS went ON true
    LEFT JOIN takeover ON takeover.contact_id = chosen.id AND takeover.ended_at IS NULL
    LEFT JOIN staff ON staff.id = takeover.staff_id
    LEFT JOIN wanted ON wanted.contact_id = chosen.id
    ORDER BY wanted.opened_at NULLS LAST, came.at DESC LIMIT %(limit)s
    """
_WAITING = _LINES.format(chosen="chosen AS (SELECT contact_id AS id FROM wanted)")
_SOME = _LINES.format(chosen="chosen AS (SELECT unnest(CAST(%(contacts)s AS bigint[])) AS id)")
# At most `scanned` contacts: of a rep, all; of who sees more, those who wrote last.
NEAREST = """
    reads AS MATERIALIZED (SELECT console_reads('doctors') OR console_reads('patients') AS everybody),
    -- What the policies leave of all contacts, found by whose they are: else each contact is asked.
    seen AS MATERIALIZED (
        SELECT id FROM (
            SELECT id FROM contact WHERE (SELECT everybody FROM reads)
            UNION ALL
            SELECT contact.id FROM doctor JOIN contact ON contact.person_id = doctor.person_id
            WHERE NOT (SELECT everybody FROM reads) AND doctor.rep_id = ANY ((SELECT console_reps())::uuid[])
            UNION ALL
            SELECT id FROM contact
            WHERE NOT (SELECT everybody FROM reads) AND (SELECT console_reads('nobodys'))
              AND person_id IN (SELECT console_nobodys())
        ) AS theirs LIMIT %(scanned)s + 1
    ),
    few AS (SELECT count(*) <= %(scanned)s AS few FROM seen),
    newest AS (
        SELECT contact_id AS id FROM (
            SELECT contact_id FROM inbox WHERE NOT (SELECT few FROM few) ORDER BY id DESC LIMIT %(scanned)s
        ) AS latest GROUP BY contact_id
    ),
    nearest AS (SELECT id FROM seen WHERE (SELECT few FROM few) UNION SELECT id FROM newest)
    """
_CHOSEN = "chosen AS (SELECT id FROM nearest UNION SELECT contact_id FROM wanted)"
_RECENT = _LINES.format(chosen=f"{NEAREST}, {_CHOSEN}")


async def waiting(tx: Tx, limit: int) -> list[ChatLine]:
    """Conversations in which somebody wants a person, the longest first."""
    return _chat_lines(await hot(tx, _WAITING, {"limit": limit}))


async def recent(tx: Tx, limit: int, scanned: int) -> list[ChatLine]:
    """Conversations, those that wait for a person first, then the newest."""
    return _chat_lines(await hot(tx, _RECENT, {"limit": limit, "scanned": scanned}))


async def lines_of(tx: Tx, contact_ids: Collection[int], limit: int) -> list[ChatLine]:
    """The conversations of these contacts, in the same order."""
    return _chat_lines(await hot(tx, _SOME, {"contacts": list(contact_ids), "limit": limit}))


def _chat_lines(rows: list[Any]) -> list[ChatLine]:
    return [
        ChatLine(
            *(row.contact_id, row.last_id, row.last_at, row.unanswered),
            *(row.taken_by or "", row.taken_name or "", row.waiting_since, row.due_at),
            row.claimed_by or "",
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class LastWords:
    """What a message says; its kind, where it says nothing; `withheld` as in `ChatMessage`."""

    text: str
    kind: str
    withheld: str


_LAST_WORDS = f"""
    SELECT inbox.id, inbox.kind, inbox.person_id, inbox.body_enc, {RECEIVED_BY}
    FROM inbox LEFT JOIN turn ON turn.id = inbox.turn_id WHERE inbox.id = ANY(CAST(%(ids)s AS bigint[]))
    """  # noqa: S608 - parts of ours


async def words_of(tx: Tx, vault: Vault, inbox_ids: Collection[int]) -> dict[int, LastWords]:
    """What these messages say, by id."""
    found = {}
    rows = await hot(tx, _LAST_WORDS, {"ids": list(inbox_ids)})
    await vault.prepare_to_open(tx, [row.body_enc for row in rows])
    for row in rows:
        plain = await opened(tx, vault, row.person_id, row.body_enc, "inbox.body")
        words = plain if plain == ERASED_TEXT else str(json.loads(plain).get("text") or "")
        found[row.id] = LastWords(words, row.kind, row.withheld or "")
    return found


_STATE = """
    SELECT coalesce((SELECT max(id) FROM inbox WHERE contact_id = %(contact)s), 0) AS received,
           coalesce((SELECT max(id) FROM outbox WHERE contact_id = %(contact)s), 0) AS sent,
           (SELECT string_agg(state, ',' ORDER BY id) FROM (
                SELECT id, state FROM outbox WHERE contact_id = %(contact)s ORDER BY id DESC LIMIT 30
            ) AS latest) AS states,
           (SELECT id FROM takeover WHERE contact_id = %(contact)s AND ended_at IS NULL) AS takeover,
           (SELECT count(*) FROM chat_note WHERE contact_id = %(contact)s) AS notes
    """


async def state_of(tx: Tx, contact_id: int) -> tuple[int, int, str, int]:
    """(newest message received, newest one sent, how the last ones stand and how many notes, takeover)."""
    (row,) = await hot(tx, _STATE, {"contact": contact_id})
    return row.received, row.sent, f"{row.states or ''};{row.notes}", row.takeover or 0


_HOLDER = """
    SELECT takeover.id, staff.login, staff.name, takeover.started_at, takeover.last_at, staff.id AS staff_id
    FROM takeover JOIN staff ON staff.id = takeover.staff_id
    WHERE takeover.contact_id = %(contact)s AND takeover.ended_at IS NULL AND takeover.last_at > %(since)s
    """


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who speaks with a contact at the moment."""

    takeover: int
    login: str
    name: str
    started_at: datetime
    last_at: datetime
    staff_id: UUID


async def speaker_of(tx: Tx, contact_id: int, since: datetime) -> Speaker | None:
    """The colleague who has the conversation and has written after `since`."""
    rows = await hot(tx, _HOLDER, {"contact": contact_id, "since": since})
    return Speaker(*rows[0]) if rows else None
