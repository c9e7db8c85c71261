"""How we have been in contact with people lately: what the policy of the exit asks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, exists, func, or_, select

from bot.model import InboundKind, OutboxState
from bot.store.database import Tx
from bot.store.tables import contact, inbox, outbox, person, send_window, turn


async def lock(tx: Tx, person_ids: Collection[UUID]) -> None:
    """Whatever else is decided about these people waits until this transaction ends."""
    query = select(person.c.id).where(person.c.id.in_(person_ids)).order_by(person.c.id)
    await tx.execute(query.with_for_update(key_share=True))


async def sent(
    tx: Tx, person_ids: Collection[UUID], purposes: Sequence[str], since: datetime, now: datetime
) -> dict[UUID, tuple[tuple[UUID | None, datetime], ...]]:
    """When messages of these purposes left since then (business time), on all contacts of each person, and
    in which turn, if in any; what is with the platform at this moment counts as `now`."""
    under_way = and_(outbox.c.state == OutboxState.SENDING.value, outbox.c.written_at.is_not(None))
    rows = await tx.execute(
        select(contact.c.person_id, outbox.c.turn_id, func.coalesce(outbox.c.sent_at, now))
        .join(contact, contact.c.id == outbox.c.contact_id)
        .where(
            contact.c.person_id.in_(person_ids),
            outbox.c.purpose.in_(purposes),
            or_(outbox.c.sent_at > since, under_way),
        )
    )
    moments: dict[UUID, tuple[tuple[UUID | None, datetime], ...]] = defaultdict(tuple)
    for person_id, turn_id, moment in rows:
        moments[person_id] += ((turn_id, moment),)
    return moments


async def conversations(tx: Tx, person_ids: Collection[UUID], since: datetime) -> dict[UUID, frozenset[UUID]]:
    """The turns of each person that they began since then (real time) by writing."""
    rows = await tx.execute(
        select(contact.c.person_id, turn.c.id)
        .join(contact, contact.c.id == turn.c.contact_id)
        .where(contact.c.person_id.in_(person_ids), turn.c.started_at > since, turn.c.purpose.is_(None))
    )
    found: dict[UUID, frozenset[UUID]] = defaultdict(frozenset)
    for person_id, turn_id in rows:
        found[person_id] |= {turn_id}
    return found


async def wrote_since(tx: Tx, contact_id: int, moment: datetime) -> bool:
    """Whether the contact has sent us anything after then (business time)."""
    query = exists().where(
        inbox.c.contact_id == contact_id,
        inbox.c.kind.in_([InboundKind.TEXT.value, InboundKind.CHOICE.value, InboundKind.MEDIA.value]),
        inbox.c.received_at > moment,
    )
    return bool((await tx.execute(select(query))).scalar_one())


async def open_windows(tx: Tx, contact_ids: Collection[int], now: datetime) -> frozenset[int]:
    """Those of these contacts to whom the platform lets us write freely."""
    query = select(send_window.c.contact_id).where(
        send_window.c.contact_id.in_(contact_ids), send_window.c.closes_at > now
    )
    return frozenset((await tx.execute(query)).scalars())
