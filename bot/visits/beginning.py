"""Visits that begin by themselves: whoever can be reached now and fits an automatic plan is visited, when
pacing lets it."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.clock import CHINA
from bot.runtime.services import Services
from bot.schedule import Best
from bot.store import contacts, visit_plans, visits
from bot.store.visit_plans import PlanRow
from bot.store.visits import Candidate
from bot.visits.course import plan_visit
from bot.visits.doctor_now import read_doctor
from bot.visits.knowing import known_of
from bot.visits.pacing import Begin, Never, VisitTerms, pace

BATCH = 100
AGAIN = timedelta(days=1)  # after a visit that was planned and not begun


async def begin_visits(services: Services) -> None:
    """Plan visits for those who are within the platform's window. Many processes may do it."""
    now = services.clock.now()
    async with services.db.begin() as tx:
        plans = await visit_plans.plans(tx, on=now.astimezone(CHINA).date())
    for plan in (one for one in plans if one.automatic):
        visited, tried = now - timedelta(days=plan.reentry_days), now - AGAIN
        async with services.db.begin() as tx:
            found = await visits.candidates(tx, plan, now, visited, tried, BATCH)
            known = await known_of(tx, [one.person_id for one in found], now)
        for candidate in found:
            await _begin(services, plan, candidate, known[candidate.person_id].best, now)


async def _begin(
    services: Services, plan: PlanRow, candidate: Candidate, best: Best | None, now: datetime
) -> None:
    terms = VisitTerms(plan.valid_from, plan.valid_until, plan.reentry_days)
    async with services.db.begin() as tx:
        contact = await contacts.by_id(tx, candidate.contact_id)
        doctor = await read_doctor(tx, services, contact, best=best)
        found = pace(now, terms, doctor, services.limits)
        if isinstance(found, Never):
            return
        begins = found.at if isinstance(found, Begin) else found.until
        if begins is not None:
            await plan_visit(tx, contact, plan, now, begins=max(begins, now))
