"""What a person picked: by the button of just that message, by its words, by its number, or nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from bot.clock import real_now
from bot.inbound.open_requests import asked_for
from bot.inbound.scene import read_scene
from bot.inbound.turn_input import TurnReading, read_turn
from bot.knowledge import load, puts_a_question
from bot.model import Choice, InboundKind, InboxState, Message, Purpose, TurnInput, read_pick
from bot.settings import ROOT
from bot.store import turns
from bot.store.inbox import StoredMessage
from bot.store.outbox import Draft, Part
from tests.stage import Stage

OFFERED = (Choice("entry:met-renal", "肾功能不全怎么用"), Choice("human", "找同事"))


def waiting(kind: InboundKind, text: str, choice: str = "") -> StoredMessage:
    body = {"text": text, "choice": choice, "event": "", "detail": {}}
    return StoredMessage(1, kind, datetime.now(UTC), None, {}, body)


def reading(kind: InboundKind, text: str, choice: str = "", clicked: Choice | None = None) -> TurnReading:
    found = read_turn([waiting(kind, text, choice)], OFFERED, clicked, verified=True)
    assert found is not None
    return found


def picked(found: TurnReading) -> str | None:
    return found.input.entities.get("choice") if found.input.intent == "choose" else None


@pytest.mark.parametrize("text", ["entry:met-renal", "human", "intent:greet", "medical_information", "3"])
def test_our_names_of_things_are_text_when_typed(text: str) -> None:
    """F26: what is typed is never an id of ours."""
    found = reading(InboundKind.TEXT, text)
    assert picked(found) is None and found.input.text == text


@pytest.mark.parametrize("unknown", ["entry:met-dose", "human", "intent:greet", "999901", "x", ""])
def test_an_unknown_id_is_matched_by_its_words_or_is_text(unknown: str) -> None:
    """F26: any id that came with a message was taken for one of ours, offered or not."""
    assert picked(reading(InboundKind.CHOICE, "找同事", unknown)) == "human"
    assert picked(reading(InboundKind.CHOICE, "第一个", unknown)) == "entry:met-renal"
    found = reading(InboundKind.CHOICE, "二甲双胍减量", unknown)
    assert picked(found) is None and found.input.text == "二甲双胍减量"


@pytest.mark.parametrize(
    ("event", "key", "text"),
    [
        ("scan", "TY5BEA9QMECV", "TY5B-EA9Q-MECV"),
        ("subscribe", "qrscene_TY5BEA9QMECV", "TY5B-EA9Q-MECV"),
        ("subscribe", "", ""),
        ("scan", "demo", ""),
        ("scan", "TY5BEA9QMEC0", ""),  # no 0 in a code
        ("scan", "ty5bea9qmecv", ""),
        ("scan", "TY5BEA9QMECV退订", ""),
    ],
)
def test_a_scanned_invitation_is_its_code_typed(event: str, key: str, text: str) -> None:
    body = {"text": "", "choice": "", "event": event, "detail": {"key": key}}
    message = StoredMessage(1, InboundKind.EVENT, datetime.now(UTC), None, {}, body)
    newcomer = read_turn([message], (), verified=False)
    known = read_turn([message], (), verified=True)
    assert newcomer is not None and newcomer.input == TurnInput(text=text, intent="verify")
    assert known is not None and known.input == TurnInput(text="", intent="greet")


def test_an_unknown_id_that_is_a_place_is_that_place() -> None:
    assert picked(reading(InboundKind.CHOICE, "…", "2")) == "human"
    assert picked(reading(InboundKind.CHOICE, "…", "3")) is None


def test_what_the_id_names_comes_first() -> None:
    old = Choice("entry:met-dose", "找同事")
    assert picked(reading(InboundKind.CHOICE, "找同事", "1201", old)) == "entry:met-dose"


def menu(key: str, *, verified: bool = True) -> TurnReading:
    body = {"text": "", "choice": "", "event": "click", "detail": {"key": key} if key else {}}
    event = StoredMessage(1, InboundKind.EVENT, datetime.now(UTC), None, {}, body)
    found = read_turn(
        [event], OFFERED, verified=verified, intents={"ask_help", "ask_human", "verify", "visit_begin"}
    )
    assert found is not None
    return found


def test_a_click_on_the_menu_is_a_choice_an_intent_or_words() -> None:
    assert menu("intent:ask_help").input.intent == "ask_help"
    assert menu("text:二甲双胍怎么吃").input == TurnInput(text="二甲双胍怎么吃")
    assert menu("human").input.intent == "ask_human"
    assert picked(menu("entry:met-renal")) == "entry:met-renal"
    assert picked(menu("medical_information")) == "medical_information"


@pytest.mark.parametrize(
    "key",
    ["", "V1001_GOOD", "intent:", "intent:nonsense", "intent:verify", "intent:visit_begin", "text: ", "2"],
)
def test_an_unknown_key_is_answered_as_not_understood(key: str) -> None:
    assert menu(key).fixed == "utter_fallback"
    stranger = menu(key, verified=False)
    assert (stranger.fixed, stranger.input.intent) == ("", "verify")


def test_a_stranger_gets_nothing_by_the_menu_but_a_person() -> None:
    for key in ("entry:met-renal", "text:二甲双胍怎么吃", "intent:ask_help", "medical_information"):
        found = menu(key, verified=False).input
        assert (found.intent, found.entities) == ("verify", {})
    for key in ("human", "intent:ask_human", "text:转人工"):
        assert menu(key, verified=False).input.intent == "ask_human"


def test_a_link_of_the_menu_is_no_turn() -> None:
    body = {"text": "", "choice": "", "event": "view", "detail": {"key": "https://example.com"}}
    event = StoredMessage(1, InboundKind.EVENT, datetime.now(UTC), None, {}, body)
    assert read_turn([event], OFFERED, verified=True) is None


def test_ids_are_digits_and_read_back() -> None:
    message = Message("？", OFFERED * 6, 9_007_199_254_740)
    ids = message.pick_ids()
    assert all(pick.isascii() and pick.isdecimal() for pick in ids)
    assert [read_pick(pick) for pick in ids] == [(message.number, place) for place in range(1, 13)]
    for other in ("", "1", "12", "entry:a", "１２３", "1" * 30, "12\n3", "-123"):
        assert read_pick(other) is None


@pytest.fixture
async def verified(open_window: Stage) -> Stage:
    """The phone's owner is a verified doctor."""
    contact = await open_window.contact()
    await open_window.write(
        "INSERT INTO doctor (person_id, external_id, name_enc, hospital, digest, verified_at, updated_at) "
        "VALUES (:person, 'T-1', '', '示例医院', '', now(), now())",
        person=contact.person_id,
    )
    while await open_window.workers.turn():
        pass  # the picture that opened the window
    return open_window


async def offer(stage: Stage, *choices: Choice) -> list[dict[str, str]]:
    """Push a menu to the phone; its lines there."""
    dialogue = stage.services.published.dialogue
    part = Part(dialogue.text("utter_media"), dialogue.basis("utter_media"))
    await stage.queue(draft=Draft((part,), Purpose.REPLY, choices))
    while await stage.sender.push():
        pass
    lines: list[dict[str, str]] = (await stage.phone.replies())[-1]["menu"]["items"]
    return lines


async def clicked(stage: Stage, line: dict[str, str]) -> str | None:
    """What the click amounts to, once a worker takes it."""
    await stage.phone.send(type="menu", id=line["id"], content=line["content"], wait=True)
    async with stage.services.db.begin() as tx:
        claim = await turns.claim_next(tx, real_now(), timedelta(minutes=1))
    assert claim is not None
    async with stage.services.db.begin() as tx:
        scene = await read_scene(tx, stage.services, claim)
    async with stage.services.db.begin() as tx:
        await turns.finish(tx, claim, InboxState.DONE, real_now())
    assert scene is not None and scene.reading is not None
    return picked(scene.reading)


async def test_a_click_on_an_old_menu_means_that_menu(verified: Stage) -> None:
    """F26: platform, outbox row and inbox together; ids are digits, and each click is its own menu's."""
    stage = verified
    old = await offer(stage, Choice("entry:metformin-renal", "第一问"), Choice("human", "找同事"))
    new = await offer(stage, Choice("entry:metformin-dose", "第一问"), Choice("human", "找同事"))
    assert all(line["id"].isdecimal() for line in [*old, *new])
    assert await clicked(stage, old[0]) == "entry:metformin-renal"
    assert await clicked(stage, new[0]) == "entry:metformin-dose"
    assert await clicked(stage, old[1]) == "human"


async def test_a_click_names_only_what_was_sent_to_this_contact(verified: Stage) -> None:
    stage = verified
    (line,) = await offer(stage, Choice("entry:metformin-renal", "第一问"))
    stranger = await stage.phone.newcomer(stage.http, stage.double, "乙")
    await stranger.send(type="image", wait=True)
    await stage.write(
        "UPDATE outbox SET contact_id = (SELECT max(id) FROM contact) WHERE body_enc IS NOT NULL"
    )
    assert await clicked(stage, line) is None, "the row is another's now"


THREE = (Choice("entry:a", "甲"), Choice("entry:b", "乙"), Choice("entry:c", "丙"), Choice("human", "找同事"))


@pytest.mark.parametrize(
    "text",
    [
        "２",
        "②",
        "二",
        "第二个",
        "2。",
        "第二个。",
        "2️⃣",
        "我选第2个",
        "2 谢谢",
        "就第二个吧",
        "好的，2",
        "2号",
        "想问第2个",
    ],
)
def test_a_number_as_people_pick_it(text: str) -> None:
    found = read_turn([waiting(InboundKind.TEXT, text)], THREE, verified=True)
    assert found is not None and picked(found) == "entry:b"


@pytest.mark.parametrize(
    "text",
    [
        *("2片", "2mg", "一天两次", "20", "第二个是什么意思", "就是这个", "二甲双胍"),
        *("想问一个问题", "我想问1个问题", "问1个问题", "那一个呢", "嗯一个", "我问一个", "我想问2个问题"),
    ],
)
def test_what_only_looks_like_a_pick(text: str) -> None:
    found = read_turn([waiting(InboundKind.TEXT, text)], THREE, verified=True)
    assert found is not None and picked(found) is None


@pytest.mark.parametrize(
    ("text", "choice"), [("就是这个", "entry:met-renal"), ("最后一个", "entry:met-renal")]
)
def test_the_only_line_is_this_one(text: str, choice: str) -> None:
    assert picked(reading(InboundKind.TEXT, text)) == choice


def test_a_greeted_question_is_a_question() -> None:
    asks = partial(puts_a_question, products=load(ROOT / "data/content").products)
    for text, intent in (("老师你好 我问一下缬沙坦起始剂量", "ask_product"), ("老师你好", "")):
        messages = [waiting(InboundKind.TEXT, text)]
        found = read_turn(messages, (), verified=True, asks=asks)
        assert found is not None and (found.input.intent, found.input.text) == (intent, text)
        assert read_turn(messages, (), verified=True) == TurnReading(TurnInput(text=text))


@pytest.mark.parametrize("text", ["缬沙坦能用吗 转人工", "缬沙坦能用吗，转人工", "找人工 快点", "(转人工)"])
def test_a_request_is_heard_where_a_space_stands_for_a_comma(text: str) -> None:
    assert asked_for(text) == "ask_human"


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("转人工，我有个报销的事想问周代表", "ask_human"),
        ("帮我转人工吧。二甲双胍肾功能不全能用吗", "ask_human"),
        ("你说的不对！找真人来", "ask_human"),
        ("不要转人工，你说吧", ""),
        ("周代表，最近有会吗", ""),
        ("转人工要等多久", ""),
    ],
)
def test_an_order_for_a_person_is_heard_whatever_stands_beside_it(text: str, intent: str) -> None:
    found = read_turn([waiting(InboundKind.TEXT, text)], (), verified=True)
    assert found is not None and (found.input.intent, found.input.text) == (intent, text)
