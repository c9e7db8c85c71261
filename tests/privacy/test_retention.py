"""What is older than its rule allows goes; what is younger or under way stays."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import text

from bot.evidence import Sealer, verify
from bot.privacy.retention import RULES, prune
from bot.runtime.services import Services
from bot.store import advisory, doctors
from bot.store.advisory import Lock
from tests.stage import Stage

KEPT = {rule.store: rule.days for rule in RULES}


async def counts(services: Services) -> dict[str, int]:
    async with services.db.begin() as tx:
        rows = {name: await tx.execute(text(f"SELECT count(*) FROM {name}")) for name in KEPT}  # noqa: S608
        return {name: int(row.scalar_one()) for name, row in rows.items()}


FILL = (
    """
    INSERT INTO effect (turn_id, action, ordinal, contact_id, person_id, result_enc, at)
    VALUES (gen_random_uuid(), 'a', 0, :contact, :person, '', :at)
    """,
    "INSERT INTO attempt (what, subject, at) VALUES ('verify', '', :at)",
    """
    WITH made AS (
        INSERT INTO task (kind, contact_id, owner_role, opened_at, due_at, state)
        VALUES ('adverse_event', :contact, 'pv', :at, :at, 'done') RETURNING id
    )
    INSERT INTO case_sign (task_id, sign, told_at) SELECT id, '', :at FROM made
    """,
    """
    INSERT INTO inbox (channel, account, key, contact_id, person_id, kind, body_enc, received_at, state,
                       ready_at)
    SELECT 'wechat', 'sandbox', gen_random_uuid()::text, :contact, :person, 'text', '', :at, state, now()
    FROM (VALUES ('done'), ('waiting')) AS v (state)
    """,
)


async def fill(stage: Stage, days: int) -> None:
    """A row of every kind that is so old, and a message that still waits."""
    contact = await stage.contact()
    at = stage.services.clock.now() - timedelta(days=days)
    for statement in FILL:
        names = {"contact": contact.id, "person": contact.person_id, "at": at}
        await stage.write(statement, **{name: names[name] for name in names if f":{name}" in statement})


async def test_what_is_old_goes_in_batches_and_the_rest_stays(open_window: Stage) -> None:
    stage = open_window
    before = await counts(stage.services)
    for store in ("effect", "attempt", "inbox"):
        await fill(stage, KEPT[store] + 1)
    assert (await counts(stage.services))["inbox"] == before["inbox"] + 6
    removed = await prune(stage.services, batch=1)
    assert (removed["effect"], removed["attempt"], removed["inbox"], removed["case_sign"]) == (3, 3, 1, 1)
    after = await counts(stage.services)
    assert after["inbox"] == before["inbox"] + 5, "young ones, and those that still wait"
    assert await prune(stage.services) == dict.fromkeys(KEPT, 0)
    facts = await stage.rows("SELECT facts FROM evidence WHERE kind = 'retention.pruned'")
    assert [one["rows"]["inbox"] for (one,) in facts] == [1]


async def test_a_process_that_finds_another_at_it_does_nothing(open_window: Stage) -> None:
    stage = open_window
    await fill(stage, KEPT["effect"] + 1)
    async with stage.services.db.begin() as tx:
        await advisory.wait_for(tx, Lock.PRUNING)
        assert (await prune(stage.services))["effect"] == 0
    async with stage.services.db.begin() as tx:
        await doctors.lock_import(tx)  # an import or an erasure under way is no other process at it
        assert (await prune(stage.services))["effect"] == 1


async def test_the_evidence_verifies_after_it(open_window: Stage) -> None:
    stage = open_window
    await Sealer(stage.services.db, stage.services.home).seal()
    await fill(stage, KEPT["inbox"] + 1)
    await stage.move(stage.services.clock.now() + timedelta(days=1))
    await prune(stage.services)
    await Sealer(stage.services.db, stage.services.home).seal()
    verdict = await verify(stage.services.db, stage.services.home)
    assert verdict.ok, verdict
