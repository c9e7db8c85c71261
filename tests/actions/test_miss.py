"""Words that are not understood: once it is said so, then a colleague is offered."""

from __future__ import annotations

from typing import Any

import pytest
from rasa_sdk import Tracker
from rasa_sdk.executor import CollectingDispatcher

from actions.call import miss


@pytest.mark.parametrize(
    ("just_said", "response", "said", "pending"),
    [
        (None, "utter_fallback", "utter_fallback", None),
        (["utter_greet"], "utter_fallback", "utter_fallback", None),
        (["utter_fallback"], "utter_fallback", "utter_offer_person", "human"),
        (["utter_introduce", "utter_fallback"], "utter_fallback", "utter_offer_person", "human"),
        (["utter_offer_person"], "utter_fallback", "utter_offer_person", "human"),
        (["utter_fallback"], "utter_out_of_scope", "utter_out_of_scope", None),
    ],
)
def test_a_second_miss_in_a_row_offers_a_colleague(
    just_said: Any, response: str, said: str, pending: Any
) -> None:
    dispatcher = CollectingDispatcher()
    tracker = Tracker("c", {"just_said": just_said}, {}, [], False, None, {}, "action_listen")
    events = miss(dispatcher, tracker, response)
    assert [message["response"] for message in dispatcher.messages] == [said]
    assert [(event["name"], event["value"]) for event in events] == [("pending", pending)]
