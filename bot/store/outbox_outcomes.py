"""What becomes of outbound messages: sent, to be tried again, or never to leave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, select, text, update

from bot.model import PROACTIVE, Fault, OutboxState
from bot.store import channels, occurrences
from bot.store.database import Tx
from bot.store.outbox import Outgoing
from bot.store.receipts import Report
from bot.store.tables import inbox, outbox

_QUEUED = (OutboxState.WAITING.value, OutboxState.HELD.value)
_OPEN = frozenset({OutboxState.WAITING, OutboxState.SENDING, OutboxState.HELD})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one claimed row."""

    state: OutboxState
    fault: str | None = None
    sent_at: datetime | None = None  # business time
    platform_id: str | None = None
    retry_at: datetime | None = None  # real time
    not_before: datetime | None = None  # business time
    passive_until: datetime | None = None  # real time; a further connection may carry it until then
    expires_at: datetime | None = None  # business time
    counts: bool = True  # towards giving up
    halve: bool = False  # its pieces are to be half as long next time


async def settle(tx: Tx, row: Outgoing, outcome: Outcome) -> bool:
    """Write the outcome of a claimed row; False when somebody else has taken it meanwhile."""
    waits = outcome.state == OutboxState.WAITING
    values: dict[str, Any] = {
        "state": outcome.state.value,
        "fault": outcome.fault,
        "passive_until": outcome.passive_until,
        "not_before": outcome.not_before,
        "parked": waits and (outcome.not_before is not None or outcome.retry_at is not None),
    }
    kept = {
        "sent_at": outcome.sent_at,
        "platform_id": outcome.platform_id,
        "retry_at": outcome.retry_at,
        "expires_at": outcome.expires_at,
    }
    values |= {name: value for name, value in kept.items() if value is not None}
    if not outcome.counts:
        values["attempts"] = outbox.c.attempts - 1
    if outcome.halve:
        values["halved"] = outbox.c.halved + 1
    done = await tx.execute(
        update(outbox)
        .where(outbox.c.id == row.id, outbox.c.fence == row.fence)
        .values(**values)
        .returning(outbox.c.id)
    )
    if done.first() is None:
        return False
    if _of_a_timer(row) and outcome.state not in _OPEN:
        await occurrences.ended(tx, [row.id])
    await _next_in_line(tx, [row.contact_id])
    return True


async def settle_sent(tx: Tx, rows: Sequence[tuple[Outgoing, str | None]], now: datetime) -> frozenset[int]:
    """These claimed rows have left, each under this id of the platform; those that nobody else had taken."""
    done = await tx.execute(
        _SENT,
        {
            "now": now,
            "ids": [row.id for row, _ in rows],
            "fences": [row.fence for row, _ in rows],
            "platform_ids": [platform_id for _, platform_id in rows],
        },
    )
    await _next_in_line(tx, [row.contact_id for row, _ in rows])
    settled = frozenset(done.scalars())
    await occurrences.ended(tx, [row.id for row, _ in rows if _of_a_timer(row) and row.id in settled])
    return settled


def _of_a_timer(row: Outgoing) -> bool:
    """Whether it may end an occurrence: as its message, or as the last one of a turn that we began."""
    return row.occurrence_id is not None or (row.turn_id is not None and row.purpose in PROACTIVE)


_SENT = text(
    """
    UPDATE outbox
    SET state = 'sent', sent_at = :now, platform_id = sent.platform_id, fault = NULL, passive_until = NULL,
        not_before = NULL
    FROM unnest(CAST(:ids AS bigint[]), CAST(:fences AS bigint[]), CAST(:platform_ids AS text[]))
         AS sent(id, fence, platform_id)
    WHERE outbox.id = sent.id AND outbox.fence = sent.fence
    RETURNING outbox.id
    """
)


async def _next_in_line(tx: Tx, contact_ids: list[int]) -> None:
    """Wake the senders if more waits for these contacts: what was behind these rows may leave now."""
    more = exists().where(outbox.c.contact_id.in_(contact_ids), outbox.c.state == OutboxState.WAITING.value)
    await tx.execute(select(func.pg_notify(channels.OUTBOX, "")).where(more))


async def abandoned(tx: Tx, now: datetime, limit: int) -> list[Outgoing]:
    """Rows whose sender died while they may have been with the platform: nobody knows whether they left.

    Those whose sender died before wait again.
    """
    died = and_(outbox.c.state == OutboxState.SENDING.value, outbox.c.lease_until < now)
    await tx.execute(
        update(outbox)
        .where(died, outbox.c.written_at.is_(None))
        .values(state=OutboxState.WAITING.value, fence=outbox.c.fence + 1)
    )
    rows = await tx.execute(select(outbox).where(died).limit(limit).with_for_update(skip_locked=True))
    return [Outgoing.of(row) for row in rows]


async def give_up(tx: Tx, now: datetime, claims: int) -> list[int]:
    """Rows that were claimed this often and never came to an end; their ids."""
    stuck = and_(
        outbox.c.state == OutboxState.SENDING.value,
        outbox.c.lease_until < now,
        outbox.c.written_at.is_(None),
        outbox.c.attempts >= claims,
    )
    return (await _end(tx, stuck, OutboxState.FAILED, "given up"))[0]


async def expired(tx: Tx, business_now: datetime, limit: int) -> tuple[list[int], int]:
    """Waiting or held rows past their expiry end; their ids, and how many of them were reminders."""
    late = (
        select(outbox.c.id)
        .where(outbox.c.state.in_(_QUEUED), outbox.c.expires_at < business_now)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return await _end(tx, outbox.c.id.in_(late), OutboxState.EXPIRED, "expired")


async def cancel_proactive(tx: Tx, contact_ids: list[int]) -> int:
    """Stop means stop: every queued proactive message of these contacts is cancelled."""
    which = and_(
        outbox.c.contact_id.in_(contact_ids),
        outbox.c.state.in_(_QUEUED),
        outbox.c.purpose.in_([purpose.value for purpose in PROACTIVE]),
    )
    return len((await _end(tx, which, OutboxState.CANCELLED, "stopped"))[0])


async def cancel_open(tx: Tx, contact_id: int) -> None:
    """They cannot be reached any more: nothing queued for them leaves."""
    which = and_(outbox.c.contact_id == contact_id, outbox.c.state.in_(_QUEUED))
    await _end(tx, which, OutboxState.CANCELLED, "unreachable")


async def cancel(tx: Tx, outbox_id: int, reason: str) -> bool:
    """Whether this message was still queued; it will not leave."""
    which = and_(outbox.c.id == outbox_id, outbox.c.state.in_(_QUEUED))
    return bool((await _end(tx, which, OutboxState.CANCELLED, reason))[0])


async def cancel_turn(tx: Tx, inbox_id: int, reason: str) -> bool:
    """Whether anything was still queued of what the turn of this trigger said; it will not leave."""
    turn_id = select(inbox.c.turn_id).where(inbox.c.id == inbox_id).scalar_subquery()
    which = and_(outbox.c.turn_id == turn_id, outbox.c.state.in_(_QUEUED))
    return bool((await _end(tx, which, OutboxState.CANCELLED, reason))[0])


async def defer(tx: Tx, outbox_id: int, until: datetime, expires_at: datetime) -> bool:
    """Whether this message is still queued; it does not leave before then (business time)."""
    done = await tx.execute(
        update(outbox)
        .where(outbox.c.id == outbox_id, outbox.c.state.in_(_QUEUED))
        .values(not_before=until, parked=True, expires_at=expires_at, fault=Fault.NOT_NOW.value)
    )
    return bool(done.rowcount)


async def _end(tx: Tx, which: ColumnElement[bool], state: OutboxState, fault: str) -> tuple[list[int], int]:
    """These rows will not leave; their ids, and how many of them were reminders."""
    done = await tx.execute(
        update(outbox).where(which).values(state=state.value, fault=fault).returning(outbox.c.id)
    )
    ids = list(done.scalars())
    return ids, await occurrences.ended(tx, ids)


async def reported(tx: Tx, report: Report) -> tuple[int, OutboxState] | None:
    """The platform's later word on a message it had taken: the row's id and state, if we know it.

    What counted as sent and failed after all is `failed`, and its reminder missed.
    """
    state = OutboxState.DELIVERED if report.delivered else OutboxState.FAILED
    row: int | None = (
        await tx.execute(
            update(outbox)
            .where(outbox.c.platform_id == report.platform_id, outbox.c.account == str(report.account))
            .values(state=state.value, fault=None if report.delivered else report.status)
            .returning(outbox.c.id)
        )
    ).scalar()
    if row is None:
        return None
    await occurrences.ended(tx, [row])
    return row, state
