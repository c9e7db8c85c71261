"""What becomes of outbound messages: sent, to be tried again, or never to leave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, literal_column, select, update

from bot.model import PROACTIVE, Fault, OutboxState
from bot.store import channels, occurrences
from bot.store.database import Tx, hot
from bot.store.outbox import Outgoing
from bot.store.receipts import DeliveryReport
from bot.store.tables import inbox, outbox

_QUEUED = (OutboxState.WAITING.value, OutboxState.HELD.value)


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
    pieces: int | None = None  # so many of its pieces have left
    counts: bool = True  # towards giving up
    halve: bool = False  # its pieces are to be half as long next time


async def settle(tx: Tx, row: Outgoing, outcome: Outcome) -> bool:
    """Write the outcome of a claimed row; False when it is somebody else's meanwhile, or settled already."""
    return bool(await settle_all(tx, [(row, outcome)]))


async def settle_all(tx: Tx, settled: Sequence[tuple[Outgoing, Outcome]]) -> frozenset[int]:
    """As `settle`, in one statement; the rows that were still ours. So it can be repeated.

    Occurrences end with their messages, and the senders are woken if something was in line behind these.
    """
    outcomes = [outcome for _, outcome in settled]
    values = {
        "ids": [row.id for row, _ in settled],
        "fences": [row.fence for row, _ in settled],
        "states": [outcome.state.value for outcome in outcomes],
        "faults": [outcome.fault for outcome in outcomes],
        "sent_ats": [outcome.sent_at for outcome in outcomes],
        "platform_ids": [outcome.platform_id for outcome in outcomes],
        "retry_ats": [outcome.retry_at for outcome in outcomes],
        "not_befores": [outcome.not_before for outcome in outcomes],
        "passive_untils": [outcome.passive_until for outcome in outcomes],
        "expires_ats": [outcome.expires_at for outcome in outcomes],
        "pieces": [outcome.pieces for outcome in outcomes],
        "claims": [0 if outcome.counts else 1 for outcome in outcomes],
        "halvings": [int(outcome.halve) for outcome in outcomes],
    }
    ours = frozenset(row.id for row in await hot(tx, _SETTLE, values))
    begun = [row.id for row, _ in settled if row.id in ours and row.turn_id and row.purpose in PROACTIVE]
    await occurrences.turns_ended(tx, begun)
    return ours


def _sql(element: ColumnElement[Any]) -> str:
    return str(element.compile(compile_kwargs={"literal_binds": True}))


_STATE: ColumnElement[str] = literal_column("settled.state")
_FAULT: ColumnElement[str] = literal_column("settled.fault")
_OPEN = "('waiting', 'sending', 'held')"
# `unknown` is no end: whose sender came too late for its lease may still learn that it was sent.
_SETTLE = f"""
    WITH settled AS (
        UPDATE outbox
        SET state = outcome.state, fault = outcome.fault, passive_until = outcome.passive_until,
            not_before = outcome.not_before,
            parked = outcome.state = 'waiting'
                AND (outcome.not_before IS NOT NULL OR outcome.retry_at IS NOT NULL),
            sent_at = coalesce(outcome.sent_at, outbox.sent_at),
            platform_id = coalesce(outcome.platform_id, outbox.platform_id),
            retry_at = coalesce(outcome.retry_at, outbox.retry_at),
            expires_at = coalesce(outcome.expires_at, outbox.expires_at),
            pieces_sent = coalesce(outcome.pieces, outbox.pieces_sent),
            attempts = outbox.attempts - outcome.claims, halved = outbox.halved + outcome.halvings
        FROM unnest(
            CAST(%(ids)s AS bigint[]), CAST(%(fences)s AS bigint[]), CAST(%(states)s AS text[]),
            CAST(%(faults)s AS text[]), CAST(%(sent_ats)s AS timestamptz[]), CAST(%(platform_ids)s AS text[]),
            CAST(%(retry_ats)s AS timestamptz[]), CAST(%(not_befores)s AS timestamptz[]),
            CAST(%(passive_untils)s AS timestamptz[]), CAST(%(expires_ats)s AS timestamptz[]),
            CAST(%(pieces)s AS int[]), CAST(%(claims)s AS int[]), CAST(%(halvings)s AS int[])
        ) AS outcome(id, fence, state, fault, sent_at, platform_id, retry_at, not_before, passive_until,
                     expires_at, pieces, claims, halvings)
        WHERE outbox.id = outcome.id AND outbox.fence = outcome.fence
          AND outbox.state IN ('sending', 'unknown')
        RETURNING outbox.id, outbox.contact_id, outbox.occurrence_id, outbox.state, outbox.fault,
                  outbox.parked, outbox.passive_until
    ), ended AS (
        UPDATE occurrence
        SET state = {_sql(occurrences.end_of(_STATE, _FAULT))},
            reason = {_sql(occurrences.reason_of(_STATE, _FAULT))}
        FROM settled
        WHERE occurrence.id = settled.occurrence_id AND settled.state NOT IN {_OPEN}
    )
    SELECT id, (
        SELECT count(pg_notify('{channels.OUTBOX}', ''))
        WHERE EXISTS (
            SELECT FROM settled CROSS JOIN LATERAL (
                SELECT FROM outbox AS behind
                WHERE behind.contact_id = settled.contact_id AND behind.state = 'waiting'
                  AND NOT behind.parked LIMIT 1
            ) AS next
        ) OR EXISTS (SELECT FROM settled WHERE state = 'waiting' AND NOT parked AND passive_until IS NULL)
    ) AS woken
    FROM settled
    """  # noqa: S608 - the names and the cases are constants of ours


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
        outbox.c.contact_id == func.any(contact_ids),
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


async def reported(tx: Tx, report: DeliveryReport) -> tuple[int, OutboxState] | None:
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
