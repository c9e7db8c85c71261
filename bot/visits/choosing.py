"""What is told to whom: the plan that fits a doctor, and its message that fits them best."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from bot.clock import CHINA
from bot.content import fitting
from bot.knowledge import Content, Format, KeyMessage
from bot.model import Audience, Basis
from bot.store import turns, visit_plans, visits
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.visit_plans import PlanRow
from bot.store.visits import VisitRow
from bot.text.patterns import read_rules
from bot.visits.knowing import Known, known_of

ASKED = timedelta(days=90)  # how long a question that was answered counts as asked


async def plan_for(
    tx: Tx,
    contact: Contact,
    content: Content,
    now: datetime,
    *,
    name: str = "",
    about: Known | None = None,
) -> PlanRow | None:
    """The plan of this name, else the first in rank that fits the doctor and still has something to tell
    them, else the first that fits. A name must be of a plan that holds today. `about`: of who was read
    already."""
    holds = [
        plan
        for plan in await visit_plans.plans(tx, on=now.astimezone(CHINA).date())
        if plan.product in content.product and name in ("", plan.id)
    ]
    if name:
        return holds[0] if holds else None
    about = about or (await known_of(tx, [contact.person_id], now)).get(contact.person_id)
    if about is None:
        return None
    suits = [plan for plan in holds if _suits(plan, about)]
    told = _told(await visits.earlier(tx, contact.person_id))
    new = (
        plan for plan in suits if any(one.id not in told for one in _messages(plan, content, about, (), now))
    )
    return next(new, suits[0] if suits else None)


async def message_for(
    tx: Tx, visit: VisitRow, contact: Contact, content: Content, now: datetime
) -> KeyMessage | None:
    """The message of the visit: what fits their need and interests best, and was not told before if there is
    such a one; None: nothing approved is left to tell."""
    plan = await visit_plans.plan(tx, visit.plan_id)
    about = (await known_of(tx, [contact.person_id], now)).get(contact.person_id)
    if plan is None or about is None or plan.stopped_at is not None:
        return None
    told = _told(await visits.earlier(tx, contact.person_id))
    wanted: Sequence[str] = read_rules("visits", "words")["need_interests"].get(visit.need, ())
    found = _messages(plan, content, about, told, now, wanted)
    return found[0] if found else None


async def spoke_before(tx: Tx, visit: VisitRow, contact: Contact, content: Content, now: datetime) -> str:
    """How an opening may begin: "again" after a visit about this product, "asked" after a question about it,
    or ""."""
    plans = {visit.plan_id}
    if any(one.plan_id in plans and one.key_message for one in await visits.earlier(tx, contact.person_id)):
        return "again"
    plan = await visit_plans.plan(tx, visit.plan_id)
    entries = await turns.entries_since(tx, contact.id, now - ASKED)
    products = {content.entry[one].product for one in entries if one in content.entry}
    return "asked" if plan is not None and plan.product in products else ""


async def form_for(tx: Tx, contact: Contact, now: datetime) -> Format:
    """How they want it told; in full where they did not say."""
    known = (await known_of(tx, [contact.person_id], now)).get(contact.person_id)
    return known.form if known is not None and known.form is not None else Format.DETAIL


async def product_id_of(tx: Tx, visit: VisitRow) -> str:
    """What the visit is about, by its id."""
    plan = await visit_plans.plan(tx, visit.plan_id)
    return plan.product if plan else ""


async def product_of(tx: Tx, visit: VisitRow, content: Content) -> str:
    """What the visit is about, as it is called; "" when the product is published no more."""
    found = content.product.get(await product_id_of(tx, visit))
    return found.generic if found else ""


def _messages(
    plan: PlanRow,
    content: Content,
    about: Known,
    told: Sequence[str],
    now: datetime,
    wanted: Sequence[str] = (),
) -> list[KeyMessage]:
    interests = (*wanted, *about.interests)
    found = fitting(content, Audience.DOCTOR, plan.product, about.department, interests, told, now)
    return [one for one in found if not plan.key_messages or one.id in plan.key_messages]


def _suits(plan: PlanRow, about: Known) -> bool:
    departments = not plan.specialties or about.department in plan.specialties
    return departments and (not plan.interests or bool(set(plan.interests) & set(about.interests)))


def _told(earlier: Sequence[VisitRow]) -> tuple[str, ...]:
    return tuple(Basis.parse(one.key_message).ref for one in earlier if one.key_message)
