"""Turns: claimed by contact, one at a time, fenced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from psycopg.types.json import Json
from sqlalchemy import update

from bot.model import Fault, InboxState, MedrepError, Purpose
from bot.store import channels
from bot.store.database import Tx, hot
from bot.store.tables import turn

TOGETHER = 20  # rows that may form one turn


@dataclass(frozen=True, slots=True)
class Claim:
    """A turn that this worker owns until `lease_until` (real time), while `fence` is the newest.

    With a `purpose` it is a trigger's: all that is said in it is for that, and expires with it.
    """

    turn_id: UUID
    contact_id: int
    fence: int
    attempts: int
    failures: int = 0  # of the engine, in earlier attempts; a worker that died is no failure of it
    purpose: Purpose | None = None
    subject: str | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """A closed turn.

    `connection`: the last of its messages whose connection can still carry a reply, and until when (real
    time). `more`: messages wait, of whomever; of those that come later there is a notification.
    """

    connection: tuple[int, datetime] | None
    more: bool


@dataclass(frozen=True, slots=True)
class Record:
    """What a turn was made of; `entities` is ciphertext, since they quote the person."""

    intent: str
    confidence: float
    model: str
    actions: tuple[str, ...]
    entries: tuple[str, ...]
    slots: dict[str, Any]
    entities: bytes


async def claim_next(tx: Tx, now: datetime, lease: timedelta) -> Claim | None:
    """Take over a turn whose owner died, else open one for a contact that waits. None: nothing to do."""
    for _ in range(3):
        ((candidate, *abandoned),) = await hot(tx, _NEXT, {"now": now, "lease_until": now + lease})
        if abandoned[0] is not None:
            return _claim(abandoned)
        if candidate is None:
            return None
        # A statement of its own: the snapshot of the first may be older than its lock, and what waited then
        # can be done by now.
        values = {"turn": uuid4(), "contact": candidate, "now": now, "lease_until": now + lease}
        if opened := await hot(tx, _OPEN, values):
            return _claim(opened[0])
    return None


_CLAIM = "id, contact_id, fence, attempts, failures, purpose, subject, expires_at"


def _claim(row: Sequence[Any]) -> Claim:
    turn_id, contact_id, fence, attempts, failures, purpose, subject, expires_at = row
    purpose = Purpose(purpose) if purpose else None
    return Claim(turn_id, contact_id, fence, attempts, failures, purpose, subject, expires_at)


# A contact is locked NO KEY: storing a further message of theirs must not wait for us. A trigger does not
# begin while words of theirs wait, be it for their continuation.
_NEXT = f"""
    WITH abandoned AS (
        UPDATE turn
        SET state = 'running', fence = fence + 1, attempts = attempts + 1, lease_until = %(lease_until)s
        WHERE id = (
            SELECT id FROM turn WHERE state IN ('running', 'retry') AND lease_until < %(now)s
            ORDER BY lease_until LIMIT 1 FOR UPDATE SKIP LOCKED
        )
        RETURNING {_CLAIM}
    ), candidate AS (
        SELECT inbox.contact_id FROM inbox JOIN contact ON contact.id = inbox.contact_id
        WHERE inbox.state = 'waiting' AND inbox.ready_at <= %(now)s
          AND NOT EXISTS (SELECT FROM abandoned)
          AND NOT EXISTS (
              SELECT FROM turn
              WHERE turn.contact_id = inbox.contact_id AND turn.state IN ('running', 'retry'))
          AND (inbox.priority = 0 OR NOT EXISTS (
              SELECT FROM inbox AS words
              WHERE words.contact_id = inbox.contact_id AND words.state = 'waiting' AND words.priority = 0))
        ORDER BY inbox.priority, inbox.id LIMIT 1
        FOR NO KEY UPDATE OF contact SKIP LOCKED
    )
    SELECT (SELECT contact_id FROM candidate) AS candidate, abandoned.*
    FROM (SELECT) AS always LEFT JOIN abandoned ON true
    """  # noqa: S608 - the names are constants of ours

# The first message, and what follows it as long as it is text that need not wait.
_OPEN = f"""
    WITH waiting AS (
        SELECT id, kind, purpose, subject, expires_at,
               bool_and(kind = 'text' AND (ready_at <= %(now)s OR place = 1)) OVER (ORDER BY place) AS joins,
               place
        FROM (
            SELECT *, row_number() OVER (ORDER BY priority, id) AS place
            FROM inbox WHERE contact_id = %(contact)s AND state = 'waiting'
            ORDER BY priority, id LIMIT {TOGETHER}
        ) AS numbered
    ), opened AS (
        INSERT INTO turn (id, contact_id, state, fence, lease_until, started_at, purpose, subject, expires_at)
        SELECT %(turn)s, %(contact)s, 'running', 1, %(lease_until)s, %(now)s, purpose, subject, expires_at
        FROM waiting WHERE place = 1
        ON CONFLICT DO NOTHING
        RETURNING {_CLAIM}
    ), claimed AS (
        UPDATE inbox SET state = 'claimed', turn_id = opened.id
        FROM opened, waiting WHERE inbox.id = waiting.id AND (waiting.joins OR waiting.place = 1)
    )
    SELECT * FROM opened
    """  # noqa: S608 - the names and the number are constants of ours


async def finish(
    tx: Tx,
    claim: Claim,
    state: InboxState,
    now: datetime,
    *,
    record: Record | None = None,
    fault: str | None = None,
) -> Finished:
    """Close the turn and its messages. Raises MedrepError(LEASE_LOST): roll everything back then."""
    values = {"turn": claim.turn_id, "fence": claim.fence, "state": state.value, "now": now, "fault": fault}
    if record is None:
        messages = await hot(tx, _FINISH, values)
    else:
        lists = {"actions": list(record.actions), "entries": list(record.entries)}
        slots = {"slots": Json(record.slots)}
        messages = await hot(tx, _FINISH_RECORDED, {**asdict(record), **values, **lists, **slots})
    if not messages:
        raise MedrepError(Fault.LEASE_LOST, "another worker owns this turn")
    connections = [(inbox_id, until) for inbox_id, until, *_ in messages if until is not None]
    return Finished(max(connections, default=None), messages[0].more)


# Each message that still has a connection wakes it. A turn without messages gives one row of nulls.
_FINISH = f"""
    WITH done AS (
        UPDATE turn SET state = %(state)s, ended_at = %(now)s, fault = %(fault)s
        WHERE id = %(turn)s AND fence = %(fence)s AND state = 'running'
        RETURNING id
    ), messages AS (
        UPDATE inbox SET state = %(state)s FROM done WHERE inbox.turn_id = done.id
        RETURNING inbox.id, inbox.passive_until
    )
    SELECT messages.id, passive_until,
           CASE WHEN passive_until IS NOT NULL THEN pg_notify('{channels.PASSIVE}', messages.id::text) END
               AS woken,
           EXISTS (SELECT FROM inbox WHERE state = 'waiting') AS more
    FROM done LEFT JOIN messages ON true
    """  # noqa: S608 - the name is a constant of ours
# The last action that took the question somewhere decides; its effect committed before the turn.
_FINISH_RECORDED = _FINISH.replace(
    "fault = %(fault)s",
    """fault = %(fault)s, intent = %(intent)s, confidence = %(confidence)s, model = %(model)s,
            actions = %(actions)s::text[], entries = %(entries)s::text[], slots = %(slots)s,
            entities_enc = %(entities)s,
            route = (
                SELECT route FROM effect WHERE effect.turn_id = turn.id AND route IS NOT NULL
                ORDER BY ordinal DESC LIMIT 1
            )""",
)


async def entries_since(tx: Tx, contact_id: int, since: datetime) -> list[str]:
    """The entries this contact was answered with since then (business time), the newest first."""
    rows = await hot(tx, _ENTRIES, {"contact": contact_id, "since": since})
    return list(dict.fromkeys(entry for row in rows for entry in reversed(row.entries)))


_ENTRIES = """
    SELECT turn.entries FROM turn
    WHERE contact_id = %(contact)s AND cardinality(entries) > 0 AND EXISTS (
        SELECT FROM outbox WHERE outbox.turn_id = turn.id AND outbox.created_at > %(since)s)
    ORDER BY started_at DESC LIMIT 50
    """


async def refer(tx: Tx, contact_id: int, since: datetime) -> UUID | None:
    """Of the turns since then that were left to a colleague the newest, whose question goes to medical
    information and so leaves no other trace; None: there is none."""
    rows = await hot(tx, _REFER, {"contact": contact_id, "since": since})
    return rows[0].id if rows else None


_REFER = """
    UPDATE turn SET route = 'medical_information' WHERE id = (
        SELECT id FROM turn WHERE contact_id = %(contact)s AND fault = 'takeover' AND started_at >= %(since)s
        ORDER BY started_at DESC LIMIT 1)
    RETURNING id
    """


async def postpone(tx: Tx, claim: Claim, until: datetime, fault: str, *, counts: bool) -> None:
    """Give the turn back for later. `counts`: the engine failed, which counts towards giving up; else the
    attempt is forgotten."""
    await tx.execute(
        update(turn)
        .where(turn.c.id == claim.turn_id, turn.c.fence == claim.fence, turn.c.state == "running")
        .values(
            state="retry",
            lease_until=until,
            fault=fault,
            attempts=turn.c.attempts if counts else turn.c.attempts - 1,
            failures=turn.c.failures + 1 if counts else turn.c.failures,
        )
    )
