"""What the words do to a visit's step, without the engine: rows and slots."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest
from rasa_sdk import Tracker
from rasa_sdk.executor import CollectingDispatcher

from actions.appointments import moved_again
from actions.call import calling
from actions.visit_answers import OFF, ON, ValidateStep
from bot.clock import CHINA
from bot.content import seed_content
from bot.dialogue.action_calls import ActionCall
from bot.store import visit_plans, visits
from bot.store.scenes import Standing
from bot.store.visits import VisitRow
from bot.visits import Step, ask_step, begin_now, end, seed_plans
from tests.inbound.test_gateway import statements
from tests.stage import Stage

NOON = datetime(2026, 12, 2, 11, 0, tzinfo=CHINA)  # a Wednesday


@pytest.fixture
async def visited(open_window: Stage) -> Stage:
    """The phone's owner is asked whether it suits them now."""
    stage = open_window
    await stage.move(NOON)
    await seed_content(stage.services.db, NOON)
    await seed_plans(stage.services.db, NOON)
    contact = await stage.contact()
    await stage.agree()
    async with stage.services.db.begin() as tx:
        plan = (await visit_plans.plans(tx))[0]
        await begin_now(tx, contact, plan, NOON)
        visit = await visits.open_of(tx, contact.person_id)
        assert visit is not None
        await ask_step(tx, visit, contact, Step.PERMISSION, uuid4(), NOON, ours=True)
    return stage


async def say(
    stage: Stage,
    words: str,
    meant: str = "",
    step: Step = Step.PERMISSION,
    ordinal: int = 0,
    told: CollectingDispatcher | None = None,
    **slots: Any,
) -> dict[str, Any]:
    """The slots that the step's validation sets after these words. `told`: what it says."""
    services, contact = stage.services, await stage.contact()
    slots = {"requested_slot": f"visit_{step}", **slots}
    message = {"text": words, "intent": {"name": meant}, "entities": []}
    tracker = Tracker("c", slots, message, [], False, None, {}, "action_listen")
    async with services.db.begin() as tx:
        call = ActionCall(services, tx, uuid4(), contact, Standing(True, False, None), NOON, ordinal)
        with calling(call):
            events = await ValidateStep(step).run(told or CollectingDispatcher(), tracker, {})
    return {event["name"]: event["value"] for event in events}


async def row(stage: Stage) -> VisitRow:
    contact = await stage.contact()
    async with stage.services.db.begin() as tx:
        return (await visits.of_person(tx, contact.person_id, 1))[0]


@pytest.mark.parametrize("words", ["啥事 你说", "什么事？你说", "有屁快放", "在的", "行你说"])
async def test_a_brief_yes_goes_on(visited: Stage, words: str) -> None:
    assert (await say(visited, words))["visit"] == ON
    assert (await row(visited)).state == "under_way"


@pytest.mark.parametrize(
    ("words", "meant"), [("你好", "greet"), ("谢谢", "thank"), ("今天天气真好", "chitchat")]
)
async def test_talk_is_no_failed_answer(visited: Stage, words: str, meant: str) -> None:
    for _ in range(3):
        assert await say(visited, words, meant) == {}
    visit = await row(visited)
    assert (visit.state, visit.unclear) == ("under_way", 0)


async def test_what_says_nothing_twice_ends_it(visited: Stage) -> None:
    assert await say(visited, "啦啦啦", "nlu_fallback") == {}
    assert (await say(visited, "呼呼呼", "nlu_fallback"))["visit"] == OFF
    assert (await row(visited)).ending == "no_answer"


async def test_words_that_had_their_own_answer_are_not_read_again(visited: Stage) -> None:
    """不用了 to an offer of medical information is no refusal of the visit."""
    assert await say(visited, "不用了", "deny", ordinal=1) == {}
    assert (await row(visited)).state == "under_way"


@pytest.mark.parametrize(
    ("meant", "ending"),
    [("complain", "annoyed"), ("ask_human", "handed_over"), ("ask_rep", "handed_over"), ("goodbye", "left")],
)
async def test_some_words_end_it_and_are_answered_by_their_own_rule(
    visited: Stage, meant: str, ending: str
) -> None:
    assert await say(visited, "……", meant) == {}, "the form gives way to the rule"
    assert (await row(visited)).ending == ending
    assert (await say(visited, "……", meant, ordinal=2))["visit"] == OFF, "and is left after it"


async def test_after_its_end_words_have_their_own_rule_before_the_form_is_left(visited: Stage) -> None:
    contact, visit = await visited.contact(), await row(visited)
    async with visited.services.db.begin() as tx:
        await end(tx, visit, contact, "stopped", NOON)
    assert await say(visited, "转人工", "ask_human") == {}
    assert (await say(visited, "转人工", "ask_human", ordinal=1))["visit"] == OFF


async def test_details_of_a_case_are_no_reaction(visited: Stage) -> None:
    assert await say(visited, "65岁 女 每天两片", "nlu_fallback", Step.REACTION, case=True) == {}
    filled = await say(visited, "65岁 女 每天两片", "nlu_fallback", Step.REACTION)
    assert filled["visit_reaction"] == "other", "without a case it is one"


WITH_A_WISH = "你这机器人说不清楚，给个图吧"


async def test_a_wish_for_a_chart_is_answered_whatever_stands_beside_it(visited: Stage) -> None:
    """Before the message it is told so; after it the chart is shown, and the step asks again."""
    assert (await say(visited, WITH_A_WISH, "bot_challenge"))["visit_permission"] == "given"
    services, visit = visited.services, await row(visited)
    await services.published.load()
    edition = services.published.edition
    message = next(one for one in edition.content.key_messages if one.product == "metformin")
    async with services.db.begin() as tx:
        await visits.change(tx, visit.id, key_message=str(edition.basis(message.id)))
    for words, meant in ((WITH_A_WISH, "bot_challenge"), ("不错，来张图", "nlu_fallback")):
        told = CollectingDispatcher()
        filled = await say(visited, words, meant, Step.REACTION, told=told)
        ((basis, digest),) = [(one["custom"]["basis"], one["custom"]["attachment"]) for one in told.messages]
        assert basis == str(edition.basis(message.id)) and digest[0] == message.id
        assert filled.get("visit_reaction") == ("helpful" if words.startswith("不错") else None)
    noted = await visited.rows("SELECT facts -> 'names' FROM evidence WHERE kind = 'profile.noted'")
    assert noted == [(["format"],)] * 3
    told = CollectingDispatcher()
    await say(visited, "很详细", "nlu_fallback", Step.REACTION, told=told)
    assert told.messages == []


async def test_the_part_of_the_day_names_one_of_the_moments_asked_about(visited: Stage) -> None:
    options = ["2026-12-03T08:00:00+08:00", "2026-12-03T20:00:00+08:00"]
    assert (await say(visited, "晚上的", visit_when=options))["visit"] == OFF
    moved = (await row(visited)).moved_to
    assert moved is not None and moved == datetime(2026, 12, 3, 20, 0, tzinfo=CHINA)


async def test_who_has_no_visit_costs_no_look_for_one(visited: Stage) -> None:
    services, contact = visited.services, await visited.contact()
    async with services.db.begin() as tx:
        for state, asked in (("", 0), ("waiting", 0), ("moved", 1)):
            standing = Standing(True, False, None, state)
            call = ActionCall(services, tx, uuid4(), contact, standing, NOON)
            with statements() as seen:
                await moved_again(CollectingDispatcher(), call, "还是周五上午吧")
            assert any("visit" in one for one in seen) is bool(asked), (state, seen)
