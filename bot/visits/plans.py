"""Plans of visits: read from a file, checked against the content in force, kept as rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bot.content import edition_in_force
from bot.evidence import note
from bot.knowledge import Content
from bot.model import Fault, MedrepError
from bot.settings import ROOT
from bot.store import visit_plans
from bot.store.database import Database, Tx
from bot.store.visit_plans import PlanRow

FILE, SEED = Path("data") / "visits" / "plans.yaml", "seed"
_ID = r"^[a-z0-9][a-z0-9-]{0,60}$"


class _Plan(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=_ID)
    product: str
    objective: str = Field(min_length=1, max_length=200)
    key_messages: tuple[str, ...] = ()
    specialties: tuple[str, ...] = ()
    interests: tuple[str, ...] = ()
    valid_from: date
    valid_until: date
    reentry_days: int = Field(gt=0, le=3650)
    automatic: bool = False

    @model_validator(mode="after")
    def _dates(self) -> _Plan:
        if self.valid_until < self.valid_from:
            raise ValueError("valid_until is before valid_from")
        return self


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    plans: tuple[_Plan, ...] = Field(min_length=1, max_length=1000)


def read_plans(text: str, content: Content) -> tuple[PlanRow, ...]:
    """The plans of a file, in its order, which is their rank.

    Raises MedrepError(BAD_INPUT): not such a file, a name twice, or a product or message not in force.
    """
    try:
        found = _File.model_validate(yaml.safe_load(text))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise MedrepError(Fault.BAD_INPUT, f"{where or 'the file'}: {first['msg']}") from None
    except (yaml.YAMLError, ValueError) as error:  # a ValueError: 2026-13-45
        raise MedrepError(Fault.BAD_INPUT, f"not YAML: {str(error)[:200]}") from None
    if faults := list(_faults(found.plans, content)):
        raise MedrepError(Fault.BAD_INPUT, "; ".join(faults[:10]))
    return tuple(_row(plan, rank) for rank, plan in enumerate(found.plans))


def _faults(plans: tuple[_Plan, ...], content: Content) -> Iterator[str]:
    seen: set[str] = set()
    for plan in plans:
        if plan.id in seen:
            yield f"plan {plan.id} stands twice"
        seen.add(plan.id)
        if plan.product not in content.product:
            yield f"plan {plan.id}: no product {plan.product} is published"
        for name in plan.key_messages:
            message = content.key_message.get(name)
            if message is None or message.product != plan.product:
                yield f"plan {plan.id}: no key message {name} of {plan.product} is published"


def _row(plan: _Plan, rank: int) -> PlanRow:
    facts: dict[str, Any] = plan.model_dump()
    written = json.dumps({**facts, "rank": rank}, default=str, sort_keys=True)
    return PlanRow(**facts, rank=rank, digest=hashlib.sha256(written.encode()).hexdigest())


async def import_plans(tx: Tx, plans: tuple[PlanRow, ...], by: str, now: datetime) -> list[str]:
    """Write what differs; the ids of those. What a file lacks stays, and so does what was decided on a plan
    since: that it begins by itself, or is stopped."""
    changed = [plan.id for plan in plans if await visit_plans.write_plan(tx, plan, by, now)]
    for name in changed:
        await note(tx, "visit_plan.imported", now, f"visit_plan:{name}", login=by)
    return changed


async def seed_plans(db: Database, now: datetime) -> list[str]:
    """Take the checkout's plans into a database that has none; the ids of those."""
    async with db.begin() as tx:
        edition = await edition_in_force(tx)
        if edition is None or await visit_plans.plans(tx):
            return []
        written = (ROOT / FILE).read_text(encoding="utf-8")
        return await import_plans(tx, read_plans(written, edition.content), SEED, now)


async def set_automatic(tx: Tx, plan_id: str, by: str, now: datetime, *, automatic: bool) -> None:
    """Its visits begin by themselves from now on, or do not. Raises MedrepError(NOT_FOUND)."""
    if not await visit_plans.set_automatic(tx, plan_id, automatic):
        raise MedrepError(Fault.NOT_FOUND, f"no visit plan {plan_id}")
    await note(tx, "visit_plan.automatic", now, f"visit_plan:{plan_id}", login=by, automatic=automatic)


async def stop_plan(tx: Tx, plan_id: str, by: str, now: datetime, *, stopped: bool = True) -> None:
    """No visit of this plan is begun any more, or they are again. Raises MedrepError(NOT_FOUND)."""
    if await visit_plans.plan(tx, plan_id) is None:
        raise MedrepError(Fault.NOT_FOUND, f"no visit plan {plan_id}")
    if await visit_plans.stop_plan(tx, plan_id, now if stopped else None):
        event = "visit_plan.stopped" if stopped else "visit_plan.taken_up"
        await note(tx, event, now, f"visit_plan:{plan_id}", login=by)
