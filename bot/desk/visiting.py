"""What is known of a doctor, and visiting them: what a page shows before the click, and the click."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from bot.desk.reading import Desk
from bot.model import Audience, Fault, MedrepError, Purpose
from bot.outbound.circumstances import Circumstances, Intent, read_circumstances
from bot.people import takeover
from bot.profiles import decision_words, dismiss, profile_of, settle
from bot.staff import Role, Session
from bot.store import contacting, contacts, desk, suggestions, visit_plans, visits
from bot.store.contacting import OpenWindow
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.desk import DoctorCard
from bot.store.visit_plans import PlanRow
from bot.store.visits import VisitRow
from bot.visits import Begin, Known, VisitTerms, doctor_as, known_of, pace, plan_for, plan_visit

VISITORS = frozenset({Role.REP, Role.MANAGER})
SHOWN = 20  # visits


@dataclass(frozen=True, slots=True)
class VisitLine:
    """One visit as a page shows it."""

    visit: VisitRow
    objective: str


@dataclass(frozen=True, slots=True)
class VisitOffer:
    """Whether a visit can begin now, and why (not), in Chinese; `plan` is what it would be about."""

    can: bool
    why: str
    plan: str = ""


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What the page says of a doctor besides the list: `profile` as `bot.profiles.profile_of` gives it."""

    profile: dict[str, Any]
    visits: tuple[VisitLine, ...]
    offer: VisitOffer | None  # None: this colleague begins none
    outcomes: Mapping[str, str]  # what may become of a suggestion, in Chinese
    reasons: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Reached:
    """Where one may write to a doctor, and what binds promotion there now. `about`: what is known of them;
    None: they are not verified."""

    contact: Contact
    intent: Intent
    facts: Circumstances
    windows: tuple[OpenWindow, ...]
    about: Known | None


async def reach(
    reading: Desk, tx: Tx, contact: Contact, about: Known | None, now: datetime, *, lock: bool = False
) -> Reached:
    """`lock`: what is found holds until the transaction ends."""
    intent = Intent(contact.id, Purpose.PROMOTION, uuid4())
    facts = await read_circumstances(tx, reading.services, {contact.id: contact}, [intent], lock=lock)
    windows = await contacting.windows(tx, [contact.id], now)
    return Reached(contact, intent, facts[contact.id], windows.get(contact.id, ()), about)


async def reach_locked(reading: Desk, tx: Tx, contact: Contact, now: datetime) -> Reached:
    """For what is done, and not shown alone."""
    await contacting.lock_contacts(tx, [contact.id])
    return await reach(reading, tx, contact, await about(tx, contact.person_id, now), now, lock=True)


async def about(tx: Tx, person_id: UUID, now: datetime) -> Known | None:
    return (await known_of(tx, [person_id], now)).get(person_id)


async def knowledge_of(
    reading: Desk, tx: Tx, card: DoctorCard, at: Reached | None, now: datetime, *, begins: bool
) -> Knowledge:
    """Read in the colleague's own transaction, so it holds what they may see. `begins`: this colleague begins
    visits."""
    rows = await visits.of_person(tx, card.person_id, SHOWN)
    objectives = {plan.id: plan.objective for plan in await visit_plans.plans(tx)}
    under_way = any(row.state != visits.ENDED for row in rows)
    return Knowledge(
        await profile_of(tx, reading.services.vault, card.external_id, card.person_id, now),
        tuple(VisitLine(row, objectives.get(row.plan_id, row.plan_id)) for row in rows),
        await _offer(reading, tx, at, now, under_way=under_way) if begins else None,
        *decision_words(),
    )


async def _offer(reading: Desk, tx: Tx, at: Reached | None, now: datetime, *, under_way: bool) -> VisitOffer:
    if at is None:
        return VisitOffer(False, "医生还没有关注任何账号")
    if under_way:
        return VisitOffer(False, "已有一次拜访在等待或进行中")
    return (await _judged(reading, tx, at, now))[0]


async def _judged(reading: Desk, tx: Tx, at: Reached, now: datetime) -> tuple[VisitOffer, PlanRow | None]:
    # Not read for each page: to parse the content takes longer than all the rest of a doctor's page.
    edition = next(iter(await reading.services.published.standing(tx, now)), None)
    plan = None
    if edition and at.about:
        plan = await plan_for(tx, at.contact, edition.content, now, about=at.about)
    if plan is None:
        return VisitOffer(False, "没有适合这位医生的拜访计划，或医生尚未认证"), None
    terms = VisitTerms(plan.valid_from, plan.valid_until, plan.reentry_days)
    visited = await visits.begun(tx, at.contact.person_id, plan.id)
    doctor = replace(doctor_as(at.facts, at.windows), visited=visited)
    found = pace(now, terms, doctor, reading.services.limits)
    return VisitOffer(isinstance(found, Begin), found.why, plan.objective), plan


async def begin_visit(reading: Desk, who: Session, person_id: UUID) -> int:
    """A colleague has a visit begin now, as far as what binds it lets it: hours, cap, window, stop.

    Raises MedrepError(NOT_FOUND | CONFLICT: it may not begin now, with the reason | UNREGISTERED).
    """
    services, now = reading.services, reading.services.clock.now()
    async with reading.reading(who) as tx:
        await desk.doctor_card(tx, services.vault, person_id)
    async with services.db.begin() as tx:
        contact = await where_to_write(tx, person_id, now)
        if contact is None:
            raise MedrepError(Fault.CONFLICT, "the doctor has no contact")
        at = await reach_locked(reading, tx, contact, now)
        if Fault.UNREGISTERED in await takeover.obstacles(tx, contact, who.login, now):
            raise MedrepError(Fault.UNREGISTERED, "the registration of this rep has ended")
        offer, plan = await _judged(reading, tx, at, now)
        number = None
        if plan is not None and offer.can:
            number = await plan_visit(tx, contact, plan, now, begins=now, by=who.login)
        if number is None:
            raise MedrepError(Fault.CONFLICT, offer.why)
        return number


async def where_to_write(tx: Tx, person_id: UUID, now: datetime) -> Contact | None:
    """Where the platform lets us write to them, else where they came last."""
    theirs = [one for one in await contacts.of_person(tx, person_id) if one.audience == Audience.DOCTOR]
    windows = await contacting.open_windows(tx, [one.id for one in theirs], now)
    return max(theirs, key=lambda one: (one.id in windows, one.unreachable_at is None, one.id), default=None)


async def decide_suggestion(reading: Desk, who: Session, suggestion_id: int, state: str, word: str) -> None:
    """`state` done or dismissed, with a word of `data/profiles/suggestions.yaml`.

    Raises MedrepError(BAD_INPUT | NOT_FOUND | CONFLICT).
    """
    services, now = reading.services, reading.services.clock.now()
    async with reading.reading(who) as tx:
        if not await suggestions.exists(tx, suggestion_id):
            raise MedrepError(Fault.NOT_FOUND, "no such suggestion")
    decide = settle if state == "done" else dismiss
    async with services.db.begin() as tx:
        await decide(tx, services.vault, suggestion_id, word, who.login, now)
