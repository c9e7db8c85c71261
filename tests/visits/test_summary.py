"""What a summary tells of stored turns: of cases and of medical information the number alone."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from sqlalchemy import text

from bot.content import seed_content
from bot.staff import Role
from bot.store import visit_plans, visits
from bot.store.visit_plans import PlanRow
from bot.tasks import Kind, open_task
from bot.visits import write_summaries
from tests.medical import TEXT, approved, asked, colleague
from tests.stage import Stage

OFF_LABEL = "多囊卵巢的姑娘能不能用这个药减重"
CASE = "我一个65岁男病人吃二甲双胍后全身皮疹"
MONEY = "周代表说开一盒给我五块钱好处费"
MINE = "主要还是担心肾功能不全的病人"


async def written(
    stage: Stage, said: dict[str, tuple[str | None, str]], *, answered: bool = False
) -> dict[str, Any]:
    """The summary of a visit in which this was said: words -> route of its turn, what was noticed."""
    services = stage.services
    begun = services.clock.now()
    await stage.phone.send(type="text", content="您好", wait=True)
    contact = await stage.contact()
    plan = PlanRow("one", "metformin", "试", (), (), (), begun.date(), begun.date(), 30, 0)
    await seed_content(services.db, begun)
    async with services.db.begin() as tx:
        await visit_plans.write_plan(tx, plan, "test", begun)
        visit_id = await visits.add(
            tx, "one", contact.person_id, contact.id, "need", begun, forced=True, requested=False
        )
        assert visit_id is not None
        await tx.execute(text("UPDATE visit SET begun_at = planned_at"))
    for words, (route, fact) in said.items():
        await stage.phone.send(type="text", content=words, wait=True)
        ((turn,),) = await stage.rows("SELECT gen_random_uuid()")
        await stage.write(
            "INSERT INTO turn (id, contact_id, state, fence, lease_until, started_at, route) "
            "VALUES (:id, :contact, 'done', 1, now(), now(), :route)",
            id=turn, contact=contact.id, route=route,
        )  # fmt: skip
        await stage.write("UPDATE inbox SET turn_id = :id WHERE id = (SELECT max(id) FROM inbox)", id=turn)
        async with services.db.begin() as tx:
            visit = await visits.by_id(tx, visit_id)
            assert visit is not None
            await visits.add_fact(tx, visit, fact, "other", turn, services.clock.now())
    async with services.db.begin() as tx:
        now = services.clock.now()
        await open_task(
            tx, services.vault, Kind.MEDICAL_INFORMATION, now=now, contact=contact, detail=OFF_LABEL
        )
        await open_task(tx, services.vault, Kind.COMPLIANCE, now=now, contact=contact, detail=MONEY)
    if answered:
        for login in ("wen", "shu"):
            await colleague(services, login, Role.MEDICAL)
        await approved(services, await asked(services, contact, OFF_LABEL), "wen", "shu")
    async with services.db.begin() as tx:
        assert await visits.end_one(tx, visit_id, "completed", now + timedelta(seconds=1))
    await write_summaries(services.db, services.vault, services.clock)
    ((person, sealed),) = await stage.rows("SELECT person_id, body_enc FROM visit_summary")
    async with services.db.begin() as tx:
        body: dict[str, Any] = json.loads(
            await services.vault.open_text(tx, person, bytes(sealed), "visit_summary.body")
        )
    return body


async def test_words_of_a_case_and_of_a_request_stand_in_no_summary(stage: Stage) -> None:
    said = {
        f"{MINE}，电话138 1234 5678": (None, "need"),
        OFF_LABEL: ("medical_information", "reaction"),
        CASE: (None, "reaction"),
        MONEY: (None, "reaction"),
    }
    body = await written(stage, said)
    ((number,),) = await stage.rows("SELECT id FROM task WHERE kind = 'medical_information'")
    told = json.dumps(body, ensure_ascii=False)
    assert f"{MINE}，电话〔号码〕" in told and "5678" not in told
    for words in (OFF_LABEL, CASE, "减重", "皮疹", "好处费"):
        assert words not in told
    texts = [one["text"] for one in body["statements"]]
    assert f"医生提出一个问题，没有可引用的审批资料，已转医学部（任务 {number}）。" in texts
    assert all(one["turns"] for one in body["statements"]) and body["questions"] == []
    assert f"medical_information:{number}" in body["requests"]
    assert "compliance" not in told, "not even by its number"
    rows = await stage.rows("SELECT number, kind, login FROM visit_summary_version")
    assert rows == [(1, "draft", "")]


async def test_an_off_label_answer_stands_in_no_summary(stage: Stage) -> None:
    """Neither the question, nor the answer that was approved meanwhile, nor the product it was about."""
    body = await written(stage, {OFF_LABEL: ("medical_information", "reaction")}, answered=True)
    told = json.dumps(body, ensure_ascii=False)
    for words in (OFF_LABEL, "减重", TEXT, "适应症", "answer:"):
        assert words not in told
    assert body["questions"] == []
    assert sum(one.startswith("medical_information:") for one in body["requests"]) == 2
