"""Approved replies, transfer, private notes: what leaves, whose it is, and who reads what."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from bot.clock import CHINA
from bot.content import seed_content
from bot.desk import phrases
from bot.model import Audience, Purpose
from bot.people import consent, takeover, transfer
from bot.schedule.timers import Timers
from bot.store import content, desk, takeovers
from bot.store.database import CONSOLE, Database, Tx
from bot.tasks import Kind, open_task
from tests.console.conftest import NAMES, Office, Visitor
from tests.console.test_talking import HELLO, chat_of, claimed, mark_of


async def leave(office: Office) -> None:
    """All that waits is worked off, and leaves."""
    while await office.stage.workers.turn():
        pass
    while await office.stage.sender.push():
        pass


async def sent(office: Office) -> list[tuple[Any, ...]]:
    return await office.stage.rows("SELECT state, basis FROM outbox ORDER BY id")


@pytest.fixture
async def stocked(office: Office) -> Office:
    """With the seed's content in force."""
    services = office.stage.services
    await seed_content(services.db, services.clock.now())
    await services.published.load()
    return office


async def handed(office: Office, visitor: Visitor, to: str, status: int = 303, note: str = "") -> str:
    path = chat_of(office)
    return await visitor.post(f"{path}/transfer", status, to=to, note=note, mark=await mark_of(visitor, path))


async def test_a_conversation_goes_to_a_colleague_and_back_without_the_bot_in_between(office: Office) -> None:
    services, contact = office.stage.services, office.contacts["zhou"]
    async with services.db.begin() as tx:
        await open_task(tx, services.vault, Kind.HAND_OVER, now=services.clock.now(), contact=contact)
    visitor, path = await claimed(office), chat_of(office)
    await handed(office, visitor, "zheng", note="医生想谈会议，请您接着聊")
    body = await visitor.get(path)
    assert "郑经理 处理中" in body and "医生想谈会议，请您接着聊" in body
    await visitor.post(f"{path}/reply", 409, text=HELLO, mark=await mark_of(visitor, path))
    held = await office.stage.rows(
        "SELECT staff.login FROM takeover JOIN staff ON staff.id = staff_id WHERE ended_at IS NULL"
    )
    assert held == [("zheng",)]
    tasks = "SELECT login, state, notified_at FROM task JOIN staff ON staff.id = owner_id"
    assert await office.stage.rows(tasks) == [("zheng", "open", None)], "who has it now is told"

    manager = await office.as_("zheng")
    assert "医生想谈会议，请您接着聊" in await manager.get(path)
    await office.stage.phone.send(type="text", content="在吗", wait=True)
    await leave(office)
    assert await sent(office) == [], "the bot is silent"
    await manager.post(f"{path}/reply", text=HELLO, mark=await mark_of(manager, path))
    await manager.post(f"{path}/hand-back", mark=await mark_of(manager, path))
    await leave(office)
    assert await office.stage.reply_texts() == [HELLO]
    assert "AI 应答中" in await visitor.get(path)
    kinds = await office.stage.rows("SELECT kind FROM evidence WHERE kind LIKE 'takeover.%' ORDER BY id")
    assert [kind for (kind,) in kinds] == ["takeover.started", "takeover.transferred", "takeover.ended"]


async def test_what_medical_is_told_is_theirs_and_the_note_that_went_along_its_writers(
    office: Office,
) -> None:
    visitor, path = await claimed(office), chat_of(office)
    await handed(office, visitor, "wei", note="关于剂量的问题，请医学部答复")
    medical = await office.as_("wei")
    await medical.post(f"{path}/note", note="已查说明书，下午答复")
    body = await medical.get(path)
    assert "关于剂量的问题，请医学部答复" in body and "已查说明书，下午答复" in body
    for login in ("zhou", "zheng"):
        seen = await (await office.as_(login)).get(path)
        assert "关于剂量的问题，请医学部答复" in seen, "it was written before they had it"
        assert "已查说明书，下午答复" not in seen
    tasks = "SELECT login, owner_role FROM task JOIN staff ON staff.id = owner_id"
    assert await office.stage.rows(tasks) == [("wei", "medical")], "one is opened, so that they are told"
    await office.stage.phone.send(type="text", content="那是多少", wait=True)
    assert "那是多少" not in await visitor.get(path)
    await handed(office, medical, "zhou", note="医学部已答复完")
    assert "由您处理" in await visitor.get(path)


async def test_it_is_given_by_who_has_it_to_who_may_see_it(office: Office) -> None:
    visitor, path = await claimed(office), chat_of(office)
    for to in ("wu", "feng", "shen", "alien", "nobody", "zhou", ""):
        await handed(office, visitor, to, 409)
    medical = await office.as_("wei")
    await handed(office, medical, "jiang", 409)
    assert "周代表 处理中" in await medical.get(path), "it is not theirs to give"
    stale = await mark_of(visitor, path)
    await handed(office, await office.as_("zheng"), "wei")  # a manager may
    await visitor.post(f"{path}/transfer", 409, to="zheng", note="", mark=stale)


@pytest.mark.parametrize("whose", ["zhou", "wu", "patient", "newcomer"])
async def test_whoever_may_receive_it_sees_it_and_who_sees_it_and_speaks_may(
    office: Office, whose: str
) -> None:
    services, contact = office.stage.services, office.contacts[whose]
    async with services.db.begin() as tx:
        found = {one.login for one in await transfer.receivers(tx, contact, but="")}
    console = Database(services.db.url, role=CONSOLE)
    seeing = set()
    for login in (*NAMES, "alien"):
        colleague = await office.staff(login)
        async with console.begin() as tx:
            await desk.become(tx, colleague.id)
            people = await desk.counterparts(tx, services.vault, [contact.id])
        if people and takeover.ROLES & set(colleague.roles):
            seeing.add(login)
    await console.close()
    assert found == seeing and found


async def test_a_note_is_sealed_watched_kept_and_never_sent(office: Office) -> None:
    visitor, path = await office.as_("zhou"), chat_of(office)
    await visitor.post(f"{path}/note", note="医生周五门诊，<b>下午</b>去")
    body = await visitor.get(path)
    assert "医生周五门诊，&lt;b&gt;下午&lt;/b&gt;去" in body and "不会发给对方" in body
    ((sealed,),) = await office.stage.rows("SELECT body_enc FROM chat_note")
    assert "门诊".encode() not in bytes(sealed)
    assert '<mark class="hard">疗效显著</mark>' in await visitor.post(f"{path}/watch", 200, note="疗效显著")
    refused = await visitor.post(f"{path}/note", 422, note="就说我们的药疗效显著")
    assert "备注没有保存" in refused and "就说我们的药" in refused, "the words stay in the box"
    await visitor.post(f"{path}/note", 422, note=" ")
    await visitor.post(f"{path}/note", 422, note="好" * 1001)
    assert await office.stage.rows("SELECT facts ->> 'rules' FROM evidence WHERE kind = 'note.refused'") == [
        ('["efficacy_claim"]',)
    ]
    await leave(office)
    assert await sent(office) == [] and await office.stage.rows("SELECT count(*) FROM chat_note") == [(1,)]


async def test_an_adverse_event_in_a_note_is_a_case(office: Office) -> None:
    visitor, path = await office.as_("zhou"), chat_of(office)
    await visitor.post(f"{path}/note", note="医生说有个患者吃了二甲双胍以后起了皮疹")
    assert "adverse_event" in await office.stage.tasks()


async def test_an_approved_reply_leaves_with_its_blanks_and_says_who_picked_it(stocked: Office) -> None:
    office = stocked
    visitor, path = await claimed(office), chat_of(office)
    assert "审批过的回复" in await visitor.get(path)
    tomorrow = (office.stage.services.clock.now() + timedelta(days=1)).astimezone(CHINA)
    when = f"{tomorrow:%Y-%m-%dT15:30}"

    async def pick(name: str, status: int = 303, **blanks: str) -> str:
        mark = await mark_of(visitor, path)
        return await visitor.post(f"{path}/phrase", status, phrase=name, mark=mark, **blanks)

    await pick("utter_colleague_visit", when=when, place="内分泌科门诊")
    await pick("utter_colleague_material", when=when, product="metformin")
    await leave(office)
    said = await office.stage.reply_texts()
    assert re.fullmatch(
        r"您好，我是周代表。我\d+月\d+日（周.）15:30到内分泌科门诊拜访您，您看合适吗？", said[0]
    )
    assert re.fullmatch(
        r"您要的盐酸二甲双胍片?资料正在准备，.+前发给您。|您要的二甲双胍资料正在准备，.+前发给您。", said[1]
    )
    version = office.stage.services.published.dialogue.fingerprint[:12]
    states = await sent(office)
    assert states == [
        ("sent", f"response:utter_colleague_visit@{version}"),
        ("sent", f"response:utter_colleague_material@{version}"),
    ]
    page = await visitor.get(path)
    assert len(re.findall(r"\s我\s+·", page)) == 2, "it is the colleague's, and not the AI's"
    assert not [item for item in await office.stage.phone.replies() if item["is_ai"]]

    past = f"{tomorrow - timedelta(days=2):%Y-%m-%dT15:30}"
    assert "时间要晚于现在" in await pick("utter_colleague_call", 422, when=past)
    assert "时间要晚于现在" in await pick("utter_colleague_call", 422, when="明天")
    for place in ("", "门诊。另外这个药疗效最好", "疗效最好的门诊", "x" * 21):
        body = await pick("utter_colleague_visit", 422, when=when, place=place)
        assert "地点只能填" in body and when in body, "what was filled in stays"
    assert "请选择一个产品" in await pick("utter_colleague_material", 422, when=when, product="aspirin")
    for name in ("utter_greet", "utter_colleague_calls", "utter_emergency", "nothing"):
        await pick(name, 422)
    assert len(await sent(office)) == 2


async def test_approved_answers_key_messages_and_materials_are_found_and_sent(stocked: Office) -> None:
    office = stocked
    visitor, path = await claimed(office), chat_of(office)
    found = await visitor.get(f"{path}/approved?q=二甲双胍 肾功能")
    items = re.findall(
        r'name="kind" value="(\w+)">\s+<input type="hidden" name="item" value="([\w-]+)"', found
    )
    assert ("entry", "metformin-renal") in items and "没有找到" in await visitor.get(
        f"{path}/approved?q=zzzz"
    )
    kinds = dict(items)
    mine = await mark_of(visitor, path)
    await visitor.post(f"{path}/approved", kind="entry", item="metformin-renal", mark=mine)
    mine = await mark_of(visitor, path)
    await visitor.post(
        f"{path}/approved", kind="key_message", item=kinds["key_message"], format="brief", mark=mine
    )
    mine = await mark_of(visitor, path)
    await visitor.post(f"{path}/approved", kind="material", item="metformin-digest", mark=mine)
    mine = await mark_of(visitor, path)
    await visitor.post(f"{path}/approved", 422, kind="entry", item="nothing", mark=mine)
    await leave(office)
    states = await sent(office)
    assert [state for state, _ in states] == ["sent"] * 3, states
    assert states[0][1].startswith("content:metformin-renal@")
    assert "/m/" in (await office.stage.reply_texts())[-1]
    assert "发链接" in await visitor.get(f"{path}/approved")


async def test_the_content_is_read_once_and_not_with_each_key_or_page(
    stocked: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0.1 s of CPU each; what is watched while typed asks each half second."""
    visitor = await claimed(stocked)
    path = f"/console/conversations/{stocked.contacts['zhou'].id}"
    await visitor.get(path)
    read: list[int] = []
    of_version = content.of_version

    async def counted(tx: Tx, version_id: int) -> list[content.Revision]:
        read.append(version_id)
        return await of_version(tx, version_id)

    monkeypatch.setattr(content, "of_version", counted)
    await visitor.get(path)
    assert "二甲双胍" in await visitor.get(f"{path}/approved?q=二甲双胍")
    assert "mark" not in await visitor.post(f"{path}/watch", 200, text="二甲双胍的资料明天给您")
    await stocked.stage.write("UPDATE doctor SET verified_at = NULL")
    assert "不能谈产品" in await visitor.post(f"{path}/watch", 200, text="二甲双胍的资料明天给您")
    assert read == []


async def test_product_text_is_for_a_verified_doctor_whom_one_has(stocked: Office) -> None:
    office = stocked
    visitor, path = await office.as_("zhou"), chat_of(office)
    mark = await mark_of(visitor, path)
    await visitor.post(f"{path}/approved", 409, kind="entry", item="metformin-renal", mark=mark)
    await visitor.post(f"{path}/phrase", 409, phrase="utter_colleague_here", mark=mark)
    await visitor.post(f"{path}/claim", mark=mark)
    await office.stage.write("UPDATE doctor SET verified_at = NULL")
    mark = await mark_of(visitor, path)
    body = await visitor.post(f"{path}/approved", 422, kind="entry", item="metformin-renal", mark=mark)
    assert "还没有通过认证" in body
    assert "发原文" not in await visitor.get(f"{path}/approved")
    assert await sent(office) == []


async def test_patients_are_offered_no_reply_with_a_product(office: Office) -> None:
    dialogue = office.stage.services.published.dialogue
    names = {audience: {one.name for one in phrases(dialogue, audience)} for audience in Audience}
    assert names[Audience.DOCTOR] - names[Audience.PATIENT] == {"utter_colleague_material"}
    assert "utter_colleague_calls" not in names[Audience.DOCTOR] and len(names[Audience.PATIENT]) > 3


async def test_the_command_shows_whose_words_they_are(office: Office) -> None:
    visitor, path = await claimed(office), chat_of(office)
    mark = await mark_of(visitor, path)
    await visitor.post(f"{path}/phrase", phrase="utter_colleague_here", mark=mark)
    services, contact = office.stage.services, office.contacts["zhou"]
    async with services.db.begin() as tx:
        since = services.clock.now() - timedelta(hours=1)
        messages = await takeovers.conversation(tx, services.vault, contact.id, since)
    assert messages[-1].author == "zhou"


async def test_with_the_window_closed_a_template_asks_them_to_write_and_says_why_not(
    office: Office,
) -> None:
    stage, path = office.stage, chat_of(office)
    visitor = await claimed(office)
    await stage.move(stage.services.clock.now() + timedelta(hours=49))  # the same hour of the day
    await visitor.post(f"{path}/claim", mark=await mark_of(visitor, path))
    assert "没有可用的服务类模板" in await visitor.get(path), "this console knows of no account"
    office.desk.templates = {"wechat:sandbox": frozenset({"title", "time", "status"})}
    contact, now = office.contacts["zhou"], stage.services.clock.now()
    async with stage.services.db.begin() as tx:
        await consent.withdraw(tx, contact, Purpose.SERVICE, now, source="test")
    body = await visitor.get(path)
    assert "没有同意接收服务消息" in body and "请对方来信</button>" not in body
    await visitor.post(f"{path}/call", 409, mark=await mark_of(visitor, path))
    await stage.agree()
    assert "请对方来信</button>" in await visitor.get(path)
    await visitor.post(f"{path}/call", mark=await mark_of(visitor, path))
    assert await Timers(stage.services).tick() == 1
    while await stage.sender.push():  # and no turn begins, or it would wait for the conversation
        pass
    (card,) = [item for item in await stage.phone.replies() if item["via"] == "template"]
    assert "同事联系" in str(card) and "方便时请在这里回复一声" in str(card)
    assert "等对方回复" in await visitor.get(path), "once is enough"
    await visitor.post(f"{path}/call", 409, mark=await mark_of(visitor, path))
    await stage.phone.send(type="text", content="您说", wait=True)
    body = await visitor.get(path)
    assert "模板" not in body.split('class="session"')[1].split("</div>")[0], "the window is open again"


BEYOND = "多囊卵巢的患者二甲双胍一般一天1500毫克起"


async def test_nobody_types_an_answer_that_medical_would_have_to_review(stocked: Office) -> None:
    """A use that no label approves is refused while it is typed, when it is sent, and at the exit for whoever
    typed elsewhere. A note is not sent: what to answer may stand in it."""
    stage, path = stocked.stage, chat_of(stocked)
    await stage.index()
    medical = await claimed(stocked, "wei")
    assert not (await medical.post(f"{path}/watch", 200, text=HELLO)).strip()
    assert "请转医学信息" in await medical.post(f"{path}/watch", 200, text=BEYOND)
    assert "请转医学信息" not in await medical.post(f"{path}/watch", 200, note=BEYOND)
    refused = await medical.post(f"{path}/reply", 422, text=BEYOND, mark=await mark_of(medical, path))
    assert "超说明书" in refused and BEYOND in refused
    kept = await stage.rows("SELECT facts -> 'rules' FROM evidence WHERE kind = 'message.refused'")
    assert kept == [(["off_label"],)]
    services, contact, now = stage.services, stocked.contacts["zhou"], stage.services.clock.now()
    async with services.db.begin() as tx:
        await takeover.say(tx, services.vault, contact, "wei", BEYOND, now, services.limits)
    await medical.post(f"{path}/reply", text="二甲双胍缓释片要整片吞服", mark=await mark_of(medical, path))
    await leave(stocked)
    assert await stage.rows("SELECT state, fault FROM outbox ORDER BY id") == [
        ("blocked", "refused_text"),
        ("sent", None),
    ]


async def test_a_question_asked_of_a_colleague_goes_to_medical_word_for_word(stocked: Office) -> None:
    """Once, as the bot would have sent it there; and it leaves no other trace."""
    stage, path = stocked.stage, chat_of(stocked)
    rep, asked = await claimed(stocked), "多囊卵巢的姑娘能不能用二甲双胍减重"
    await rep.post(f"{path}/medical", 409, mark=await mark_of(rep, path))
    await stage.phone.send(type="text", content=asked, wait=True)
    await leave(stocked)
    await rep.post(f"{path}/medical", 409, mark="1-1-1")
    for _ in range(2):
        await rep.post(f"{path}/medical", mark=await mark_of(rep, path))
    rows = "SELECT off_label, wish, state FROM medical_request"
    assert await stage.rows(rows) == [(True, "", "open")], "off-label, as no index says otherwise"
    assert await stage.rows("SELECT route FROM turn WHERE fault = 'takeover'") == [("medical_information",)]
    assert asked in await (await stocked.as_("wei")).get("/console/requests")
    assert await sent(stocked) == [], "the colleague tells them"
    await rep.post(f"{path}/hand-back", mark=await mark_of(rep, path))
    await rep.post(f"{path}/medical", 409, mark=await mark_of(rep, path))
