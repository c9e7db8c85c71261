"""What words do to an invitation, and what is answered of meetings, without the engine."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from rasa_sdk import Action, Tracker
from rasa_sdk.executor import CollectingDispatcher

from actions.call import calling
from actions.meetings import (
    AskMeeting,
    CloseMeeting,
    JoinMeeting,
    LeaveMeeting,
    Meetings,
    ValidateMeeting,
    picked_meeting,
)
from bot.dialogue.action_calls import ActionCall
from bot.meetings import ASK, Answer, read_answer
from bot.store.scenes import Standing
from tests.meetings.hall import LECTURE, OTHER, THEN, announce, call_off, invited, meeting
from tests.stage import Stage

Said = list[str]


def of(message: dict[str, Any]) -> str:
    return str(message["response"]).removeprefix("utter_meeting_")


async def turn(
    stage: Stage, words: str, meant: str, *, about: int = 0, served: bool = False, **slots: Any
) -> Said:
    """What is said of an invitation in a turn with these words. `served`: their own rule was first."""
    slots = {"requested_slot": None if meant == ASK else "meeting", **slots}
    chosen = slots.pop("choice", None)
    entities = [{"entity": "choice", "value": chosen}] if chosen else []
    message = {
        "text": words,
        "intent": {"name": meant},
        "entities": entities,
        "metadata": {"invitation": about},
    }
    dispatcher = CollectingDispatcher()
    async with stage.services.db.begin() as tx:
        call = await called(stage, tx, 1 if served else 0)
        with calling(call):
            tracker = Tracker("c", slots, message, [], False, None, {}, "action_listen")
            events = await ValidateMeeting().run(dispatcher, tracker, {})
            filled = {event["name"]: event["value"] for event in events}
            tracker.slots.update(filled)
            if "meeting" in filled:
                await CloseMeeting().run(dispatcher, tracker, {})
            elif served or meant == ASK:
                await AskMeeting().run(dispatcher, tracker, {})
            else:
                return ["their own rule"]
    return [of(one) for one in dispatcher.messages]


async def called(stage: Stage, tx: Any, ordinal: int = 0) -> ActionCall:
    contact, standing = await stage.contact(), Standing(True, False, None)
    return ActionCall(stage.services, tx, uuid4(), contact, standing, stage.services.clock.now(), ordinal)


async def runs(stage: Stage, action: type[Action], words: str, **slots: Any) -> list[dict[str, Any]]:
    """What an action outside the form says to these words."""
    message = {"text": words, "intent": {"name": ""}, "entities": []}
    dispatcher = CollectingDispatcher()
    async with stage.services.db.begin() as tx:
        with calling(await called(stage, tx)):
            tracker = Tracker("c", slots, message, [], False, None, {}, "action_listen")
            await action().run(dispatcher, tracker, {})
    return list(dispatcher.messages)


async def says(stage: Stage, action: type[Action], words: str, **slots: Any) -> Said:
    return [of(one) for one in await runs(stage, action, words, **slots)]


async def clicks(stage: Stage, chosen: str) -> Said:
    dispatcher = CollectingDispatcher()
    async with stage.services.db.begin() as tx:
        await picked_meeting(dispatcher, await called(stage, tx), chosen)
    return [of(one) for one in dispatcher.messages]


async def asked(stage: Stage, meeting_id: str = LECTURE) -> int:
    """The invitation, which has just been put."""
    row = await invited(stage, meeting_id)
    assert await turn(stage, "", ASK, about=row.id) == ["invite"]
    return row.id


async def state(stage: Stage, meeting_id: str = LECTURE) -> str:
    query = "SELECT state FROM meeting_invitation WHERE meeting_id = :meeting"
    ((found,),) = await stage.rows(query, meeting=meeting_id)
    return str(found)


@pytest.mark.parametrize(
    ("words", "meant", "told", "becomes"),
    [
        ("参加", "join_meeting", "accepted", "accepted"),
        ("好的，我准时到", "affirm", "accepted", "accepted"),
        ("应该没啥问题", "affirm", "accepted", "accepted"),
        ("那天值班，去不了", "decline_meeting", "not_coming", "declined"),
        ("谢谢邀请，不参加", "thank", "not_coming", "declined"),
        ("到时候看", "busy", "unsure", "unsure"),
        ("不一定，看排班", "decline_meeting", "unsure", "unsure"),
    ],
)
async def test_an_answer_in_any_words(
    hall: Stage,
    words: str,
    meant: str,
    told: str,
    becomes: str,
) -> None:
    await asked(hall)
    assert await turn(hall, words, meant) == [told]
    assert await state(hall) == becomes


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("二甲双胍怎么吃", "ask_product"),
        ("几点开始？", "ask_meeting"),
        ("参加，能带同事吗", "ask_meeting"),
        ("在开会", "busy"),
        ("忙", "busy"),
    ],
)
async def test_what_is_in_between_has_its_own_rule_and_the_thread_is_picked_up_once(
    hall: Stage,
    words: str,
    meant: str,
) -> None:
    await asked(hall)
    assert await turn(hall, words, meant) == ["their own rule"]
    assert [await turn(hall, words, meant, served=True) for _ in range(2)] == [["back"], []]
    assert await turn(hall, "参加", "join_meeting") == ["accepted"]


@pytest.mark.parametrize(
    ("words", "meant", "slots"),
    [
        ("参加，不过昨天有个病人吃了起皮疹", "join_meeting", {"adverse_event": True}),
        ("别再给我发了", "stop_contact", {}),
        ("转人工", "ask_human", {}),
    ],
)
async def test_somebody_is_heard_first(
    hall: Stage,
    words: str,
    meant: str,
    slots: dict[str, Any],
) -> None:
    await asked(hall)
    assert await turn(hall, words, meant, **slots) == ["their own rule"]
    assert await turn(hall, words, meant, served=True, **slots) == []
    assert await state(hall) == "asked"


async def test_a_yes_to_what_was_offered_meanwhile_is_none_to_the_invitation(hall: Stage) -> None:
    await asked(hall)
    offered = {"pending": "medical_information", "just_said": ["utter_medical_information_offer"]}
    assert await turn(hall, "好的", "affirm", **offered) == ["their own rule"]
    assert await state(hall) == "asked"


async def test_who_answers_too_late_is_told_so(hall: Stage) -> None:
    await asked(hall)
    await hall.move(THEN + timedelta(hours=2))
    assert await turn(hall, "二甲双胍怎么吃", "ask_product") == ["their own rule"]
    assert await turn(hall, "参加", "join_meeting") == ["over"]
    assert await says(hall, JoinMeeting, "我参加", requested_slot=None) != ["over"], "another one is ahead"
    await call_off(hall, OTHER)
    assert await says(hall, JoinMeeting, "我参加") == ["over"]


async def test_a_meeting_that_is_called_off_is_asked_about_no_more(hall: Stage) -> None:
    row = await invited(hall)
    number = await asked(hall, OTHER)
    await call_off(hall, OTHER)
    assert await turn(hall, "", ASK, about=number) == []
    assert await turn(hall, "参加", "join_meeting") == ["gone"]
    assert await clicks(hall, f"meeting:yes:{number}") == ["gone"]
    assert await turn(hall, "", ASK, about=row.id) == ["invite"], "the other one is not concerned"


async def test_a_button_means_its_own_invitation_whenever_it_is_clicked(hall: Stage) -> None:
    first = await asked(hall)
    second = await asked(hall, OTHER)
    click = {"choice": f"meeting:no:{first}"}
    assert await turn(hall, "不参加", "choose", **click) == ["their own rule"], "the form is about the other"
    assert await clicks(hall, f"meeting:no:{first}") == ["not_coming"]
    assert await turn(hall, "参加", "choose", choice=f"meeting:yes:{second}") == ["accepted"]
    assert (await state(hall), await state(hall, OTHER)) == ("declined", "accepted")
    assert await clicks(hall, f"meeting:yes:{first}") == ["accepted"], "they have thought again"


async def test_what_they_ask_of_their_meeting_is_answered_from_the_rows(hall: Stage) -> None:
    await announce(hall, meeting(credit="继续教育学分2分"))
    await asked(hall)
    form = {"requested_slot": "meeting"}
    assert await says(hall, Meetings, "几点开始", **form) == ["one"], "the one that they are asked about"
    assert await says(hall, Meetings, "有学分吗", **form) == ["one", "credit"]
    await turn(hall, "参加", "join_meeting")
    (told,) = await runs(hall, Meetings, "我报名的会几点")
    assert of(told) == "yours" and told["starts"] == "12月9日（周三）19:30" and told["ends"] == "20:30"
    assert await says(hall, Meetings, "有会议回放吗") == ["yours", "rest"]
    assert await says(hall, Meetings, "最近有什么会") == ["yours", "one", "join"]


async def test_who_asks_for_meetings_hears_of_them_and_joins(hall: Stage) -> None:
    listed = await runs(hall, Meetings, "最近有什么会")
    assert [of(one) for one in listed] == ["one", "one", "join"]
    assert [one["title"] for one in listed[-1]["buttons"]] == ["参加第1场", "参加第2场"]
    assert await says(hall, JoinMeeting, "我要报名") == ["one", "one", "which"]
    assert await clicks(hall, listed[-1]["buttons"][0]["payload"]) == ["accepted"]
    assert await state(hall) == "accepted"
    assert await says(hall, JoinMeeting, "参加") == ["yours", "one", "join"], "said twice, it means no other"
    await call_off(hall, OTHER)
    assert await says(hall, JoinMeeting, "参加") == ["yours"]
    assert await says(hall, LeaveMeeting, "我不去了") == ["left"]
    assert await says(hall, LeaveMeeting, "我不去了") == ["declined"]
    assert await says(hall, JoinMeeting, "能参加吗") == ["one", "join"], "a question puts nobody down"
    assert await says(hall, JoinMeeting, "还是参加吧") == ["accepted"]
    await call_off(hall)
    assert await says(hall, Meetings, "最近有什么会") == ["none"]


async def test_which_of_two_they_leave_is_asked_back(hall: Stage) -> None:
    for meeting_id in (LECTURE, OTHER):
        await asked(hall, meeting_id)
        await turn(hall, "参加", "join_meeting")
    listed = await runs(hall, LeaveMeeting, "我不去了")
    assert [of(one) for one in listed] == ["one", "one", "which"]
    assert await clicks(hall, listed[-1]["buttons"][1]["payload"]) == ["left"]
    assert sorted([await state(hall), await state(hall, OTHER)]) == ["accepted", "declined"]


def test_words_that_answer_nothing() -> None:
    for words in ("在哪开", "有事吗", "二甲双胍", "在开会", "周五可以吗", "参加" * 40):
        assert read_answer(words) is None
    assert read_answer("应该能去，到时候看") == Answer.UNSURE
