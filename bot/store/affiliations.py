"""Where doctors work, as colleagues wrote it down."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from bot.store.database import Tx
from bot.store.tables import affiliation


@dataclass(frozen=True, slots=True)
class Affiliation:
    id: int | None  # None: the company's list
    hospital: str
    department: str
    main: bool
    since: datetime
    written_by: str | None


async def read(tx: Tx, person_id: UUID) -> list[Affiliation]:
    """What colleagues wrote of where somebody works, as it stands."""
    rows = await tx.execute(
        select(*(affiliation.c[name] for name in Affiliation.__dataclass_fields__))
        .where(affiliation.c.person_id == person_id, affiliation.c.ended_at.is_(None))
        .order_by(affiliation.c.id)
    )
    return [Affiliation(*row) for row in rows]


async def add(tx: Tx, person_id: UUID, new: Affiliation, contact_id: int | None = None) -> None:
    """One more place; a main one is main alone. The same place again takes the place of the earlier row."""
    theirs = affiliation.c.person_id == person_id, affiliation.c.ended_at.is_(None)
    await tx.execute(
        update(affiliation).where(*theirs, affiliation.c.hospital == new.hospital).values(ended_at=new.since)
    )
    if new.main:
        await tx.execute(update(affiliation).where(*theirs).values(main=False))
    await tx.execute(
        insert(affiliation).values(
            person_id=person_id,
            contact_id=contact_id,
            hospital=new.hospital,
            department=new.department,
            main=new.main,
            since=new.since,
            written_by=new.written_by,
        )
    )


async def end(tx: Tx, person_id: UUID, hospital: str, now: datetime) -> bool:
    ended = await tx.execute(
        update(affiliation)
        .where(
            affiliation.c.person_id == person_id,
            affiliation.c.hospital == hospital,
            affiliation.c.ended_at.is_(None),
        )
        .values(ended_at=now)
        .returning(affiliation.c.id)
    )
    return ended.first() is not None
