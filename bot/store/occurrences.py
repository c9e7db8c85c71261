"""Occurrences of timers: each is pending until it is sent, missed, cancelled, or nobody knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, TextClause, and_, case, null, select, text, update
from sqlalchemy.dialects.postgresql import insert

from bot.model import OutboxState
from bot.store.database import Tx
from bot.store.tables import occurrence, outbox

PENDING, SENT, MISSED, CANCELLED, UNKNOWN = "pending", "sent", "missed", "cancelled", "unknown"
_LEFT = (OutboxState.SENT.value, OutboxState.DELIVERED.value)
_OPEN = (OutboxState.WAITING.value, OutboxState.SENDING.value, OutboxState.HELD.value)
# A message is cancelled when somebody wanted it so; whatever else refuses it makes the reminder a missed one.
_WANTED = ("stopped", "erased", "cancelled", "restored")


def end_of(state: ColumnElement[str], fault: ColumnElement[str]) -> ColumnElement[str]:
    """What a message's end is for its occurrence."""
    return case(
        (state.in_(_LEFT), SENT),
        (state == OutboxState.UNKNOWN.value, UNKNOWN),
        (and_(state == OutboxState.CANCELLED.value, fault.in_(_WANTED)), CANCELLED),
        else_=MISSED,
    )


def reason_of(state: ColumnElement[str], fault: ColumnElement[str]) -> ColumnElement[str | None]:
    return case((state.in_(_LEFT), null()), else_=fault)


async def ended(tx: Tx, outbox_ids: Sequence[int]) -> int:
    """Those of these messages that have come to an end (their rows say how) end their occurrences; how many
    occurrences did not take place. Messages of no timer are passed over."""
    if not outbox_ids:
        return 0
    rows = await tx.execute(
        update(occurrence)
        .where(
            outbox.c.id.in_(outbox_ids),
            outbox.c.state.not_in(_OPEN),
            occurrence.c.id == outbox.c.occurrence_id,
        )
        .values(
            state=end_of(outbox.c.state, outbox.c.fault),
            reason=reason_of(outbox.c.state, outbox.c.fault),
        )
        .returning(occurrence.c.state)
    )
    missed = sum(state in (MISSED, CANCELLED) for state in rows.scalars())
    return missed + await turns_ended(tx, outbox_ids)


# The occurrence is locked first, and its messages are read in a statement of their own, whose snapshot shows
# what others have settled meanwhile: of two that settle its last two messages, the second ends it.
_OF_MESSAGES = text(
    """
    SELECT occurrence.id
    FROM outbox JOIN inbox ON inbox.turn_id = outbox.turn_id
         JOIN occurrence ON occurrence.inbox_id = inbox.id
    WHERE outbox.id = ANY(:ids) AND outbox.state NOT IN ('waiting', 'sending', 'held')
      AND occurrence.state = 'pending' AND occurrence.inbox_id IS NOT NULL
    ORDER BY occurrence.id FOR UPDATE OF occurrence
    """
)
_OF_TRIGGERS = text(
    """
    SELECT id FROM occurrence
    WHERE inbox_id = ANY(:ids) AND state = 'pending' AND inbox_id IS NOT NULL
    ORDER BY id FOR UPDATE
    """
)
_TURNS = text(
    """
    WITH ending AS (
        SELECT occurrence.id, inbox.state, inbox.fault,
               bool_or(outbox.state IN ('waiting', 'sending', 'held')) AS open,
               bool_or(outbox.state IN ('sent', 'delivered')) AS sent,
               bool_or(outbox.state = 'unknown') AS unknown,
               bool_or(outbox.state = 'cancelled' AND outbox.fault = ANY(:wanted)) AS cancelled,
               min(outbox.fault) AS refusal
        FROM occurrence JOIN inbox ON inbox.id = occurrence.inbox_id
             LEFT JOIN outbox ON outbox.turn_id = inbox.turn_id
        WHERE occurrence.id = ANY(:ids) AND occurrence.state = 'pending'
          AND inbox.state IN ('done', 'failed', 'expired', 'cancelled')
        GROUP BY occurrence.id, inbox.state, inbox.fault
    )
    UPDATE occurrence SET
        state = CASE WHEN ending.sent THEN 'sent' WHEN ending.unknown THEN 'unknown'
                     WHEN ending.cancelled THEN 'cancelled'
                     WHEN ending.state <> 'done' AND ending.fault = ANY(:wanted) THEN 'cancelled'
                     ELSE 'missed' END,
        reason = CASE WHEN ending.sent THEN NULL
                      ELSE coalesce(ending.refusal, ending.fault,
                                    CASE ending.state WHEN 'done' THEN 'nothing said' END, ending.state) END
    FROM ending WHERE occurrence.id = ending.id AND NOT coalesce(ending.open, false)
    RETURNING occurrence.state
    """
)


async def turns_ended(tx: Tx, outbox_ids: Sequence[int]) -> int:
    """Where these messages were the last to come to an end of a turn that a timer began, its occurrence ends;
    how many did not take place. Messages of other turns are passed over."""
    return await _turns_ended(tx, _OF_MESSAGES, outbox_ids)


async def triggers_ended(tx: Tx, inbox_ids: Sequence[int]) -> None:
    """These triggers are over (their rows say how). So are their occurrences, but where something that was
    said is still to leave. Triggers of no timer are passed over."""
    await _turns_ended(tx, _OF_TRIGGERS, inbox_ids)


async def _turns_ended(tx: Tx, query: TextClause, ids: Sequence[int]) -> int:
    found = list((await tx.execute(query, {"ids": list(ids)})).scalars()) if ids else []
    if not found:
        return 0
    ends = await tx.execute(_TURNS, {"ids": found, "wanted": list(_WANTED)})
    return sum(state in (MISSED, CANCELLED) for state in ends.scalars())


@dataclass(frozen=True, slots=True)
class Origin:
    """What a timer says of the text of its messages: who makes it, and from what."""

    name: str
    refs: dict[str, int | str]
    subject: str
    due_at: datetime


async def record(tx: Tx, timer_id: int, action: str, due_at: datetime, state: str, reason: str) -> None:
    """An occurrence that comes to its end without having been queued."""
    row = {"timer_id": timer_id, "action": action, "due_at": due_at, "state": state, "reason": reason}
    await tx.execute(insert(occurrence).values(**row).on_conflict_do_nothing())


@dataclass(frozen=True, slots=True)
class Pending:
    """An occurrence that has not ended: its message, its trigger, or whether its job runs."""

    id: int
    due_at: datetime
    outbox_id: int | None
    inbox_id: int | None
    running: bool


async def pending(tx: Tx, timer_id: int, contact_id: int | None, due_at: datetime | None) -> list[Pending]:
    """The timer's pending occurrences, or just that of `due_at`."""
    query = (
        select(
            occurrence.c.id,
            occurrence.c.due_at,
            outbox.c.id,
            occurrence.c.inbox_id,
            occurrence.c.lease_until.is_not(None),
        )
        .outerjoin(outbox, and_(outbox.c.contact_id == contact_id, outbox.c.occurrence_id == occurrence.c.id))
        .where(occurrence.c.timer_id == timer_id, occurrence.c.state == PENDING)
        .order_by(occurrence.c.id)
    )
    if due_at is not None:
        query = query.where(occurrence.c.due_at == due_at)
    return [Pending(*row) for row in await tx.execute(query)]


async def end(tx: Tx, occurrence_id: int, state: str, reason: str | None = None) -> None:
    """A pending occurrence ends so."""
    await tx.execute(
        update(occurrence)
        .where(occurrence.c.id == occurrence_id, occurrence.c.state == PENDING)
        .values(state=state, reason=reason, lease_until=None)
    )


async def move(tx: Tx, occurrence_id: int, to: datetime) -> None:
    """A pending occurrence is due then."""
    await tx.execute(update(occurrence).where(occurrence.c.id == occurrence_id).values(due_at=to))


@dataclass(frozen=True, slots=True)
class DueOccurrence:
    """A pending occurrence whose turn or job has not begun."""

    id: int
    action: str
    due_at: datetime
    timer_id: int
    contact_id: int | None
    name: str
    refs: dict[str, int | str]
    purpose: str | None
    subject: str
    grace: int


# Constants stand in the text: with parameters the planner would not use the partial index.
_WAITING = """
    SELECT occurrence.id, occurrence.action, occurrence.due_at, occurrence.timer_id, timer.contact_id,
           timer.name, timer.refs, timer.purpose, timer.subject, timer.grace
    FROM occurrence JOIN timer ON timer.id = occurrence.timer_id
    WHERE occurrence.state = 'pending' AND occurrence.action <> 'message'
      AND occurrence.inbox_id IS NULL AND occurrence.lease_until IS NULL
"""
_NEXT = text(f"{_WAITING} AND occurrence.id > :after ORDER BY occurrence.id LIMIT :limit")
_CLAIM = text(f"{_WAITING} AND occurrence.id = :id FOR UPDATE OF occurrence SKIP LOCKED")
_LOCK_CONTACT = text("SELECT id FROM contact WHERE id = :id FOR NO KEY UPDATE SKIP LOCKED")


async def waiting(tx: Tx, after: int, limit: int) -> list[DueOccurrence]:
    """Turns and jobs that are to begin, behind this occurrence, oldest first."""
    return [DueOccurrence(*row) for row in await tx.execute(_NEXT, {"after": after, "limit": limit})]


async def claim(tx: Tx, one: DueOccurrence) -> bool:
    """Whether it is still to begin, and nobody else changes it or its contact before this transaction ends.

    It waits for no lock: an erasure or an import may hold a contact for long, and other turns are due.
    """
    if one.contact_id is not None:
        free = await tx.execute(_LOCK_CONTACT, {"id": one.contact_id})
        if free.first() is None:
            return False
    return (await tx.execute(_CLAIM, {"id": one.id})).first() is not None


async def triggered(tx: Tx, occurrence_id: int, inbox_id: int) -> None:
    """Its turn is this row of the inbox, which decides how it ends."""
    await tx.execute(update(occurrence).where(occurrence.c.id == occurrence_id).values(inbox_id=inbox_id))


async def lease(tx: Tx, occurrence_id: int, until: datetime) -> None:
    """Its job runs, until then at most (real time)."""
    await tx.execute(update(occurrence).where(occurrence.c.id == occurrence_id).values(lease_until=until))


_ABANDONED = text(
    """
    UPDATE occurrence SET state = 'unknown', reason = 'its process died', lease_until = NULL
    WHERE state = 'pending' AND lease_until < :now
    RETURNING id
    """
)


async def abandoned(tx: Tx, now: datetime) -> list[int]:
    """Jobs whose process died (real time): nobody knows how far they got."""
    return list((await tx.execute(_ABANDONED, {"now": now})).scalars())
