"""医学信息 over HTTP: who reads, who answers, who reviews, and what the server refuses whatever is shown."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import text as sql

from bot import medical_information
from bot.content import seed_content
from bot.privacy import erase_person
from bot.staff import Role
from tests.console.conftest import Office, Visitor
from tests.console.test_rows import reading
from tests.medical import CITED, QUESTION, TEXT, approved, asked, colleague

WITHIN = "二甲双胍缓释片能掰开吃吗"
DRAFT = {"document-0": CITED[0], "section-0": CITED[1]}


@pytest.fixture
async def question(office: Office) -> int:
    """An off-label question of 周代表's doctor; the seed's content is in force."""
    services = office.stage.services
    await seed_content(services.db, services.clock.now())
    return await asked(services, office.contacts["zhou"])


async def state(office: Office, task: int) -> tuple[Any, ...]:
    rows = await office.stage.rows("SELECT state, steps FROM medical_request WHERE task_id = :id", id=task)
    return tuple(rows[0])


async def written(visitor: Visitor, task: int, step: int = 0, **more: Any) -> None:
    await visitor.post(f"/console/requests/{task}/submit", step=step, text=TEXT, **{**DRAFT, **more})


async def test_a_request_is_answered_reviewed_sent_and_read(office: Office, question: int) -> None:
    """From the list to the doctor's chat; a rep meanwhile reads no word of it anywhere."""
    stage, path = office.stage, f"/console/requests/{question}"
    medical, lawyer, rep = [await office.as_(login) for login in ("wei", "han", "zhou")]
    listed = await medical.get("/console/requests")
    assert QUESTION in listed and "还有" in listed and "超说明书" in listed and "还没有人接" in listed
    await medical.post(f"{path}/take", step=0)
    shown = await medical.get(path)
    assert "卫医学" in shown and "周代表您好，二甲双胍的资料有吗" in shown, "with what was said before"
    await medical.post(f"{path}/save", step=1, text="先写一半。")
    await written(medical, question, 2)
    assert await state(office, question) == ("in_review", 4)
    assert "须由另一位同事审核" in await medical.get(path)
    await medical.post(f"{path}/approve", 409, step=4)
    review = await lawyer.get(path)
    assert TEXT in review and QUESTION in review and "批准并发送" in review
    assert "&lt;script&gt;" not in review and "周代表您好" not in review, "a lawyer sees no doctor"
    await lawyer.post(f"{path}/return", step=4, reason="请写明适应症在哪一节")
    assert "请写明适应症在哪一节" in await medical.get(path)
    await written(medical, question, 5)
    await lawyer.post(f"{path}/approve", step=6)
    await stage.sender.push()
    (said,) = await stage.reply_texts()
    assert TEXT in said and "只答复您本人" in said and "仅供医学药学专业人士阅读" in said
    assert "盐酸二甲双胍片说明书" in said and "【适应症】 · 版本" in said
    await medical_information.settle(stage.services)
    assert await stage.rows("SELECT state, outcome FROM task") == [("done", "answered")]
    assert "已答复" in await medical.get(path)
    contact = office.contacts["zhou"].id
    pages = [f"conversations/{contact}", f"doctors/{office.doctors['zhou']}", "conversations?q=适应症", ""]
    for page in (f"/console/{one}" for one in pages):
        body = await rep.get(page)
        assert TEXT not in body and QUESTION not in body and "适应症在哪" not in body, page
    known = await rep.get(f"/console/conversations/{contact}")
    assert "医学信息问询" in known, "that there is one, they know"
    await rep.get(path, 403)
    kinds = {kind for (kind,) in await stage.rows("SELECT kind FROM evidence")}
    assert {"request.read", "request.saved", "request.returned", "request.approved", "answer.queued",
            "request.answered"} <= kinds  # fmt: skip


@pytest.mark.parametrize(
    ("login", "reads"),
    [("zhou", 0), ("zheng", 0), ("feng", 0), ("yang", 0), ("", 0)]
    + [(login, 1) for login in ("wei", "han", "jiang", "shen", "zhu")],
)
async def test_the_database_shows_it_to_nobody_else(
    office: Office, question: int, login: str, reads: int
) -> None:
    services = office.stage.services
    for name, role in (("wen", Role.MEDICAL), ("shu", Role.REVIEWER)):
        await colleague(services, name, role)
    await approved(services, question, "wen", "shu")
    async with reading(office, login) as tx:
        for table in ("medical_request", "medical_question"):
            assert (await tx.execute(sql(f"SELECT count(*) FROM {table}"))).scalar() == reads  # noqa: S608
        steps = (await tx.execute(sql("SELECT count(*) FROM medical_step"))).scalar()
        assert steps == 3 * reads
        sent = await tx.execute(sql("SELECT count(*) FROM outbox WHERE basis LIKE 'answer:%'"))
        # A lawyer reads the answer with its request, and no conversation.
        assert sent.scalar() == (0 if login == "han" else reads)
        notices = await tx.execute(sql("SELECT count(*) FROM task_notice"))
        assert notices.scalar() == (1 if (reads and login != "han") or login in ("zhou", "zheng") else 0)


async def test_what_a_colleague_changed_meanwhile_is_not_overwritten(office: Office, question: int) -> None:
    path = f"/console/requests/{question}"
    one, other = await office.as_("wei"), await office.as_("wei")
    await one.post(f"{path}/save", step=0, text="第一稿。")
    refused = await other.post(f"{path}/save", 409, step=0, text="另一份稿子。", **DRAFT)
    assert "另一份稿子。" in refused and "有了变化" in refused
    assert await state(office, question) == ("draft", 1)
    await colleague(office.stage.services, "wen", Role.MEDICAL)
    await one.post(f"{path}/assign", step=1, to="wen")
    assert await office.stage.rows(
        "SELECT login FROM staff JOIN task ON task.owner_id = staff.id WHERE task.id = :id", id=question
    ) == [("wen",)]
    await one.post(f"{path}/save", 409, step=2, text="不是我的了。")
    await one.post(f"{path}/assign", 409, step=2, to="zhou")
    await one.post(f"{path}/take", step=2)
    await one.post(f"{path}/save", step=3, text="又是我的了。")


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"text": TEXT}, "没有送审"),
        ({"text": "", **DRAFT}, "没有送审"),
        ({"text": "长" * 501, **DRAFT}, "没有送审"),
        ({"text": TEXT, "document-0": "nothing", "section-0": "一"}, "没有送审"),
        ({"text": TEXT, "document-0": CITED[0]}, "没有送审"),
        ({"text": "二甲双胍是最好的减重药。", **DRAFT}, "不符合规则"),
    ],
)
async def test_what_may_not_go_to_a_doctor_is_not_sent_to_review(
    office: Office, question: int, values: dict[str, Any], told: str
) -> None:
    body = await (await office.as_("wei")).post(f"/console/requests/{question}/submit", 422, step=0, **values)
    assert told in body and values["text"] in re.sub(r"<[^>]+>", "", body)
    assert await state(office, question) == ("open", 0)
    refused = await office.stage.rows("SELECT facts->>'login' FROM evidence WHERE kind = 'answer.refused'")
    assert refused == ([("wei",)] if "最好" in values["text"] else [])


REACTION = "电话里他说有个病人吃了二甲双胍以后起了皮疹，已经停药"


@pytest.mark.parametrize("where", ["answer", "entry", "remark", "return"])
async def test_an_adverse_event_that_a_colleague_writes_down_is_a_case(
    office: Office, question: int, where: str
) -> None:
    """In an answer, and in what is remarked beside it; what an approved entry says tells of nobody."""
    medical, path = await office.as_("wei"), f"/console/requests/{question}"
    if where == "answer":
        await medical.post(f"{path}/save", step=0, text=REACTION)
        await medical.post(f"{path}/save", step=1, text=REACTION, **DRAFT)
    elif where == "entry":
        await medical.post(f"{path}/quote", step=0, entry="metformin-lactic-acidosis")
    elif where == "remark":
        await medical.post(f"{path}/correct", step=0, off_label="no", reason=REACTION)
    else:
        await written(medical, question)
        await (await office.as_("han")).post(f"{path}/return", step=2, reason=REACTION)
    cases = await office.stage.rows("SELECT count(*) FROM task WHERE kind = 'adverse_event'")
    assert cases == [(0 if where == "entry" else 1,)]
    watched = await medical.post(f"{path}/watch", 200, text=REACTION)
    assert "保存后自动转药物安全" in watched


async def test_it_is_watched_while_it_is_typed(office: Office, question: int) -> None:
    visitor = await office.as_("wei")
    body = await visitor.post(
        f"/console/requests/{question}/watch", 200, text="二甲双胍是最好的药，电话13900000001"
    )
    assert '<mark class="hard">是最好</mark>' in body and "13900000001" in body


async def test_an_approved_entry_is_quoted_with_its_source(office: Office, question: int) -> None:
    visitor, path = await office.as_("wei"), f"/console/requests/{question}"
    await visitor.post(f"{path}/quote", 422, step=0, entry="nothing")
    await visitor.post(f"{path}/quote", step=0, entry="metformin-renal")
    body = await visitor.get(path)
    assert "metformin-renal@1" in body and "用这条" in body
    await visitor.post(f"{path}/submit", step=1, text="改过的话。", **DRAFT)
    assert "metformin-renal@1" not in await visitor.get(path), "words of ours are no quotation"


async def test_whether_it_is_off_label_is_corrected_with_a_reason(office: Office, question: int) -> None:
    visitor, path = await office.as_("wei"), f"/console/requests/{question}"
    await written(visitor, question)
    await visitor.post(f"{path}/correct", 422, step=2, off_label="no", reason="")
    await visitor.post(f"{path}/correct", step=2, off_label="no", reason="问的是肥胖的糖尿病患者")
    assert await state(office, question) == ("draft", 3), "it is reviewed anew"
    body = await visitor.get(path)
    assert "改为说明书内" in body and "问的是肥胖的糖尿病患者" in body and "只答复您本人" not in body


async def sent(office: Office, task: int) -> None:
    await written(await office.as_("wei"), task)
    await (await office.as_("han")).post(f"/console/requests/{task}/approve", step=2)
    await office.stage.sender.push()
    await medical_information.settle(office.stage.services)


OFFER = {
    "product": "metformin",
    "topic": "administration",
    "question": "二甲双胍缓释片能掰开服用吗",
    "variants": "缓释片可以掰开不\n缓释的能切两半吗\n缓释片嚼碎行吗\n掰开有影响吗\n缓释片研碎可以吗",
    "answer": "缓释片应整片吞服，不得掰开、嚼碎或研碎。",
}


async def test_only_what_is_within_the_label_is_offered_to_the_knowledge_base(
    office: Office, question: int
) -> None:
    stage = office.stage
    within = await asked(stage.services, office.contacts["zhou"], WITHIN, off_label=False)
    for task in (question, within):
        await sent(office, task)
    visitor = await office.as_("wei")
    drafts = "SELECT section, state, author FROM content_revision WHERE state <> 'published'"
    assert "提交知识库" not in await visitor.get(f"/console/requests/{question}")
    await visitor.post(f"/console/requests/{question}/offer", 409, step=3, **OFFER)
    assert await stage.rows(drafts) == []
    path = f"/console/requests/{within}"
    assert "提交知识库" in await visitor.get(path)
    refused = await visitor.post(f"{path}/offer", 422, step=3, **{**OFFER, "variants": "一种"})
    assert "至少 5 种问法" in refused and OFFER["answer"] in refused
    await visitor.post(f"{path}/offer", step=3, **OFFER)
    assert await stage.rows(drafts) == [("entries", "draft", "wei")], "nothing is published, and it needs two"
    assert "已提交知识库" in await visitor.get(path)
    await visitor.post(f"{path}/offer", 409, step=4, **OFFER)


async def test_a_closed_window_holds_it_until_they_write(office: Office, question: int) -> None:
    stage = office.stage
    await stage.write("UPDATE send_window SET closes_at = :now", now=stage.services.clock.now())
    visitor = await office.as_("wei")
    assert "窗口已关闭" in await visitor.get(f"/console/requests/{question}")
    await sent(office, question)
    assert "等医生下次来信时自动发出" in await visitor.get(f"/console/requests/{question}")
    assert await stage.reply_texts() == []
    await stage.phone.send(type="image", wait=True)
    await stage.sender.push()
    await medical_information.settle(stage.services)
    assert [TEXT in text for text in await stage.reply_texts()] == [True]
    assert (await state(office, question))[0] == "answered"


async def test_an_answer_that_is_held_does_not_leave_after_its_request_was_closed(
    office: Office, question: int
) -> None:
    """A colleague closes it in 我的一天; the doctor writes again, and hears nothing of it."""
    stage = office.stage
    await stage.write("UPDATE send_window SET closes_at = :now", now=stage.services.clock.now())
    await sent(office, question)
    visitor = await office.as_("wei")
    await visitor.post(f"/console/tasks/{question}/close", remark="医生说不用了")
    await stage.phone.send(type="image", wait=True)
    await stage.sender.push()
    await medical_information.settle(stage.services)
    assert [text for text in await stage.reply_texts() if TEXT in text] == []
    body = await visitor.get(f"/console/requests/{question}")
    assert "等医生下次来信时自动发出" not in body and "没有发出" not in body
    assert "没有发出" not in await visitor.get("/console/"), "nobody is to do anything about it"


@pytest.mark.parametrize("why", ["stopped", "unverified", "withdrawn"])
async def test_what_may_not_leave_is_not_sent_and_told(office: Office, question: int, why: str) -> None:
    stage = office.stage
    contact = office.contacts["zhou"]
    change = {
        "stopped": "UPDATE person SET stopped_at = :now WHERE id = :person",
        "unverified": "UPDATE doctor SET verified_at = NULL WHERE person_id = :person AND :now IS NOT NULL",
    }
    visitor, path = await office.as_("wei"), f"/console/requests/{question}"
    await written(visitor, question)
    await (await office.as_("han")).post(f"{path}/approve", step=2)
    if why == "withdrawn":
        await stage.write("UPDATE content_revision SET body = jsonb_set(body, '{version}', '\"新版\"') "
                          "WHERE item_id = 'metformin-label'")  # fmt: skip
    else:
        now = stage.services.clock.now()
        await stage.write(change[why].replace(":now IS", "CAST(:now AS timestamptz) IS"), now=now,
                          person=contact.person_id)  # fmt: skip
    await stage.sender.push()
    await medical_information.settle(stage.services)
    assert await stage.reply_texts() == []
    body = await visitor.get(path)
    assert "没有发出" in body and "重新发送" in body
    assert "1 个答复没有发出" in await visitor.get("/console/")
    assert await stage.rows("SELECT kind FROM task WHERE state <> 'done'") == [("medical_information",)], (
        "it is told to medical alone"
    )
    if why == "stopped":
        await stage.move(stage.services.clock.now().replace(minute=30))
        await stage.phone.send(type="image", wait=True)  # their own message is answered
        await visitor.post(f"{path}/send", step=3)
        await stage.sender.push()
        await medical_information.settle(stage.services)
        assert (await state(office, question))[0] == "answered"


async def test_nobody_answers_who_was_erased(office: Office, question: int) -> None:
    visitor, path = await office.as_("wei"), f"/console/requests/{question}"
    await visitor.post(f"{path}/save", step=0, text=TEXT, **DRAFT)
    await erase_person(office.stage.services, external_id="T-1", by="test")
    body = await visitor.get(path)
    assert "已依法删除" in body and QUESTION not in body and TEXT not in body
    refused = await visitor.post(f"{path}/save", 422, step=1, text="再写一句。")
    assert "已依法删除，不能再答复" in refused


async def test_who_wanted_a_call_is_called_before_it_is_done(office: Office) -> None:
    stage = office.stage
    await seed_content(stage.services.db, stage.services.clock.now())
    task = await asked(stage.services, office.contacts["zhou"], f"{WITHIN}，打电话告诉我", off_label=False)
    await sent(office, task)
    visitor, path = await office.as_("wei"), f"/console/requests/{task}"
    assert "电话答复" in await visitor.get(path)
    assert await stage.rows("SELECT state FROM task") == [("acknowledged",)]
    await visitor.post(f"{path}/told", 422, step=3, reason="")
    await visitor.post(f"{path}/told", step=3, reason="下午三点已电话说明")
    assert await stage.rows("SELECT state, closed_by FROM task") == [("done", "wei")]


async def test_the_day_counts_what_waits_and_what_is_late(office: Office, question: int) -> None:
    stage = office.stage
    ((due,),) = await stage.rows("SELECT due_at FROM task WHERE id = :id", id=question)
    await written(await office.as_("wei"), question)
    assert "1 个答复等您审核" in await (await office.as_("han")).get("/console/")
    await stage.write("UPDATE task SET due_at = :due", due=stage.services.clock.now())
    visitor = await office.as_("wei")
    day = await visitor.get("/console/")
    assert "1 个已逾期" in day and "打开问询" in day and "等您审核" not in day
    assert '<li class="late">' in await visitor.get("/console/requests") and due
