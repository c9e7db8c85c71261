"""Occurrences of timers: each is pending until it is sent, missed, cancelled, or nobody knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, null, select, text, update
from sqlalchemy.dialects.postgresql import insert

from bot.model import OutboxState
from bot.store.database import Tx
from bot.store.tables import occurrence, outbox, timer
from bot.store.timers import Action

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
    return sum(state in (MISSED, CANCELLED) for state in rows.scalars())


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
class Waiting:
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


def _waiting() -> Select[Any]:
    return (
        select(
            occurrence.c.id,
            occurrence.c.action,
            occurrence.c.due_at,
            occurrence.c.timer_id,
            timer.c.contact_id,
            timer.c.name,
            timer.c.refs,
            timer.c.purpose,
            timer.c.subject,
            timer.c.grace,
        )
        .join(timer, timer.c.id == occurrence.c.timer_id)
        .where(
            occurrence.c.state == PENDING,
            occurrence.c.action != Action.MESSAGE.value,
            occurrence.c.inbox_id.is_(None),
            occurrence.c.lease_until.is_(None),
        )
    )


async def waiting(tx: Tx, limit: int) -> list[Waiting]:
    """Turns and jobs that are to begin, oldest first."""
    rows = await tx.execute(_waiting().order_by(occurrence.c.id).limit(limit))
    return [Waiting(*row) for row in rows]


async def still_waits(tx: Tx, occurrence_id: int) -> bool:
    """Whether it is still to begin; nobody else begins it before this transaction ends."""
    found = await tx.execute(
        _waiting().where(occurrence.c.id == occurrence_id).with_for_update(of=occurrence, skip_locked=True)
    )
    return found.first() is not None


async def triggered(tx: Tx, occurrence_id: int, inbox_id: int) -> None:
    """Its turn is this row of the inbox, which decides how it ends."""
    await tx.execute(update(occurrence).where(occurrence.c.id == occurrence_id).values(inbox_id=inbox_id))


async def lease(tx: Tx, occurrence_id: int, until: datetime) -> None:
    """Its job runs, until then at most (real time)."""
    await tx.execute(update(occurrence).where(occurrence.c.id == occurrence_id).values(lease_until=until))


async def abandoned(tx: Tx, now: datetime) -> list[int]:
    """Jobs whose process died (real time): nobody knows how far they got."""
    rows = await tx.execute(
        update(occurrence)
        .where(
            occurrence.c.state == PENDING,
            occurrence.c.action == Action.JOB.value,
            occurrence.c.lease_until < now,
        )
        .values(state=UNKNOWN, reason="its process died", lease_until=None)
        .returning(occurrence.c.id)
    )
    return list(rows.scalars())


# A turn is over when its row of the inbox is; its occurrence, when all that was said in it is settled.
_TURNS = text(
    """
    WITH over AS (
        SELECT occurrence.id, inbox.turn_id, inbox.state, inbox.fault
        FROM occurrence JOIN inbox ON inbox.id = occurrence.inbox_id
        WHERE occurrence.state = 'pending' AND occurrence.action = 'trigger'
          AND inbox.state IN ('done', 'failed', 'expired', 'cancelled')
    ), told AS (
        SELECT over.id, over.state, over.fault,
               bool_or(outbox.state IN ('waiting', 'sending', 'held')) AS open,
               bool_or(outbox.state IN ('sent', 'delivered')) AS left_us,
               bool_or(outbox.state = 'unknown') AS unknown,
               bool_or(outbox.state = 'cancelled' AND outbox.fault = ANY(:wanted)) AS cancelled,
               min(outbox.fault) AS refused
        FROM over LEFT JOIN outbox ON outbox.turn_id = over.turn_id
        GROUP BY over.id, over.state, over.fault
    )
    UPDATE occurrence SET
        state = CASE WHEN left_us THEN 'sent' WHEN unknown THEN 'unknown'
                     WHEN cancelled OR told.state = 'cancelled' AND told.fault = ANY(:wanted) THEN 'cancelled'
                     ELSE 'missed' END,
        reason = CASE WHEN left_us THEN NULL
                      ELSE coalesce(refused, told.fault, CASE told.state WHEN 'done' THEN 'nothing said' END,
                                    told.state) END
    FROM told WHERE occurrence.id = told.id AND NOT coalesce(open, false)
    RETURNING occurrence.id
    """
)


async def settle_turns(tx: Tx) -> int:
    """Turns whose words have left, or never will, end their occurrences; how many."""
    done = await tx.execute(_TURNS, {"wanted": list(_WANTED)})
    return len(done.all())
