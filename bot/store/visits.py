"""Visits, and what was noticed in them. All times are business time."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from bot.store.database import Tx
from bot.store.tables import inbox, visit, visit_fact

ENDED = "ended"
GOES_ON = "goes_on"  # the fact of the turn with which a visit begins, or goes on after it was moved


@dataclass(frozen=True, slots=True)
class VisitRow:
    """One visit. `asked`: how often the present step's question was put."""

    id: int
    plan_id: str
    person_id: UUID
    contact_id: int
    state: str
    step: str
    asked: int
    unclear: int
    forced: bool
    requested: bool
    timer_id: int | None
    moved_to: datetime | None
    moves: int
    need: str
    key_message: str
    planned_at: datetime
    begun_at: datetime | None
    last_at: datetime
    ended_at: datetime | None
    ending: str | None


@dataclass(frozen=True, slots=True)
class Fact:
    """Something noticed in a visit, and the turn that shows it."""

    kind: str
    value: str
    turn_id: UUID | None
    at: datetime


# ---------------------------------------------------------------- visits

_VISIT = [visit.c[name] for name in VisitRow.__slots__]


async def add(
    tx: Tx, plan_id: str, person_id: UUID, contact_id: int, step: str, now: datetime, **facts: Any
) -> int | None:
    """A visit that waits to begin, its id; None when the doctor is in one."""
    added: int | None = (
        await tx.execute(
            insert(visit)
            .values(
                plan_id=plan_id,
                person_id=person_id,
                contact_id=contact_id,
                state="waiting",
                step=step,
                planned_at=now,
                last_at=now,
                **facts,
            )
            .on_conflict_do_nothing()  # uq_visit_open
            .returning(visit.c.id)
        )
    ).scalar()
    return added


async def change(tx: Tx, visit_id: int, **values: Any) -> None:
    await tx.execute(update(visit).where(visit.c.id == visit_id).values(values))


async def open_of(tx: Tx, person_id: UUID) -> VisitRow | None:
    """The doctor's visit that has not ended; locked until the transaction ends."""
    query = select(*_VISIT).where(visit.c.person_id == person_id, visit.c.state != ENDED)
    row = (await tx.execute(query.with_for_update())).first()
    return None if row is None else VisitRow(*row)


async def by_id(tx: Tx, visit_id: int) -> VisitRow | None:
    row = (await tx.execute(select(*_VISIT).where(visit.c.id == visit_id))).first()
    return None if row is None else VisitRow(*row)


async def lock(tx: Tx, visit_id: int) -> VisitRow | None:
    """As `by_id`, locked; None also when somebody else has it."""
    query = select(*_VISIT).where(visit.c.id == visit_id).with_for_update(skip_locked=True)
    row = (await tx.execute(query)).first()
    return None if row is None else VisitRow(*row)


async def of_person(tx: Tx, person_id: UUID, limit: int) -> list[VisitRow]:
    """The doctor's visits, the newest first."""
    query = select(*_VISIT).where(visit.c.person_id == person_id).order_by(visit.c.id.desc()).limit(limit)
    return [VisitRow(*row) for row in await tx.execute(query)]


async def begun(tx: Tx, person_id: UUID, plan_id: str) -> tuple[datetime, ...]:
    """When visits of this plan began with the doctor."""
    query = select(visit.c.begun_at).where(
        visit.c.person_id == person_id, visit.c.plan_id == plan_id, visit.c.begun_at.is_not(None)
    )
    return tuple((await tx.execute(query.order_by(visit.c.begun_at))).scalars())


async def earlier(tx: Tx, person_id: UUID) -> list[VisitRow]:
    """The doctor's visits that were begun and have ended, the newest first."""
    query = select(*_VISIT).where(
        visit.c.person_id == person_id, visit.c.state == ENDED, visit.c.begun_at.is_not(None)
    )
    return [VisitRow(*row) for row in await tx.execute(query.order_by(visit.c.id.desc()))]


async def add_fact(tx: Tx, of: VisitRow, kind: str, value: str, turn_id: UUID | None, now: datetime) -> None:
    await tx.execute(
        insert(visit_fact).values(
            visit_id=of.id,
            contact_id=of.contact_id,
            person_id=of.person_id,
            kind=kind,
            value=value,
            turn_id=turn_id,
            at=now,
        )
    )


async def facts(tx: Tx, visit_id: int) -> list[Fact]:
    query = select(visit_fact.c.kind, visit_fact.c.value, visit_fact.c.turn_id, visit_fact.c.at)
    rows = await tx.execute(query.where(visit_fact.c.visit_id == visit_id).order_by(visit_fact.c.id))
    return [Fact(*row) for row in rows]


async def wished(tx: Tx, subjects: Collection[str]) -> tuple[frozenset[str], frozenset[str]]:
    """Of these subjects (`visit:7`) those that a colleague's command began, and those that the doctor has put
    off to a time of their own."""
    ids = [int(one.removeprefix("visit:")) for one in subjects if one.startswith("visit:")]
    if not ids:
        return frozenset(), frozenset()
    query = select(visit.c.id, visit.c.forced, visit.c.moves).where(visit.c.id == func.any(ids))
    rows = (await tx.execute(query)).all()
    return (
        frozenset(f"visit:{row.id}" for row in rows if row.forced),
        frozenset(f"visit:{row.id}" for row in rows if row.moves),
    )


async def last_turn(tx: Tx, of: VisitRow) -> UUID | None:
    """The newest turn of the visit's contact since it began: what an ending that nobody spoke of shows."""
    query = select(inbox.c.turn_id).where(
        inbox.c.contact_id == of.contact_id,
        inbox.c.received_at >= of.planned_at,
        inbox.c.turn_id.is_not(None),
    )
    return (await tx.execute(query.order_by(inbox.c.id.desc()).limit(1))).scalar()


async def end_one(tx: Tx, visit_id: int, ending: str, now: datetime) -> VisitRow | None:
    """End a visit that has not ended; as it was before."""
    query = select(*_VISIT).where(visit.c.id == visit_id, visit.c.state != ENDED).with_for_update()
    row = (await tx.execute(query)).first()
    if row is None:
        return None
    await change(tx, visit_id, state=ENDED, ending=ending, ended_at=now)
    return VisitRow(*row)


async def ended_in(tx: Tx, turn_id: UUID) -> str:
    """How a visit ended in this turn; "": none did."""
    query = select(visit_fact.c.value).where(visit_fact.c.turn_id == turn_id, visit_fact.c.kind == ENDED)
    return (await tx.execute(query.order_by(visit_fact.c.id.desc()).limit(1))).scalar() or ""
