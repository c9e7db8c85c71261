"""Words that are not understood: it is said so, then a colleague is offered, then one is told."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from rasa_sdk import Tracker
from rasa_sdk.executor import CollectingDispatcher

from actions.call import calling
from actions.colleagues import miss
from bot.dialogue.action_calls import ActionCall
from bot.store.scenes import Standing
from tests.stage import Stage


@pytest.mark.parametrize(
    ("just_said", "response", "said", "pending", "told"),
    [
        (None, "utter_fallback", "utter_fallback", None, []),
        (["utter_greet"], "utter_fallback", "utter_fallback", None, []),
        (["utter_fallback"], "utter_fallback", "utter_offer_person", "human", []),
        (["utter_introduce", "utter_fallback"], "utter_fallback", "utter_offer_person", "human", []),
        (["utter_offer_person"], "utter_fallback", "utter_missed", None, ["qwxz"]),
        (["utter_fallback"], "utter_out_of_scope", "utter_out_of_scope", None, []),
    ],
)
async def test_after_three_misses_in_a_row_a_colleague_is_told(
    open_window: Stage, just_said: Any, response: str, said: str, pending: Any, told: list[str]
) -> None:
    services, contact = open_window.services, await open_window.contact()
    dispatcher = CollectingDispatcher()
    tracker = Tracker("c", {"just_said": just_said}, {"text": "qwxz"}, [], False, None, {}, "action_listen")
    async with services.db.begin() as tx:
        standing = Standing(verified=True, waiting=False, rep=None)
        call = ActionCall(services, tx, uuid4(), contact, standing, services.clock.now())
        with calling(call):
            events = await miss(dispatcher, call, tracker, response)
    assert dispatcher.messages[0]["response"] == said
    assert [(event["name"], event["value"]) for event in events] == [("pending", pending)]
    tasks = await open_window.rows("SELECT kind FROM task")
    assert tasks == [("hand_over",)] * len(told)
