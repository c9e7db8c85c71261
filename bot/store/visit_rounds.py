"""Whose visit may be next, and which have gone stale: what is looked for again and again. Business time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.dialects.postgresql import distinct_on

from bot.store.database import Tx
from bot.store.tables import consent, contact, doctor, occurrence, person, send_window, takeover, visit
from bot.store.visit_plans import PlanRow
from bot.store.visits import ENDED


@dataclass(frozen=True, slots=True)
class Candidate:
    """A doctor whom the platform lets us write to and who is in no visit now."""

    contact_id: int
    person_id: UUID


async def candidates(
    tx: Tx, plan: PlanRow, now: datetime, visited: datetime, tried: datetime, limit: int
) -> list[Candidate]:
    """Verified doctors within the platform's window who fit the plan, are in no visit, were not in one since
    `visited`, and for whom none was planned since `tried`; none who ever withdrew their
    consent: a colleague begins with them. Departments and interests are compared as the list
    spells them. They come in the order of their ids, after the one whom the last look ended with."""
    fits: list[ColumnElement[bool]] = []
    if plan.looked_after is not None:
        fits.append(doctor.c.person_id > plan.looked_after)
    if plan.specialties:
        fits.append(doctor.c.department.in_(plan.specialties))
    if plan.interests:
        fits.append(doctor.c.interests.overlap(list(plan.interests)))
    refused = exists().where(
        consent.c.person_id == doctor.c.person_id,
        consent.c.purpose == "promotion",
        consent.c.withdrawn_at.is_not(None),
    )
    recent = exists().where(
        visit.c.person_id == doctor.c.person_id,
        or_(visit.c.state != ENDED, visit.c.begun_at > visited, visit.c.planned_at > tried),
    )
    query = (
        select(contact.c.id, doctor.c.person_id)
        .ext(distinct_on(doctor.c.person_id))
        .join(doctor, doctor.c.person_id == contact.c.person_id)
        .join(person, person.c.id == contact.c.person_id)
        .join(send_window, send_window.c.contact_id == contact.c.id)
        .where(
            doctor.c.verified_at.is_not(None),
            person.c.stopped_at.is_(None),
            contact.c.unreachable_at.is_(None),
            send_window.c.closes_at > now,
            ~recent,
            ~refused,
            *fits,
        )
        .order_by(doctor.c.person_id, send_window.c.closes_at.desc())
        .limit(limit)
    )
    return [Candidate(*row) for row in await tx.execute(query)]


async def unanswered(tx: Tx, before: datetime, limit: int) -> list[int]:
    """Visits under way in which nothing has happened since then."""
    query = select(visit.c.id).where(visit.c.state == "under_way", visit.c.last_at <= before)
    return list((await tx.execute(query.limit(limit))).scalars())


async def taken_over(tx: Tx, limit: int) -> list[int]:
    """Visits under way in which a colleague has taken the conversation over since something happened."""
    query = (
        select(visit.c.id)
        .join(takeover, takeover.c.contact_id == visit.c.contact_id)
        .where(visit.c.state == "under_way", takeover.c.started_at >= visit.c.last_at)
    )
    return list((await tx.execute(query.limit(limit))).scalars())


async def unwanted(tx: Tx, limit: int) -> list[int]:
    """Visits that have not ended though their doctor has since stopped everything, or withdrawn what a visit
    needs; of these some may have agreed again."""
    withdrawn = exists().where(
        consent.c.person_id == visit.c.person_id,
        consent.c.purpose == "promotion",
        consent.c.withdrawn_at >= visit.c.planned_at,
    )
    query = (
        select(visit.c.id)
        .join(person, person.c.id == visit.c.person_id)
        .where(visit.c.state != ENDED, or_(person.c.stopped_at.is_not(None), withdrawn))
    )
    return list((await tx.execute(query.limit(limit))).scalars())


async def never_begun(tx: Tx, limit: int) -> list[tuple[int, str]]:
    """Visits that wait or were moved though the turn that was to begin them will not: id, reason."""
    gone = and_(occurrence.c.timer_id == visit.c.timer_id, occurrence.c.state.in_(["missed", "cancelled"]))
    query = (
        select(visit.c.id, func.coalesce(occurrence.c.reason, occurrence.c.state))
        .join(occurrence, gone)
        .where(visit.c.state.in_(["waiting", "moved"]))
        .limit(limit)
    )
    return [(row[0], row[1]) for row in await tx.execute(query)]
