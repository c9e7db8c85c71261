"""How we have been in contact with a person lately: what the policy of the exit asks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import exists, select

from bot.store.database import Tx
from bot.store.tables import contact, outbox, send_window, turn


async def sent(tx: Tx, person_id: UUID, purposes: Sequence[str], since: datetime) -> tuple[datetime, ...]:
    """When messages of these purposes left since then (business time), on all contacts of the person."""
    rows = await tx.execute(
        select(outbox.c.sent_at)
        .join(contact, contact.c.id == outbox.c.contact_id)
        .where(contact.c.person_id == person_id, outbox.c.purpose.in_(purposes), outbox.c.sent_at > since)
    )
    return tuple(rows.scalars())


async def in_conversation(tx: Tx, person_id: UUID, since: datetime, but: UUID | None) -> bool:
    """Whether a turn of theirs began since then (real time), other than the one that a message is part of."""
    query = exists().where(
        turn.c.contact_id == contact.c.id,
        contact.c.person_id == person_id,
        turn.c.started_at > since,
        turn.c.id.is_distinct_from(but),
    )
    return bool((await tx.execute(select(query))).scalar_one())


async def window(tx: Tx, contact_id: int, now: datetime) -> bool:
    """Whether the platform lets us write freely to this contact."""
    query = exists().where(send_window.c.contact_id == contact_id, send_window.c.closes_at > now)
    return bool((await tx.execute(select(query))).scalar_one())
