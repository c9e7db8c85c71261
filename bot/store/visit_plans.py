"""Plans of visits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select, update
from sqlalchemy.dialects.postgresql import insert

from bot.store.database import Tx
from bot.store.tables import visit_plan


@dataclass(frozen=True, slots=True)
class PlanRow:
    """Which approved messages of a product are told to whom, when, and how often. Empty lists: all."""

    id: str
    product: str
    objective: str
    key_messages: tuple[str, ...]
    specialties: tuple[str, ...]
    interests: tuple[str, ...]
    valid_from: date
    valid_until: date
    reentry_days: int
    rank: int
    automatic: bool = False
    stopped_at: datetime | None = None
    digest: str = ""
    looked_after: UUID | None = None


_PLAN = [visit_plan.c[name] for name in PlanRow.__slots__]


def _plan(row: Any) -> PlanRow:
    lists = {name: tuple(getattr(row, name)) for name in ("key_messages", "specialties", "interests")}
    return PlanRow(**{**row._asdict(), **lists})


async def plans(tx: Tx, *, on: date | None = None) -> list[PlanRow]:
    """All of them, or those that hold on a day; the first in rank first."""
    query = select(*_PLAN).order_by(visit_plan.c.rank, visit_plan.c.id)
    if on is not None:
        query = query.where(
            visit_plan.c.stopped_at.is_(None), visit_plan.c.valid_from <= on, visit_plan.c.valid_until >= on
        )
    return [_plan(row) for row in await tx.execute(query)]


async def plan(tx: Tx, plan_id: str) -> PlanRow | None:
    row = (await tx.execute(select(*_PLAN).where(visit_plan.c.id == plan_id))).first()
    return None if row is None else _plan(row)


async def take_round(tx: Tx, on: date, looked_at: datetime, again: datetime) -> list[PlanRow]:
    """The automatic plans of a day that nobody has looked through since `again`; ours to look through now."""
    taken = (
        update(visit_plan)
        .where(
            visit_plan.c.automatic,
            visit_plan.c.stopped_at.is_(None),
            visit_plan.c.valid_from <= on,
            visit_plan.c.valid_until >= on,
            or_(visit_plan.c.looked_at.is_(None), visit_plan.c.looked_at <= again),
        )
        .values(looked_at=looked_at)
        .returning(*_PLAN)
    )
    return sorted((_plan(row) for row in await tx.execute(taken)), key=lambda one: (one.rank, one.id))


async def keep_place(tx: Tx, plan_id: str, person_id: UUID | None) -> None:
    """The next look at the plan goes on after this person."""
    await tx.execute(update(visit_plan).where(visit_plan.c.id == plan_id).values(looked_after=person_id))


async def write_plan(tx: Tx, written: PlanRow, by: str, now: datetime) -> bool:
    """Add a plan, or change it; whether it differs from what was there. Of a plan that is there already,
    what colleagues decided since (that it begins by itself, or is stopped) stays."""
    values = {
        "product": written.product,
        "objective": written.objective,
        "key_messages": list(written.key_messages),
        "specialties": list(written.specialties),
        "interests": list(written.interests),
        "valid_from": written.valid_from,
        "valid_until": written.valid_until,
        "reentry_days": written.reentry_days,
        "rank": written.rank,
        "digest": written.digest,
        "imported_by": by,
        "imported_at": now,
    }
    done = await tx.execute(
        insert(visit_plan)
        .values(id=written.id, automatic=written.automatic, **values)
        .on_conflict_do_update(
            index_elements=[visit_plan.c.id], set_=values, where=visit_plan.c.digest != written.digest
        )
        .returning(visit_plan.c.id)
    )
    return done.first() is not None


async def set_automatic(tx: Tx, plan_id: str, automatic: bool) -> bool:
    """Whether there is such a plan."""
    done = await tx.execute(
        update(visit_plan)
        .where(visit_plan.c.id == plan_id)
        .values(automatic=automatic)
        .returning(visit_plan.c.id)
    )
    return done.first() is not None


async def stop_plan(tx: Tx, plan_id: str, stopped_at: datetime | None) -> bool:
    """Stopped from then on, or (None) no more; whether that was not so."""
    changes = (
        visit_plan.c.stopped_at.is_not(None) if stopped_at is None else visit_plan.c.stopped_at.is_(None)
    )
    done = await tx.execute(
        update(visit_plan)
        .where(visit_plan.c.id == plan_id, changes)
        .values(stopped_at=stopped_at)
        .returning(visit_plan.c.id)
    )
    return done.first() is not None
