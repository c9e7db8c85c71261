"""How we have been in contact with a person lately: what the policy of the exit asks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Text, cast, exists, func, or_, select, true

from bot.model import InboundKind
from bot.store.database import Tx
from bot.store.tables import contact, inbox, outbox, send_window, turn


async def sent(
    tx: Tx, person_id: UUID, purposes: Sequence[str], since: datetime, but: UUID | None
) -> tuple[datetime, ...]:
    """When we came with these purposes since then (business time), on all contacts of the person.

    What one turn sent is once, however many messages it took; the turn `but` is not counted.
    """
    rows = await tx.execute(
        select(func.min(outbox.c.sent_at))
        .join(contact, contact.c.id == outbox.c.contact_id)
        .where(
            contact.c.person_id == person_id,
            outbox.c.purpose.in_(purposes),
            outbox.c.sent_at > since,
            or_(outbox.c.turn_id.is_(None), outbox.c.turn_id != but) if but else true(),
        )
        .group_by(func.coalesce(cast(outbox.c.turn_id, Text), cast(outbox.c.id, Text)))
    )
    return tuple(rows.scalars())


async def in_conversation(tx: Tx, person_id: UUID, since: datetime, but: UUID | None) -> bool:
    """Whether a turn of theirs (they wrote) began since then (real time), other than the one of a message."""
    query = exists().where(
        turn.c.contact_id == contact.c.id,
        contact.c.person_id == person_id,
        turn.c.purpose.is_(None),
        turn.c.started_at > since,
        turn.c.id.is_distinct_from(but),
    )
    return bool((await tx.execute(select(query))).scalar_one())


async def wrote_since(tx: Tx, contact_id: int, moment: datetime) -> bool:
    """Whether the contact has sent us anything after then (business time)."""
    query = exists().where(
        inbox.c.contact_id == contact_id,
        inbox.c.kind.in_([InboundKind.TEXT.value, InboundKind.CHOICE.value, InboundKind.MEDIA.value]),
        inbox.c.received_at > moment,
    )
    return bool((await tx.execute(select(query))).scalar_one())


async def window(tx: Tx, contact_id: int, now: datetime) -> bool:
    """Whether the platform lets us write freely to this contact."""
    query = exists().where(send_window.c.contact_id == contact_id, send_window.c.closes_at > now)
    return bool((await tx.execute(select(query))).scalar_one())
