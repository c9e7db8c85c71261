"""Replies that ride on the connection that brought a message: offered, taken, lent, given up."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import update

from bot.model import OutboxState
from bot.store import channels
from bot.store.database import Tx, hot, notify
from bot.store.outbox import IN_LINE, Outgoing
from bot.store.tables import outbox


async def lend(tx: Tx, contact_id: int, inbox_id: int, until: datetime, now: datetime) -> None:
    """A connection that new words cannot have, for an earlier message waits: it may carry that one.

    Whatever keeps that one from being pushed (a quota, say), a passive reply costs nothing.
    """
    rows = await hot(tx, _FIRST_IN_LINE, {"contact": contact_id})
    row = rows[0] if rows else None
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


# Only the first: where somebody else is about to send that one, the next would overtake it.
_FIRST_IN_LINE = f"""
    SELECT id, state, passive_until, pieces_sent FROM outbox
    WHERE id = (
        SELECT id FROM outbox AS earlier
        WHERE contact_id = %(contact)s AND lane = 'reply' AND {IN_LINE} ORDER BY id LIMIT 1)
    FOR UPDATE SKIP LOCKED
    """  # noqa: S608 - the condition is a constant of ours


async def find(
    tx: Tx, inbox_id: int, until: datetime, retry_arrived: datetime | None, lease: timedelta
) -> Outgoing | None:
    """The row offered to this message's connection, locked.

    `until` is what this connection gave as its own end: only the newest connection of a message gets its
    reply, for a platform that tries again has hung up on the others. `retry_arrived`: this connection is
    such a try and came then. What was written to an earlier one before that is offered once more: the
    platform shows it once.
    """
    after = retry_arrived - lease if retry_arrived else None
    values = {"inbox": inbox_id, "until": until, "before": retry_arrived, "after": after}
    rows = await hot(tx, _OFFERED, values)
    return Outgoing.of(rows[0]) if rows else None


# The message is locked, too: a retry that comes just now waits, and is then offered what we write.
_OFFERED = """
    SELECT outbox.*
    FROM inbox JOIN outbox ON outbox.passive_inbox_id = inbox.id
    WHERE inbox.id = %(inbox)s AND (inbox.passive_until IS NULL OR inbox.passive_until <= %(until)s)
      AND (outbox.state = 'waiting'
           OR (outbox.state IN ('sent', 'sending') AND outbox.via = 'passive'
               AND outbox.written_at < %(before)s::timestamptz
               AND outbox.written_at > %(after)s::timestamptz))
    ORDER BY outbox.id LIMIT 1
    FOR SHARE OF inbox FOR UPDATE OF outbox SKIP LOCKED
    """


async def push_instead(tx: Tx, row: Outgoing) -> None:
    """No connection can carry it: the loop pushes it, unless a further connection has taken it meanwhile."""
    await tx.execute(
        update(outbox)
        .where(outbox.c.id == row.id, outbox.c.fence == row.fence)
        .values(
            state=OutboxState.WAITING.value,
            passive_inbox_id=None,
            passive_until=None,
            fence=outbox.c.fence + 1,
        )
    )
    await notify(tx, channels.OUTBOX)
