"""Replies that ride on the connection that brought a message: offered, taken, lent, given up."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import and_, exists, or_, select, update

from bot.model import OutboxState
from bot.store import channels
from bot.store.database import Tx, notify
from bot.store.outbox import answers, in_line
from bot.store.tables import inbox, outbox


async def waits_before(tx: Tx, contact_id: int) -> bool:
    """Whether an ordered message of this contact is still on its way: nothing may overtake it."""
    ahead = exists().where(outbox.c.contact_id == contact_id, answers(outbox), in_line(outbox))
    return bool((await tx.execute(select(ahead))).scalar())


async def lend(tx: Tx, contact_id: int, inbox_id: int, until: datetime, now: datetime) -> None:
    """A connection that new words cannot have, for an earlier message waits: it may carry that one.

    Whatever keeps that one from being pushed (a quota, say), a passive reply costs nothing.
    """
    row = (
        await tx.execute(
            select(outbox.c.id, outbox.c.state, outbox.c.passive_until, outbox.c.pieces_sent)
            .where(outbox.c.contact_id == contact_id, answers(outbox), in_line(outbox))
            .order_by(outbox.c.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
    ).first()
    if row is None or row.state != OutboxState.WAITING.value or row.pieces_sent:
        return
    if row.passive_until is not None and row.passive_until >= now:
        return  # it has a connection of its own
    await tx.execute(
        update(outbox)
        .where(outbox.c.id == row.id)
        .values(passive_inbox_id=inbox_id, passive_until=until, fence=outbox.c.fence + 1)
    )
    await notify(tx, channels.PASSIVE, str(inbox_id))


async def find(
    tx: Tx, inbox_id: int, until: datetime, retry_arrived: datetime | None, lease: timedelta
) -> tuple[int, bool] | None:
    """The row offered to this message's connection, locked: its id, and whether it is still waiting.

    `until` is what this connection gave as its own end: only the newest connection of a message gets its
    reply, for a platform that tries again has hung up on the others. `retry_arrived`: this connection is
    such a try and came then. What was written to an earlier one before that is offered once more: the
    platform shows it once.
    """
    newest = (
        # Locked: a retry that comes just now waits, and is then offered what we write.
        await tx.execute(
            select(inbox.c.passive_until).where(inbox.c.id == inbox_id).with_for_update(read=True)
        )
    ).scalar_one()
    if newest is not None and newest > until:
        return None
    offered = outbox.c.state == OutboxState.WAITING.value
    if retry_arrived is not None:
        written_before = and_(
            outbox.c.state.in_([OutboxState.SENT.value, OutboxState.SENDING.value]),
            outbox.c.via == "passive",
            outbox.c.written_at < retry_arrived,
            outbox.c.written_at > retry_arrived - lease,
        )
        offered = or_(offered, written_before)
    row = (
        await tx.execute(
            select(outbox.c.id, outbox.c.state)
            .where(outbox.c.passive_inbox_id == inbox_id, offered)
            .order_by(outbox.c.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
    ).first()
    return None if row is None else (row.id, row.state == OutboxState.WAITING.value)


async def push_instead(tx: Tx, outbox_id: int) -> None:
    """No connection can carry it: the loop pushes it."""
    await tx.execute(
        update(outbox)
        .where(outbox.c.id == outbox_id)
        .values(
            state=OutboxState.WAITING.value,
            passive_inbox_id=None,
            passive_until=None,
            fence=outbox.c.fence + 1,
        )
    )
    await notify(tx, channels.OUTBOX)
