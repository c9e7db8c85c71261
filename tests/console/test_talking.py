"""What a colleague does in a conversation, and what the server refuses whatever the page shows."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from bot.staff import today
from bot.tasks import Kind, open_task
from tests.console.conftest import Office, Visitor

HELLO = "您好，我是周代表，稍后给您回电。"


def chat_of(office: Office, whose: str = "zhou") -> str:
    return f"/console/conversations/{office.contacts[whose].id}"


async def mark_of(visitor: Visitor, path: str) -> str:
    """How the conversation stood when the page was made."""
    found = re.search(r'name="mark" value="([0-9-]+)"', await visitor.get(path))
    assert found is not None
    return found[1]


async def claimed(office: Office, login: str = "zhou") -> Visitor:
    visitor, path = await office.as_(login), chat_of(office)
    await visitor.post(f"{path}/claim", mark=await mark_of(visitor, path))
    return visitor


async def sent(office: Office) -> list[str]:
    return [state for (state,) in await office.stage.rows("SELECT state FROM outbox ORDER BY id")]


async def test_a_reply_leaves_to_the_letter_with_its_colleague_as_basis(office: Office) -> None:
    visitor, path = await claimed(office), chat_of(office)
    await visitor.post(f"{path}/reply", text=HELLO, mark=await mark_of(visitor, path))
    while await office.stage.workers.turn():
        pass
    while await office.stage.sender.push():
        pass
    assert await office.stage.reply_texts() == [HELLO]
    body = await visitor.get(path)
    assert HELLO in body and "已发出" in body


async def test_claiming_acknowledges_the_hand_over_and_closing_it_is_a_task_of_its_own(
    office: Office,
) -> None:
    services, now = office.stage.services, office.stage.services.clock.now()
    async with services.db.begin() as tx:
        contact = office.contacts["zhou"]
        task, _ = await open_task(tx, services.vault, Kind.HAND_OVER, now=now, contact=contact)
    visitor, path = await claimed(office), chat_of(office)
    query = "SELECT state, acknowledged_by FROM task"
    assert await office.stage.rows(query) == [("acknowledged", "zhou")]
    await visitor.post(f"{path}/hand-back", mark=await mark_of(visitor, path))
    assert await office.stage.rows(query) == [("acknowledged", "zhou")], "handed back, not closed"
    await visitor.post(f"/console/tasks/{task}/close", remark="已电话答复")
    assert await office.stage.rows("SELECT state, closed_by FROM task") == [("done", "zhou")]


async def test_a_reply_to_a_conversation_that_went_on_is_refused_and_kept(office: Office) -> None:
    visitor, path = await claimed(office), chat_of(office)
    stale = await mark_of(visitor, path)
    await office.stage.phone.send(type="text", content="不用回电，我已经解决了", wait=True)
    body = await visitor.post(f"{path}/reply", 409, text=HELLO, mark=stale)
    assert "会话有了新消息" in body and HELLO in body and "我已经解决了" in body
    assert HELLO not in str(await office.stage.reply_texts())
    assert await office.stage.rows("SELECT 1 FROM evidence WHERE kind = 'message.typed'") == []
    await visitor.post(f"{path}/reply", text=HELLO, mark=await mark_of(visitor, path))


async def test_two_colleagues_do_not_answer_the_same_chat_unawares(office: Office) -> None:
    first, second, path = await office.as_("zhou"), await office.as_("zheng"), chat_of(office)
    mine, theirs = await mark_of(first, path), await mark_of(second, path)
    await first.post(f"{path}/claim", mark=mine)
    await second.post(f"{path}/claim", 409, mark=theirs)
    await second.post(f"{path}/reply", 409, text=HELLO, mark=theirs)
    body = await second.get(path)
    assert "周代表 处理中" in body and "由我处理" not in body
    await second.post(f"{path}/reply", 409, text=HELLO, mark=await mark_of(second, path))
    await second.post(f"{path}/hand-back", mark=await mark_of(second, path))
    assert "AI 应答中" in await first.get(path), "a manager may give it back"


async def test_what_the_rules_forbid_is_marked_named_and_on_the_record(office: Office) -> None:
    visitor, path = await claimed(office), chat_of(office)
    body = await visitor.post(
        f"{path}/reply", 422, text="我们的药疗效显著", mark=await mark_of(visitor, path)
    )
    assert '<mark class="hard">疗效显著</mark>' in body and "功效断言" in body and "广告法" in body
    kept = await office.stage.rows(
        "SELECT facts ->> 'login', facts ->> 'rules', body_enc FROM evidence WHERE kind = 'message.refused'"
    )
    assert kept == [("zhou", '["efficacy_claim"]', None)]
    watched = await visitor.post(f"{path}/watch", 200, text="吃了药起皮疹，电话13900000001<b>")
    assert '<mark class="soft">13900000001</mark>' in watched and "不良反应" in watched
    assert "<b>" not in watched.replace("<b>请留意", "").replace("<b>不能发出", "")
    assert await sent(office) == []


async def test_an_expired_registration_blocks_what_is_typed_with_the_reason(office: Office) -> None:
    day = today(office.stage.services.clock.now())
    await office.registered("zhou", day)
    visitor, path = await claimed(office), chat_of(office)
    assert "备案还有 0 天到期" in await visitor.get("/console/")
    await visitor.post(f"{path}/reply", text=HELLO, mark=await mark_of(visitor, path))
    await office.registered("zhou", day - timedelta(days=1))
    page = await visitor.get(path)
    assert "代表备案已到期" in page and "disabled" in page
    body = await visitor.post(f"{path}/reply", 422, text=HELLO, mark=await mark_of(visitor, path))
    assert "备案已到期" in body
    await office.registered("zhou", day + timedelta(days=31))
    assert "到期后" not in await visitor.get("/console/")


async def test_a_window_that_closed_is_said_and_nothing_leaves(office: Office) -> None:
    visitor, path = await claimed(office), chat_of(office)
    await office.stage.move(office.stage.services.clock.now() + timedelta(hours=49))
    await visitor.post(f"{path}/claim", mark=await mark_of(visitor, path))
    page = await visitor.get(path)
    assert "平台窗口已关闭" in page and "disabled" in page
    body = await visitor.post(f"{path}/reply", 422, text=HELLO, mark=await mark_of(visitor, path))
    assert "对方来信后才能发送" in body


async def test_a_question_that_went_to_medical_information_is_theirs(office: Office) -> None:
    words = "二甲双胍的资料"
    while await office.stage.workers.turn():
        pass
    await office.stage.write("UPDATE inbox SET turn_id = gen_random_uuid() WHERE turn_id IS NULL; ")
    await office.stage.write("UPDATE turn SET route = 'medical_information'")
    await office.stage.write(
        "INSERT INTO turn (id, contact_id, state, fence, lease_until, started_at, route) "
        "SELECT turn_id, contact_id, 'done', 1, now(), now(), 'medical_information' FROM inbox "
        "WHERE kind = 'text' ON CONFLICT (id) DO NOTHING"
    )
    for login, reads in (("zhou", False), ("zheng", False), ("wei", True), ("shen", True)):
        visitor = await office.as_(login)
        for path in ("/console/conversations", chat_of(office), f"/console/doctors/{office.doctors['zhou']}"):
            assert (words in await visitor.get(path)) is reads, (login, path)
        found = await visitor.get("/console/conversations?q=%E8%B5%84%E6%96%99")  # 资料
        assert ("没有找到" not in found) is reads, "nor by searching for it"


async def test_what_medical_says_with_a_doctor_is_theirs(office: Office) -> None:
    answer, further = "您问的用法说明书没有批准，研究见附件。", "那十二岁的孩子呢"
    visitor, path = await claimed(office, "wei"), chat_of(office)
    await visitor.post(f"{path}/reply", text=answer, mark=await mark_of(visitor, path))
    await office.stage.phone.send(type="text", content=further, wait=True)
    doctor = f"/console/doctors/{office.doctors['zhou']}"
    for login, reads in (("zhou", False), ("zheng", False), ("wei", True), ("zhu", True)):
        reader = await office.as_(login)
        for words in (answer, further):
            for place in (path, doctor):
                assert (words in await reader.get(place)) is reads, (login, place)
        assert (further in await reader.get("/console/conversations")) is reads, login
        found = await reader.get("/console/conversations?q=十二岁")
        assert ("没有找到" not in found) is reads
    assert "二甲双胍的资料有吗" in await (await office.as_("zhou")).get(path), "said before"


async def test_a_hint_at_money_is_hidden_from_whom_it_may_be_about(office: Office) -> None:
    hint = "你们周代表说开一盒给我五块钱好处费"
    await office.stage.phone.send(type="text", content=hint, wait=True)
    doctor = f"/console/doctors/{office.doctors['zhou']}"
    for login, reads in (("zhou", False), ("zheng", False), ("wei", False), ("shen", True), ("zhu", True)):
        reader = await office.as_(login)
        for place in ("/console/conversations", chat_of(office), doctor):
            page = await reader.get(place)
            assert (hint in page) is reads, (login, place)
            assert reads or ("涉及利益" not in page and "合规" not in page.split("<main")[1]), (login, place)


@pytest.mark.parametrize(
    ("words", "found"), [("资料", True), ("script", True), ("示例县", True), ("没说过", False)]
)
async def test_a_search_finds_names_places_and_words(office: Office, words: str, found: bool) -> None:
    visitor = await office.as_("zhou")
    body = await visitor.get(f"/console/conversations?q={words}")
    assert ("没有找到" in body) is not found
    assert "李乙" not in body


@pytest.mark.parametrize(
    ("which", "found"), [("all", True), ("waiting", False), ("mine", False), ("unanswered", True)]
)
async def test_the_filters_of_the_list(office: Office, which: str, found: bool) -> None:
    visitor = await office.as_("zhou")
    body = await visitor.get(f"/console/conversations?filter={which}")
    assert (chat_of(office) in body) is found
    if which == "mine":
        await claimed(office)
        assert chat_of(office) in await visitor.get(f"/console/conversations?filter={which}")


async def test_who_looks_is_on_the_record(office: Office) -> None:
    visitor = await office.as_("zhu")
    await visitor.get(chat_of(office))
    await visitor.get(f"/console/doctors/{office.doctors['zhou']}")
    await visitor.get(chat_of(office) + "/part")
    kinds = await office.stage.rows("SELECT kind FROM evidence WHERE kind LIKE '%.read' ORDER BY id")
    assert kinds == [("conversation.read",), ("doctor.read",)]
