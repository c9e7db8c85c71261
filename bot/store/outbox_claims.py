"""Outbound messages on their way: claimed in order, handed over to one sender, sent once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import not_, select, text, update
from sqlalchemy.dialects.postgresql import insert

from bot.model import Account, Fault, MedrepError, OutboxState
from bot.store.database import Tx, hot
from bot.store.occurrences import Origin
from bot.store.outbox import IN_LINE, Outgoing
from bot.store.tables import outbox, served

_READY = f"""
        SELECT id, priority FROM outbox AS candidate
        WHERE account = ours.name AND state = 'waiting' AND NOT parked
          AND retry_at <= %(now)s
          AND (passive_until IS NULL OR passive_until < %(now)s)
          AND (not_before IS NULL OR not_before <= %(business)s)
          AND (expires_at IS NULL OR expires_at >= %(business)s)
          AND (unordered OR NOT EXISTS (
              SELECT FROM outbox AS earlier
              WHERE earlier.contact_id = candidate.contact_id AND earlier.lane = candidate.lane
                AND earlier.id < candidate.id AND {IN_LINE}))
    """  # noqa: S608 - the condition is a constant of ours

# Of each account the most urgent rows, the oldest of each contact's lane. Answers and what we begin have
# places of their own, so that neither waits for sends of the other that hang.
_CLAIM = f"""
WITH ours AS (
    SELECT name FROM unnest(CAST(%(accounts)s AS text[])) AS name
    WHERE NOT EXISTS (SELECT FROM circuit WHERE account = name AND open_until > %(now)s)
), answers AS (
    SELECT picked.id FROM ours CROSS JOIN LATERAL (
        {_READY} AND priority <= 1 ORDER BY priority, id LIMIT %(free)s FOR UPDATE SKIP LOCKED
    ) AS picked ORDER BY picked.priority, picked.id LIMIT %(free)s
), begun AS (
    SELECT picked.id FROM ours CROSS JOIN LATERAL (
        {_READY} AND priority > 1 ORDER BY priority, id LIMIT %(begun)s FOR UPDATE SKIP LOCKED
    ) AS picked ORDER BY picked.priority, picked.id
    LIMIT least(%(begun)s, %(free)s - (SELECT count(*) FROM answers))
)
UPDATE outbox
SET state = 'sending', via = 'active', lease_until = %(lease_until)s, written_at = NULL,
    fence = fence + 1, attempts = attempts + 1
WHERE id IN (SELECT id FROM answers UNION ALL SELECT id FROM begun)
RETURNING *
"""  # noqa: S608 - the condition is a constant of ours


async def claim(
    tx: Tx,
    now: datetime,
    business_now: datetime,
    lease: timedelta,
    accounts: Collection[Account],
    *,
    free: int,
    begun: int,
) -> list[Outgoing]:
    """Take rows of these accounts that may be pushed now, in state `sending`, the most urgent first: safety
    and replies, then reminders, service and promotion; up to `free` rows, of which we begin up to `begun`.

    `written_at` stays empty until the row is handed to the platform: whose sender dies before that has
    certainly not left.
    """
    rows = await hot(
        tx,
        _CLAIM,
        {
            "now": now,
            "business": business_now,
            "lease_until": now + lease,
            "accounts": [str(account) for account in accounts],
            "free": free,
            "begun": begun,
        },
    )
    return sorted((Outgoing.of(row) for row in rows), key=lambda row: (row.priority, row.id))


_WAKE = text(
    """
    WITH hour AS (
        SELECT id FROM outbox WHERE state = 'waiting' AND parked AND not_before <= :business
        ORDER BY not_before, id LIMIT :limit FOR UPDATE SKIP LOCKED
    ), again AS (
        SELECT id FROM outbox WHERE state = 'waiting' AND parked AND not_before IS NULL AND retry_at <= :now
        ORDER BY retry_at, id LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    UPDATE outbox SET parked = false WHERE id IN (SELECT id FROM hour UNION ALL SELECT id FROM again)
    """
)


async def wake(tx: Tx, now: datetime, business_now: datetime, limit: int) -> None:
    """Bring back up to twice `limit` parked rows whose hour, or next try, has come."""
    await tx.execute(_WAKE, {"now": now, "business": business_now, "limit": limit})


async def unserved(tx: Tx, since: datetime, now: datetime, accounts: Collection[Account]) -> list[str]:
    """Note that these accounts are served (real time); others with messages that could have left since then,
    and which no process has served since."""
    names = [str(account) for account in accounts]
    if names:
        statement = insert(served).values([{"account": account, "seen_at": now} for account in names])
        await tx.execute(statement.on_conflict_do_update(index_elements=["account"], set_={"seen_at": now}))
    recent = select(served.c.account).where(served.c.seen_at > since)
    rows = await tx.execute(
        select(outbox.c.account)
        .distinct()
        .where(
            outbox.c.state == OutboxState.WAITING.value,
            not_(outbox.c.parked),
            outbox.c.retry_at < since,
            outbox.c.account.not_in(recent),
        )
    )
    return list(rows.scalars())


@dataclass(frozen=True, slots=True)
class Transmission:
    """A claimed row, with its text, that is about to be with the platform."""

    row: Outgoing
    via: str  # active | template


async def lock(tx: Tx, rows: Sequence[Outgoing]) -> list[Outgoing]:
    """Those of these claimed rows that are still ours, locked until this transaction ends; with their origin,
    where they are of a timer."""
    locked = {(row.id, row.fence): row for row in await hot(tx, _LOCK, {"ids": [row.id for row in rows]})}
    return [
        row if (found := locked[row.id, row.fence]).name is None else replace(row, origin=_origin(found))
        for row in rows
        if (row.id, row.fence) in locked
    ]


def _origin(row: Any) -> Origin:
    return Origin(row.name, row.refs, row.subject, row.due_at)


_LOCK = """
    SELECT outbox.id, outbox.fence, timer.name, timer.refs, timer.subject, occurrence.due_at
    FROM outbox
    LEFT JOIN occurrence ON occurrence.id = outbox.occurrence_id
    LEFT JOIN timer ON timer.id = occurrence.timer_id
    WHERE outbox.id = ANY(CAST(%(ids)s AS bigint[])) AND outbox.state = 'sending'
    ORDER BY outbox.id FOR NO KEY UPDATE OF outbox
    """


async def give_back(tx: Tx, rows: Sequence[Outgoing], retry_at: datetime) -> None:
    """These claimed rows were handed to nobody, whatever the database says of them: those that are still ours
    wait again (real time), and the claim does not count."""
    values = {
        "ids": [row.id for row in rows],
        "fences": [row.fence for row in rows],
        "retry_at": retry_at,
    }
    await tx.execute(_GIVE_BACK, values)


_GIVE_BACK = text(
    """
    UPDATE outbox
    SET state = 'waiting', parked = true, retry_at = :retry_at, written_at = NULL, fence = outbox.fence + 1,
        attempts = attempts - 1
    FROM unnest(CAST(:ids AS bigint[]), CAST(:fences AS bigint[])) AS claimed(id, fence)
    WHERE outbox.id = claimed.id AND outbox.fence = claimed.fence AND outbox.state = 'sending'
    """
)


_HAND_OVER = """
    UPDATE outbox
    SET written_at = %(now)s, lease_until = %(lease_until)s, via = handed.via,
        body_enc = coalesce(handed.body_enc, outbox.body_enc), basis = coalesce(handed.basis, outbox.basis)
    FROM unnest(CAST(%(ids)s AS bigint[]), CAST(%(vias)s AS text[]), CAST(%(bodies)s AS bytea[]),
                CAST(%(bases)s AS text[])) AS handed(id, via, body_enc, basis)
    WHERE outbox.id = handed.id
    RETURNING outbox.id
    """


async def hand_over(tx: Tx, handed: Sequence[Transmission], now: datetime, lease: timedelta) -> None:
    """From the commit on these locked rows may be with the platform; the text of an occurrence is kept."""
    made = [one.row if one.row.occurrence_id is not None else None for one in handed]
    await hot(
        tx,
        _HAND_OVER,
        {
            "now": now,
            "lease_until": now + lease,
            "ids": [one.row.id for one in handed],
            "vias": [one.via for one in handed],
            "bodies": [row and row.body_enc for row in made],
            "bases": [row and row.basis for row in made],
        },
    )


async def hand_over_piece(tx: Tx, row: Outgoing, now: datetime, lease: timedelta, *, pieces: int) -> None:
    """From the commit on one more piece may be with the platform; `pieces` of the row certainly are.

    Raises MedrepError(LEASE_LOST) when it is no longer ours.
    """
    done = await tx.execute(
        update(outbox)
        .where(
            outbox.c.id == row.id,
            outbox.c.fence == row.fence,
            outbox.c.state == OutboxState.SENDING.value,
        )
        .values(written_at=now, lease_until=now + lease, pieces_sent=pieces)
        .returning(outbox.c.id)
    )
    if done.first() is None:
        raise MedrepError(Fault.LEASE_LOST, "somebody else decides about this row")


async def take(tx: Tx, row: Outgoing, now: datetime, lease: timedelta) -> Outgoing | None:
    """The row, for a passive reply; None when somebody else has it meanwhile."""
    fence: int | None = (
        await tx.execute(
            update(outbox)
            .where(outbox.c.id == row.id, outbox.c.fence == row.fence)
            .values(
                state=OutboxState.SENDING.value,
                via="passive",
                lease_until=now + lease,
                written_at=now,
                fence=outbox.c.fence + 1,
            )
            .returning(outbox.c.fence)
        )
    ).scalar()
    return None if fence is None else replace(row, fence=fence)
