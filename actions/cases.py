"""Adverse events: the case, and what is told of it afterwards."""

from __future__ import annotations

import re
from typing import Any

from rasa_sdk.events import EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher

from actions.call import ask, say, words_of
from bot.dialogue.action_calls import ActionCall
from bot.tasks import Kind

ASKS = re.compile(r"[吗么？?]|怎么|咋|如何|要不要|能不能|会不会|是不是|需不需要|多少(?!岁)")
# What the acknowledgement asks for: age, sex, dose, since when, how it is now, how to reach them.
_DETAILS = re.compile(
    r"\d+ ?岁|[男女]|\d ?(?:mg|毫克|g|克|片|粒)|bid|qd|tid"
    r"|[一二三四五六七八九十几半\d]+(?:天|周|个?月|小时|年)|现在|目前|已经?|好转|好了|缓解|减轻|加重|还在|停药|停了|住院|1[3-9]\d{9}",
    re.I,
)


async def record(call: ActionCall, words: str) -> None:
    """Open a case with these words."""
    await ask(call, Kind.ADVERSE_EVENT, words)


async def supplement(dispatcher: CollectingDispatcher, call: ActionCall, tracker: Any) -> list[EventType]:
    """Right after an adverse event, the details that were asked for go to the same colleague, who else would
    never read them. Empty when these words are something else."""
    words = words_of(tracker)
    if not tracker.get_slot("case") or tracker.get_slot("adverse_event"):
        return []
    if ASKS.search(words) or not _DETAILS.search(words):
        return []
    await record(call, f"[补充] {words}")
    say(dispatcher, "utter_adverse_event_more")
    return [SlotSet("case", True)]


def follows(tracker: Any) -> list[EventType]:
    """Whether the next words may be details of a case that this message opened."""
    return [SlotSet("case", True if tracker.get_slot("adverse_event") else None)]
