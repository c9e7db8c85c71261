"""Plans of visits: what a file must hold, and that the same file changes nothing."""

from __future__ import annotations

import pytest

from bot.clock import Clock
from bot.content import seed_content
from bot.knowledge import load
from bot.model import MedrepError
from bot.settings import ROOT
from bot.store import visit_plans as store
from bot.store.database import Database
from bot.visits import import_plans, read_plans, seed_plans, set_automatic, stop_plan

CONTENT = load(ROOT / "data" / "content")
ONE = """
plans:
  - {id: one, product: metformin, objective: 试, valid_from: 2026-01-01,
     valid_until: 2026-12-31, reentry_days: 30}
"""


async def test_the_seed_is_taken_once_and_a_stopped_plan_stays_stopped(
    database: Database, clock: Clock
) -> None:
    now = clock.now()
    assert await seed_plans(database, now) == [], "no content is in force that they could speak of"
    await seed_content(database, now)
    assert await seed_plans(database, now) == ["metformin-basics", "amlodipine-basics"]
    assert await seed_plans(database, now) == []
    async with database.begin() as tx:
        await stop_plan(tx, "metformin-basics", "somebody", now)
        assert [plan.id for plan in await store.plans(tx, on=now.date())] == ["amlodipine-basics"]
    assert await seed_plans(database, now) == []
    async with database.begin() as tx:
        assert await import_plans(tx, read_plans(ONE, CONTENT), "somebody", now) == ["one"]
        assert await import_plans(tx, read_plans(ONE, CONTENT), "somebody", now) == []
        changed = read_plans(ONE.replace("30", "60"), CONTENT)
        assert await import_plans(tx, changed, "somebody", now) == ["one"]
        with pytest.raises(MedrepError, match="no visit plan"):
            await stop_plan(tx, "two", "somebody", now)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("metformin", "aspirin"), "no product aspirin"),
        (("reentry_days: 30", "reentry_days: 0"), "greater than 0"),
        (("valid_until: 2026-12-31", "valid_until: 2025-12-31"), "before valid_from"),
        (("2026-12-31", "2026-13-45"), "month"),
        (("objective: 试", "objective: 试, note: x"), "Extra inputs"),
        (("objective: 试", "objective: 试, key_messages: [amlodipine-km-once-daily]"), "no key message"),
        (("id: one", "id: 'One Plan'"), "pattern"),
        (("plans:", "plan:"), "Field required"),
        (("{id", "{{id"), "not YAML"),
    ],
)
def test_a_file_that_is_none_is_refused_with_the_reason(change: tuple[str, str], why: str) -> None:
    with pytest.raises(MedrepError, match=why):
        read_plans(ONE.replace(*change), CONTENT)


def test_a_plan_stands_once() -> None:
    with pytest.raises(MedrepError, match="stands twice"):
        read_plans(ONE + ONE.replace("plans:", ""), CONTENT)


async def test_an_import_undoes_nothing_that_was_decided_since(database: Database, clock: Clock) -> None:
    now = clock.now()
    await seed_content(database, now)
    async with database.begin() as tx:
        await import_plans(tx, read_plans(ONE, CONTENT), "somebody", now)
        await set_automatic(tx, "one", "manager", now, automatic=True)
        await stop_plan(tx, "one", "manager", now)
        assert await import_plans(tx, read_plans(ONE, CONTENT), "somebody", now) == []
        changed = read_plans(ONE.replace("30", "60"), CONTENT)
        assert await import_plans(tx, changed, "somebody", now) == ["one"]
        plan = await store.plan(tx, "one")
        assert plan is not None and plan.automatic and plan.stopped_at is not None
        await stop_plan(tx, "one", "manager", now, stopped=False)
        assert [one.id for one in await store.plans(tx, on=now.date())] == ["one"]
