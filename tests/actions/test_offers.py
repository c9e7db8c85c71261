"""A plain yes or no answers to what the turn before offered, whichever action did, and to nothing older."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from rasa_sdk import Tracker
from rasa_sdk.executor import CollectingDispatcher

from actions.answer import Choose
from actions.call import calling, offered
from bot.dialogue.action_calls import ActionCall
from bot.dialogue.version import read_dialogue
from bot.model import Audience
from bot.settings import ROOT


def call() -> ActionCall:
    published = SimpleNamespace(dialogue=read_dialogue(ROOT))
    contact = SimpleNamespace(audience=Audience.DOCTOR)
    return cast(ActionCall, SimpleNamespace(services=SimpleNamespace(published=published), contact=contact))


def tracker(words: str, intent: str, **slots: Any) -> Tracker:
    message = {"text": words, "intent": {"name": intent}, "entities": []}
    return Tracker("c", slots, message, [], False, None, {}, "action_listen")


@pytest.mark.parametrize(
    ("pending", "just_said", "found"),
    [
        ("human", ["utter_offer_person"], "human"),
        ("human", ["utter_status_none"], "human"),
        ("medical_information", ["utter_medical_information_offer"], "medical_information"),
        ("medical_information", ["utter_other_drug"], "medical_information"),
        ("medical_information", ["utter_no_comparison"], "medical_information"),
        ("medical_information", ["utter_more"], "medical_information"),
        ("choices", ["utter_no_individual_advice", "utter_clarify"], "choices"),
        ("human", ["utter_greet"], ""),
        ("medical_information", ["utter_stop_ask"], ""),
        ("choices", None, ""),
        ("human", None, ""),
        (None, ["utter_offer_person"], ""),
    ],
)
def test_an_offer_is_open_for_one_turn(pending: Any, just_said: Any, found: str) -> None:
    assert offered(call(), tracker("好的", "affirm", pending=pending, just_said=just_said)) == found


@pytest.mark.parametrize(
    ("words", "intent", "pending", "just_said"),
    [
        ("好的", "affirm", None, ["utter_thanks"]),
        ("好的", "affirm", "human", ["utter_greet"]),
        ("不用了", "deny", "human", ["utter_offer_person"]),
        ("不用了", "deny", "medical_information", ["utter_other_drug"]),
    ],
)
async def test_where_nothing_is_picked_it_is_acknowledged(
    words: str, intent: str, pending: Any, just_said: Any
) -> None:
    dispatcher = CollectingDispatcher()
    with calling(call()):
        events = await Choose().run(
            dispatcher, tracker(words, intent, pending=pending, just_said=just_said), {}
        )
    assert [message["response"] for message in dispatcher.messages] == ["utter_ok"]
    assert {event["name"]: event["value"] for event in events}["pending"] is None


async def test_a_choice_that_names_nothing_is_a_miss_and_what_that_offers_stays_open() -> None:
    dispatcher = CollectingDispatcher()
    typed = tracker("entry:gone", "choose", just_said=["utter_fallback"])
    typed.latest_message["entities"] = [{"entity": "choice", "value": "unknown"}]
    with calling(call()):
        events = await Choose().run(dispatcher, typed, {})
    assert [message["response"] for message in dispatcher.messages] == ["utter_offer_person"]
    assert [event["value"] for event in events if event["name"] == "pending"][-1] == "human"
