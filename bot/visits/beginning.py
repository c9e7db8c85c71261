"""Visits that begin by themselves: whoever can be reached now and fits an automatic plan is visited, when
pacing lets it."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.clock import CHINA, real_now
from bot.runtime.services import Services
from bot.schedule import Best
from bot.store import contacts, visit_plans, visit_rounds
from bot.store.contacts import Contact
from bot.store.visit_plans import PlanRow
from bot.visits.course import plan_visit
from bot.visits.doctor_now import read_doctor, read_doctors
from bot.visits.knowing import known_of
from bot.visits.pacing import Begin, DoctorNow, VisitTerms, Wait, pace

BATCH = 100
ROUND = timedelta(seconds=15)  # of real time, between two looks at a plan, whatever the number of processes
AGAIN = timedelta(days=1)  # after a visit that was planned and not begun


async def begin_visits(services: Services) -> None:
    """Plan visits for those who are within the platform's window. Many processes may do it.

    A look takes a batch and the next goes on behind it, so that nobody who cannot be visited now keeps
    another from being asked.
    """
    now, looked_at = services.clock.now(), real_now()
    async with services.db.begin() as tx:
        plans = await visit_plans.take_round(tx, now.astimezone(CHINA).date(), looked_at, looked_at - ROUND)
    for plan in plans:
        for contact, best in await _ready(services, plan, now):
            await _begin(services, plan, contact, best, now)


async def _ready(services: Services, plan: PlanRow, now: datetime) -> list[tuple[Contact, Best | None]]:
    """Of the next batch those whose visit may begin at a moment that is known."""
    visited, tried = now - timedelta(days=plan.reentry_days), now - AGAIN
    async with services.db.begin() as tx:
        found = await visit_rounds.candidates(tx, plan, now, visited, tried, BATCH)
        await visit_plans.keep_place(tx, plan.id, found[-1].person_id if len(found) == BATCH else None)
        known = await known_of(tx, [one.person_id for one in found], now)
        theirs = await contacts.by_ids(tx, [one.contact_id for one in found])
        wishes = {one.contact_id: known[one.person_id].best for one in found if one.person_id in known}
        reached = {number: theirs[number] for number in wishes if number in theirs}
        doctors = await read_doctors(tx, services, reached, wishes, lock=False)
    return [
        (reached[number], wishes[number])
        for number, doctor in doctors.items()
        if _at(services, plan, doctor, now) is not None
    ]


def _at(services: Services, plan: PlanRow, doctor: DoctorNow, now: datetime) -> datetime | None:
    """When it may begin; None: never, or when they have done something."""
    terms = VisitTerms(plan.valid_from, plan.valid_until, plan.reentry_days)
    match pace(now, terms, doctor, services.limits):
        case Begin(at):
            return max(at, now)
        case Wait(until) if until is not None:
            return max(until, now)
    return None


async def _begin(
    services: Services, plan: PlanRow, contact: Contact, best: Best | None, now: datetime
) -> None:
    """Asked again under the lock: a stop may have come meanwhile."""
    async with services.db.begin() as tx:
        doctor = await read_doctor(tx, services, contact, best=best)
        begins = _at(services, plan, doctor, now)
        if begins is not None:
            await plan_visit(tx, contact, plan, now, begins=begins)
