"""What the words do to a time that a colleague proposed, without the engine: rows, slots, what is said."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from rasa_sdk import Tracker
from rasa_sdk.executor import CollectingDispatcher

from actions.call import calling
from actions.proposals import ASKS, AskAppointment, CloseAppointment, ValidateAppointment
from bot.clock import CHINA
from bot.dialogue.action_calls import ActionCall
from bot.store.scenes import Standing
from bot.visits import AppointmentKind, propose
from tests.stage import Stage

NOON = datetime(2026, 12, 2, 11, 0, tzinfo=CHINA)  # a Wednesday
THEN = NOON + timedelta(days=1)


@pytest.fixture
async def proposed(open_window: Stage) -> Stage:
    """The phone's owner has just been asked for a time."""
    stage = open_window
    await stage.move(NOON)
    await stage.agree()
    await stage.write(
        "INSERT INTO staff (id, name, login, password_hash) VALUES "
        "('00000000-0000-4000-8000-00000000000a', '周代表', 'zhou', '')"
    )
    ((staff_id,),) = await stage.rows("SELECT id FROM staff WHERE login = 'zhou'")
    contact = await stage.contact()
    async with stage.services.db.begin() as tx:
        await propose(tx, contact, staff_id, "zhou", AppointmentKind.CALL, THEN, NOON)
    assert await turn(stage, "", ASKS) == ["utter_appointment_call"]
    return stage


async def turn(
    stage: Stage,
    words: str,
    meant: str,
    *,
    later: timedelta = timedelta(),
    served: bool = False,
    **slots: Any,
) -> list[str]:
    """What is said of the proposal in a turn with these words. `served`: their own rule has answered them."""
    services, contact = stage.services, await stage.contact()
    slots = {"requested_slot": None if meant == ASKS else "appointment", **slots}
    message = {"text": words, "intent": {"name": meant}, "entities": []}
    dispatcher = CollectingDispatcher()
    async with services.db.begin() as tx:
        standing = Standing(True, False, None)
        call = ActionCall(services, tx, uuid4(), contact, standing, NOON + later, 1 if served else 0)
        with calling(call):
            tracker = Tracker("c", slots, message, [], False, None, {}, "action_listen")
            events = await ValidateAppointment().run(dispatcher, tracker, {})
            filled = {event["name"]: event["value"] for event in events}
            tracker.slots.update(filled)
            if "appointment" in filled:
                await CloseAppointment().run(dispatcher, tracker, {})
            elif served or meant == ASKS:
                await AskAppointment().run(dispatcher, tracker, {})
            else:
                return ["their own rule", *(one["response"] for one in dispatcher.messages)]
    return [one["response"] for one in dispatcher.messages]


async def state(stage: Stage) -> str:
    ((found,),) = await stage.rows("SELECT state FROM appointment")
    return str(found)


async def test_a_question_is_answered_and_the_thread_is_picked_up_once(proposed: Stage) -> None:
    assert await turn(proposed, "肾功能不全能用吗", "ask_product") == ["their own rule"]
    asked = [await turn(proposed, "肾功能不全能用吗", "ask_product", served=True) for _ in range(2)]
    assert asked == [["utter_appointment_back"], []]
    assert await turn(proposed, "方便", "affirm") == ["utter_appointment_agreed"]
    assert await state(proposed) == "agreed"


async def test_a_second_turn_that_was_to_ask_asks_nothing(proposed: Stage) -> None:
    assert await turn(proposed, "", ASKS) == []


@pytest.mark.parametrize(
    ("words", "meant", "slots"),
    [
        ("好的，不过昨天有个病人吃了起皮疹", "affirm", {"adverse_event": True}),
        ("别再给我发了", "stop_contact", {}),
        ("你们烦不烦", "irritated", {}),
        ("转人工", "ask_human", {}),
        ("二甲双胍怎么样", "ask_product", {"pending": "choices"}),
    ],
)
async def test_somebody_is_heard_first(
    proposed: Stage, words: str, meant: str, slots: dict[str, Any]
) -> None:
    assert await turn(proposed, words, meant, **slots) == ["their own rule"]
    assert await turn(proposed, words, meant, served=True, **slots) == [], "and asked nothing in one breath"
    assert await state(proposed) == "asked"


async def test_who_has_stopped_is_asked_no_more(proposed: Stage) -> None:
    await proposed.write("UPDATE person SET stopped_at = now()")
    assert await turn(proposed, "二甲双胍怎么吃", "ask_product") == ["their own rule"]
    assert await turn(proposed, "二甲双胍怎么吃", "ask_product", served=True) == []
    assert await state(proposed) == "withdrawn"


async def test_after_its_hour_words_have_their_own_rule(proposed: Stage) -> None:
    late = timedelta(days=2)
    assert await turn(proposed, "肾功能不全能用吗", "ask_product", later=late) == ["their own rule"]
    assert await turn(proposed, "肾功能不全能用吗", "ask_product", later=late, served=True) == []
    assert await turn(proposed, "可以", "affirm", later=late) == ["utter_appointment_over"]
    assert await turn(proposed, "", ASKS, later=late) == [], "nobody knows of it"
