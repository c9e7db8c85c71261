"""What the CRM is told: a row for each version that was approved. `retry_at`, `tried_at` are real time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import exists, select, update
from sqlalchemy.dialects.postgresql import insert

from bot.store.database import Tx
from bot.store.tables import crm_delivery as delivery

WAITING, DELIVERED, FAILED = "waiting", "delivered", "failed"
PLACE = "crm_delivery.body"  # of the ciphertext


@dataclass(frozen=True, slots=True)
class NewDelivery:
    event_id: str
    event: str
    subject: str
    version: int
    person_id: UUID
    contact_id: int | None
    body_enc: bytes


@dataclass(frozen=True, slots=True)
class Delivery:
    """How one stands; all but what it says."""

    id: int
    event_id: str
    event: str
    subject: str
    version: int
    person_id: UUID
    contact_id: int | None
    state: str
    tries: int
    retry_at: datetime
    made_at: datetime
    tried_at: datetime | None
    status: int | None
    fault: str | None


@dataclass(frozen=True, slots=True)
class ClaimedDelivery:
    """To be told now. `tries` counts this one: who settles another number was too late."""

    id: int
    event_id: str
    person_id: UUID
    contact_id: int | None
    body_enc: bytes
    tries: int


async def add(tx: Tx, new: NewDelivery, now: datetime, retry_at: datetime) -> bool:
    """Whether this version of the subject was not there yet."""
    values = {name: getattr(new, name) for name in NewDelivery.__slots__}
    done = await tx.execute(
        insert(delivery)
        .values(**values, state=WAITING, made_at=now, retry_at=retry_at)
        .on_conflict_do_nothing(index_elements=["subject", "version"])
        .returning(delivery.c.id)
    )
    return done.first() is not None


async def claim(tx: Tx, now: datetime, lease: timedelta, limit: int) -> list[ClaimedDelivery]:
    """Those that are due, for a while of real time. A later version waits for the earlier one."""
    earlier = delivery.alias()
    held = exists().where(
        earlier.c.subject == delivery.c.subject,
        earlier.c.version < delivery.c.version,
        earlier.c.state == WAITING,
    )
    due = (
        select(delivery.c.id)
        .where(delivery.c.state == WAITING, delivery.c.retry_at <= now, ~held)
        .order_by(delivery.c.retry_at, delivery.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True, of=delivery)
    )
    ids = list((await tx.execute(due)).scalars())
    rows = await tx.execute(
        update(delivery)
        .where(delivery.c.id.in_(ids))
        .values(retry_at=now + lease, tries=delivery.c.tries + 1, tried_at=now)
        .returning(*(delivery.c[name] for name in ClaimedDelivery.__slots__))
    )
    return sorted((ClaimedDelivery(*row) for row in rows), key=lambda one: one.id)


async def settle(
    tx: Tx,
    of: ClaimedDelivery,
    state: str,
    *,
    retry_at: datetime,
    status: int | None,
    fault: str | None,
) -> bool:
    """Whether it was still this try's to settle."""
    done = await tx.execute(
        update(delivery)
        .where(delivery.c.id == of.id, delivery.c.tries == of.tries, delivery.c.state == WAITING)
        .values(state=state, retry_at=retry_at, status=status, fault=fault)
    )
    return bool(done.rowcount)


async def replay(tx: Tx, delivery_id: int, now: datetime) -> Delivery | None:
    """It waits again, whatever became of it, under the id that it had; as it stood. None: there is none."""
    rows = await tx.execute(_ROWS.where(delivery.c.id == delivery_id).with_for_update())
    row = rows.first()
    if row is None:
        return None
    await tx.execute(
        update(delivery)
        .where(delivery.c.id == delivery_id)
        .values(state=WAITING, tries=0, retry_at=now, fault=None, status=None)
    )
    return Delivery(*row)


_ROWS = select(*(delivery.c[name] for name in Delivery.__slots__))


async def newest(tx: Tx, limit: int, states: Sequence[str] = ()) -> list[Delivery]:
    """The newest first; those in one of these states, where some are named."""
    query = _ROWS.where(delivery.c.state.in_(states)) if states else _ROWS
    return [Delivery(*row) for row in await tx.execute(query.order_by(delivery.c.id.desc()).limit(limit))]


async def exists_for(tx: Tx, delivery_id: int) -> bool:
    """Whether there is one that whoever reads may see."""
    found = await tx.execute(select(delivery.c.id).where(delivery.c.id == delivery_id))
    return found.first() is not None
