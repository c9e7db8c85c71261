"""What a message does at acceptance and what is left of it for its turn: a wish about our messages, a hint at
money, something that is not the person's own words."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest

from bot.dialogue.version import read_dialogue
from bot.inbound import open_requests
from bot.inbound.turn_input import TurnReading, read_turn
from bot.knowledge import load
from bot.model import Audience, Choice, Inbound, InboundKind, InboxState, Purpose
from bot.people import consent, stop
from bot.safety import sentences_of
from bot.settings import ROOT
from bot.store import tasks
from bot.store.inbox import StoredMessage
from tests.stage import DOCTORS, Stage

STOP_ASKED = (Choice("stop", "是，退订"), Choice("keep", "不是"))
OURS = sentences_of(["已恢复接收，之后有合适的资料或会议会通知您。不想收了，随时回复「退订」。"], {})
WHO = "oWish"
_numbers = count()


async def write(stage: Stage, words: str) -> None:
    key = f"m:{next(_numbers)}"
    inbound = Inbound(DOCTORS, WHO, key, InboundKind.TEXT, datetime.now(UTC), words)
    await stage.gateway.accept(inbound, passive=False)


async def said(stage: Stage) -> list[str]:
    """The responses that are queued, oldest first."""
    found = await stage.rows("SELECT basis FROM outbox ORDER BY id")
    return [one.split(":")[1].split("@")[0] for (basis,) in found for one in basis.split()]


async def states(stage: Stage) -> list[str]:
    return [state for (state,) in await stage.rows("SELECT state FROM inbox ORDER BY id")]


async def holding(stage: Stage) -> set[Purpose]:
    contact = await stage.contact(WHO)
    async with stage.services.db.begin() as tx:
        return {one.purpose for one in await consent.of_person(tx, contact.person_id) if one.holds}


async def test_one_kind_stops_and_comes_back(stage: Stage) -> None:
    await write(stage, "你好")
    contact, now = await stage.contact(WHO), stage.services.clock.now()
    async with stage.services.db.begin() as tx:
        for purpose in (Purpose.SERVICE, Purpose.PROMOTION):
            await consent.give(tx, contact, purpose, now, text_version="v1", source="test")
    await write(stage, "别给我发会议通知就行 资料可以发")
    assert await holding(stage) == {Purpose.PROMOTION}
    assert (await stage.contact(WHO)).stopped_at is None
    await write(stage, "还是给我恢复吧")
    assert await holding(stage) == {Purpose.PROMOTION, Purpose.SERVICE}
    assert await said(stage) == ["utter_stop_kinds", "utter_resume"]


async def test_a_resume_gives_back_what_a_message_took_and_nothing_else(stage: Stage) -> None:
    await write(stage, "你好")
    contact, now = await stage.contact(WHO), stage.services.clock.now()
    async with stage.services.db.begin() as tx:
        await consent.give(tx, contact, Purpose.PROMOTION, now, text_version="v1", source="form")
        await consent.withdraw(tx, contact, Purpose.PROMOTION, now, source="form")
    await write(stage, "别给我发会议通知")
    await write(stage, "恢复接收")
    async with stage.services.db.begin() as tx:
        (left,) = await consent.of_person(tx, contact.person_id)
    assert (left.purpose, left.holds) == (Purpose.PROMOTION, False), "taken back elsewhere, and stays so"
    given = "SELECT id FROM evidence WHERE kind = 'consent.given' AND facts ->> 'source' = 'message'"
    assert await stage.rows(given) == [], "nobody agreed to meetings in the first place"
    assert await stage.rows("SELECT purpose FROM consent WHERE given_at IS NULL") == []


async def test_one_kind_is_resumed_and_the_others_stay_as_they_were(stage: Stage) -> None:
    await write(stage, "你好")
    contact, now = await stage.contact(WHO), stage.services.clock.now()
    async with stage.services.db.begin() as tx:
        for purpose in (Purpose.SERVICE, Purpose.PROMOTION):
            await consent.give(tx, contact, purpose, now, text_version="v1", source="form")
    await write(stage, "会议别发")
    await write(stage, "资料别发了")
    assert await holding(stage) == set() and (await stage.contact(WHO)).stopped_at is None
    await write(stage, "会议通知又可以发了")
    assert await holding(stage) == {Purpose.SERVICE}
    await write(stage, "恢复资料")
    assert await holding(stage) == {Purpose.SERVICE, Purpose.PROMOTION}
    await write(stage, "退订")
    await write(stage, "恢复会议通知")
    assert await holding(stage) == {Purpose.SERVICE} and (await stage.contact(WHO)).stopped_at is None
    async with stage.services.db.begin() as tx:
        await consent.withdraw(tx, contact, Purpose.SERVICE, now, source="form")
    await write(stage, "恢复会议通知")
    assert await holding(stage) == set(), "withdrawn elsewhere"
    assert await said(stage) == [
        *["utter_stop_kinds"] * 2,
        *["utter_resume_kinds"] * 2,
        "utter_stop",
        "utter_resume_kinds",
        "utter_resume_elsewhere",
    ]
    async with stage.services.db.begin() as tx:
        assert await stop.wished_less(tx, contact), "of material"


def test_a_patient_is_told_of_what_patients_get() -> None:
    dialogue = read_dialogue(ROOT)
    patient, doctor = (
        dialogue.text("utter_resume", audience) for audience in (Audience.PATIENT, Audience.DOCTOR)
    )
    assert "用药提醒" in patient and "资料" not in patient
    assert "资料" in doctor and "用药提醒" not in doctor


async def test_a_resume_is_not_a_stop(stage: Stage) -> None:
    await write(stage, "退了吧不想收了")
    assert (await stage.contact(WHO)).stopped_at is not None
    await write(stage, "「示例制药：不想收了，随时回复「退订」。」\n- - - - - - - - - - - -\n还是给我恢复吧")
    assert (await stage.contact(WHO)).stopped_at is None
    assert await states(stage) == [InboxState.DONE] * 2


@pytest.mark.parametrize(
    "words",
    [
        "CK 5x ULN stop?",
        "别弄了",
        "发邮件",
        "已恢复接收，之后有合适的资料或会议会通知您。不想收了，随时回复「退订」。",
        "已为您退订，今后不再主动给您发消息。您主动提问，我照常回答；想恢复接收，回复「恢复接收」。",
        "「示例制药：退订」\n- - - - - - - - - - - - - - -\n/:strong",
    ],
)
async def test_nothing_changes(stage: Stage, words: str) -> None:
    await write(stage, words)
    assert await said(stage) == [] and await states(stage) == [InboxState.WAITING]
    assert (await stage.contact(WHO)).stopped_at is None


async def test_what_stands_beside_a_stop_is_done_too(stage: Stage) -> None:
    await write(stage, "别再发了，转人工")
    assert (await stage.contact(WHO)).stopped_at is not None
    await write(stage, "退订 烦死了")
    assert await states(stage) == [InboxState.WAITING, InboxState.DONE]
    for text, left in (("别再发了，转人工", "转人工"), ("退订。缬沙坦孕妇能用吗", "缬沙坦孕妇能用吗")):
        assert reading(text, wish=True).input.text == left
    assert left_over("小王上次给的卡没了 另外缬沙坦孕妇能用吗") == "另外缬沙坦孕妇能用吗"
    for text in ("缬沙坦 回扣多少", "开二甲双胍有提成吗，多少个点", "小王给的卡呢 转人工"):
        assert left_over(text, money=True) == "", text
    assert left_over("退订 你们烦不烦") == ""
    assert left_over("会议别发，缬沙坦孕妇能用吗") == "缬沙坦孕妇能用吗"
    unverified = read_turn([message("退订 转人工", wish=True)], (), verified=False)
    assert unverified is not None and unverified.input.intent == "ask_human"


PRODUCTS = load(ROOT / "data" / "content").products


def left_over(text: str, *, money: bool = False, flagged: bool = False) -> str:
    return open_requests.left_over(text, PRODUCTS, money=money, flagged=flagged)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("别发了。头孢和酒能一起喝吗", "头孢和酒能一起喝吗"),
        ("退订，利伐沙班和阿司匹林能一起用吗", "利伐沙班和阿司匹林能一起用吗"),
        ("退订，漏服了怎么补", "漏服了怎么补"),
        ("别发了，eGFR 28 还要用二甲双胍", "eGFR 28 还要用二甲双胍"),
        ("别给我发络活喜的资料了，肾功能不全能用吗", "氨氯地平 肾功能不全能用吗"),
        ("退订，会议什么时候开？", "会议什么时候开"),
        ("退订 怎么还发", ""),
        ("退订 我说了多少遍了", ""),
        ("退订 你们有完没完", ""),
        ("退订 听见没有", ""),
        ("退订 二甲双胍", ""),
    ],
)
def test_what_stands_beside_a_stop_counts_when_it_asks_or_names_a_product(text: str, left: str) -> None:
    assert left_over(text) == left


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("有回扣吗？氨氯地平起始剂量", "氨氯地平起始剂量"),
        ("二甲双胍有回扣吗，肾功能不全能用吗", "二甲双胍 肾功能不全能用吗"),
        ("络活喜有回扣吗，缬沙坦孕妇能用吗", "缬沙坦孕妇能用吗"),
        ("二甲双胍有回扣吗，头孢和酒能一起喝吗", "头孢和酒能一起喝吗"),
        ("二甲双胍有回扣吗，什么时候给", ""),
        ("开一盒给多少钱 上次说好的呢", ""),
    ],
)
def test_what_stands_beside_a_hint_at_money_is_about_medicine(text: str, left: str) -> None:
    assert left_over(text, money=True) == left


def test_beside_an_emergency_a_request_is_left_alone() -> None:
    assert left_over("退订，转人工，我胸口疼得厉害", flagged=True) == "转人工"


def message(text: str, *, wish: bool = False) -> StoredMessage:
    body = {"text": text, "choice": "", "event": "", "detail": {}}
    return StoredMessage(1, InboundKind.TEXT, datetime.now(UTC), None, {"wish": True} if wish else {}, body)


def reading(text: str, offered: tuple[Choice, ...] = (), *, wish: bool = False) -> TurnReading:
    found = read_turn(
        [message(text, wish=wish)],
        offered,
        verified=True,
        intents={"stop_contact"},
        products=PRODUCTS,
        ours=OURS,
    )
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "fixed", "words"),
    [
        ("【收到不支持的消息类型，暂无法显示】", "utter_media", ""),
        ("[Unsupported Message]", "utter_media", ""),
        ("[位置]", "utter_location", ""),
        ("已恢复接收，之后有合适的资料或会议会通知您。不想收了，随时回复「退订」。", "utter_own_line", ""),
        ("「示例：退订」\n- - - - - - - - - - -\n", "utter_own_line", ""),
        ("「示例：退订」\n- - - - - - - - - - -\n缬沙坦怎么吃", "", "缬沙坦怎么吃"),
        ("/:strong", "", "👍"),
        ("[ThumbsUp]", "", "👍"),
        ("缬沙坦怎么吃[微笑]", "", "缬沙坦怎么吃"),
        ("缬沙坦怎么吃", "", "缬沙坦怎么吃"),
    ],
)
def test_what_is_not_their_own_words_is_answered_as_what_it_is(text: str, fixed: str, words: str) -> None:
    found = reading(text)
    assert (found.fixed, found.input.text) == (fixed, words)


def test_a_place_is_answered_as_a_place() -> None:
    for kind, fixed in (("location", "utter_location"), ("image", "utter_media")):
        body: dict[str, Any] = {"text": "", "choice": "", "event": "", "detail": {"type": kind}}
        sent = StoredMessage(1, InboundKind.MEDIA, datetime.now(UTC), None, {}, body)
        found = read_turn([sent], (), verified=False)
        assert found is not None and found.fixed == fixed


def test_a_likely_wish_is_asked_about_and_a_plain_yes_counts() -> None:
    assert reading("别弄了").input.intent == "stop_contact"
    for text in ("是", "好的", "嗯", "1", "是，退订"):
        assert reading(text, STOP_ASKED).input.entities == {"choice": "stop"}, text
    for text in ("不是", "是什么意思", "二甲双胍怎么吃", "是不是发错了"):
        assert reading(text, STOP_ASKED).input.entities.get("choice") != "stop", text
    other = (Choice("entry:met-renal", "肾功能不全怎么用"),)
    assert reading("好的", other).input.intent == "", "a yes to other choices is the dialogue's"


@pytest.mark.parametrize(
    "words", ["我这个月开了200盒 有啥表示没", "统方数据能给我一份吗", "小王上次给的卡 这次咋没了"]
)
async def test_money_is_refused_once_and_goes_to_compliance(stage: Stage, words: str) -> None:
    await write(stage, words)
    assert await said(stage) == ["utter_no_benefit"]
    assert await states(stage) == [InboxState.DONE], "no turn: no interest, no request, no rep"
    await write(stage, "别家都给5个点")
    async with stage.services.db.begin() as tx:
        (found,) = await tasks.read(tx, stage.services.vault)
    assert (found.kind, found.owner_role, found.owner) == ("compliance", "compliance", None)
    assert found.detail == f"{words}\n别家都给5个点", "verbatim"
    received = await stage.rows("SELECT facts FROM evidence WHERE kind = 'message.received' ORDER BY id")
    assert all(facts["money"] for (facts,) in received)


async def test_what_a_report_quotes_is_not_of_its_patient(stage: Stage) -> None:
    """A death and a batch of somebody else's message would raise an alarm."""
    quoted = "「小王：病人去世了 批号A1234」\n- - - - - - - - - - - - - - -\n"
    await write(stage, f"{quoted}吃络活喜后脚肿了")
    async with stage.services.db.begin() as tx:
        (found,) = await tasks.read(tx, stage.services.vault)
    assert found.kind == "adverse_event"
    assert (found.detail or "").splitlines()[0] == "吃络活喜后脚肿了"
    assert (found.detail or "").endswith("> 吃络活喜后脚肿了") and "A1234" in (found.detail or "")
