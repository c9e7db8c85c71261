"""Sending after a restore: what was queued at the time of the backup may have left since, so nothing is sent
until a person has looked at the list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import delete, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert

from bot.model import OutboxState
from bot.store import channels, occurrences
from bot.store.database import Tx, notify
from bot.store.tables import circuit, contact, outbox

_UNTIL_RESUMED = datetime(9999, 1, 1, tzinfo=UTC)
_QUEUED = (OutboxState.WAITING.value, OutboxState.SENDING.value, OutboxState.HELD.value)


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """One message that has not left, as far as the database knows."""

    id: int
    account: str
    purpose: str
    state: str
    basis: str | None
    created_at: datetime


async def pause(tx: Tx) -> None:
    """Push nothing until `resume` on the accounts that have contacts, so nothing that was queued leaves.
    Replies on the connection of a message still do."""
    account = contact.c.channel + ":" + contact.c.account
    accounts = select(account, literal(_UNTIL_RESUMED), literal("restored")).distinct()
    statement = insert(circuit).from_select(["account", "open_until", "fault"], accounts)
    await tx.execute(
        statement.on_conflict_do_update(
            index_elements=["account"], set_={"open_until": _UNTIL_RESUMED, "fault": "restored"}
        )
    )


async def resume(tx: Tx) -> int:
    """Push again; how many accounts were paused."""
    done = await tx.execute(delete(circuit).where(circuit.c.open_until == _UNTIL_RESUMED))
    await notify(tx, channels.OUTBOX)
    return int(done.rowcount)


async def queued(tx: Tx) -> list[QueuedMessage]:
    """What would be sent, oldest first."""
    rows = await tx.execute(
        select(
            outbox.c.id,
            (contact.c.channel + ":" + contact.c.account).label("account"),
            outbox.c.purpose,
            outbox.c.state,
            outbox.c.basis,
            outbox.c.created_at,
        )
        .join(contact, contact.c.id == outbox.c.contact_id)
        .where(outbox.c.state.in_(_QUEUED))
        .order_by(outbox.c.id)
    )
    return [QueuedMessage(*row) for row in rows]


async def cancel(tx: Tx, ids: Sequence[int]) -> int:
    """These will not leave; how many of them were queued."""
    done = await tx.execute(
        update(outbox)
        .where(outbox.c.id == func.any(list(ids)), outbox.c.state.in_(_QUEUED))
        .values(state=OutboxState.CANCELLED.value, fault="restored", fence=outbox.c.fence + 1)
        .returning(outbox.c.id)
    )
    cancelled = list(done.scalars())
    await occurrences.ended(tx, cancelled)
    return len(cancelled)
