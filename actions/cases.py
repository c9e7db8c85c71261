"""Adverse events: the case, and what is told of it afterwards."""

from __future__ import annotations

import re
from typing import Any

from rasa_sdk.events import EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher

from actions.call import say, words_of
from bot.dialogue.action_calls import ActionCall
from bot.tasks import LONGEST, Kind, Saying, add_detail, report_case

ASKS = re.compile(r"[吗么？?]|怎么|咋|如何|要不要|能不能|会不会|是不是|需不需要|多少(?!岁)")
# What a doctor asks about a medicine even without a question word: 65岁女性二甲双胍剂量
_TOPIC = re.compile(
    r"(?:剂量|用量|用法)(?![:：是为]|用量)|禁忌|适应[症证]|相互作用|疗效|起始|最大量|能用|可用|慎用|推荐|指南|说明书|医保|出处"
)


async def record(dispatcher: CollectingDispatcher, call: ActionCall, tracker: Any) -> None:
    """Take these words down as a report, and say so."""
    product = call.services.published.content.product.get(str(tracker.get_slot("product") or ""))
    saying = await report_case(
        call.tx,
        call.services.vault,
        now=call.now,
        contact=call.contact,
        key=f"{Kind.ADVERSE_EVENT}:{call.turn_id}",
        words=words_of(tracker)[:LONGEST],
        medicine=product.generic if product else "",
    )
    _tell(dispatcher, call, saying)


async def supplement(dispatcher: CollectingDispatcher, call: ActionCall, tracker: Any) -> list[EventType]:
    """Details of the contact's open case go to the same colleague, who else would never read them. Empty when
    these words are something else, or ask something as well: then that is answered, too."""
    words = words_of(tracker)[:LONGEST]
    if tracker.get_slot("adverse_event"):
        return []
    asks = bool(ASKS.search(words) or _TOPIC.search(words))
    saying = await add_detail(
        call.tx,
        call.services.vault,
        now=call.now,
        contact=call.contact,
        words=words,
        expected=bool(tracker.get_slot("case")) and not asks,
        asks=asks,
    )
    if saying is None:
        return []
    _tell(dispatcher, call, saying)
    return [] if asks else [SlotSet("case", True)]


def follows(tracker: Any) -> list[EventType]:
    """Whether the next words may be details of a case that this message opened."""
    return [SlotSet("case", True if tracker.get_slot("adverse_event") else None)]


def _tell(dispatcher: CollectingDispatcher, call: ActionCall, saying: Saying) -> None:
    for response, values in saying.responses:
        if call.services.published.dialogue.has(response):  # an older version says it all in one text
            say(dispatcher, response, **values)
