"""Visits that colleagues made themselves; how they are reviewed: `reviewed`. All times are business time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.dialects.postgresql import insert

from bot.store.database import Tx
from bot.store.reviewed import OWN_VISIT, Standing, keep
from bot.store.tables import own_visit


@dataclass(frozen=True, slots=True)
class NewOwnVisit:
    """`standing`: without its id."""

    standing: Standing
    takeover_id: int | None
    visited_by: str
    visited_at: datetime


async def add(tx: Tx, new: NewOwnVisit, now: datetime) -> int | None:
    """Its id. None: this takeover was told of already."""
    values = {name: getattr(new.standing, name) for name in Standing.__slots__ if name != "id"}
    values |= {"takeover_id": new.takeover_id, "visited_by": new.visited_by, "visited_at": new.visited_at}
    done = await tx.execute(
        insert(own_visit)
        .values(**values, made_at=now)
        .on_conflict_do_nothing(index_elements=["takeover_id"])
        .returning(own_visit.c.id)
    )
    number: int | None = done.scalar()
    if number is not None:
        await keep(tx, OWN_VISIT, replace(new.standing, id=number), "entry", new.visited_by, now)
    return number
