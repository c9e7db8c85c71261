"""Around an answer: where it stands, more of it, and which products there are answers on."""

from __future__ import annotations

import re
from typing import Any

from rasa_sdk import Action
from rasa_sdk.events import EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher

from actions.answer import HAND_OVER
from actions.call import current, entry_of, say, words_of
from actions.colleagues import miss
from bot.knowledge import source_text
from bot.model import Audience
from bot.profiles import wish_format

# Words that end the wish for short texts; 还有吗 and 为什么呢 ask for more of an answer.
_IN_FULL = re.compile(r"详细|具体|多说|展开|说全|完整|长一?点|长些|细一?点|说细")


class Source(Action):  # type: ignore[misc]
    """Where the last answer stands."""

    def name(self) -> str:
        return "action_source"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        call = current()
        entry = entry_of(call, str(tracker.get_slot("last_entry") or ""))
        if entry is None:
            say(dispatcher, "utter_source_none")
        else:
            say(
                dispatcher,
                "utter_source",
                source=source_text(entry, call.services.published.content, call.now),
            )
        return []


class More(Action):  # type: ignore[misc]
    """Nothing is said beyond the approved text; more comes from medical information."""

    def name(self) -> str:
        return "action_more"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        call = current()
        if tracker.get_slot("brief") and _IN_FULL.search(words_of(tracker)):
            await wish_format(call.tx, call.contact, None, f"turn:{call.turn_id}", call.now)
            say(dispatcher, "utter_brief_no_more")
            return [SlotSet("brief", None), SlotSet("pending", None)]
        if tracker.get_slot("last_entry") and call.contact.audience == Audience.DOCTOR:
            say(dispatcher, "utter_more")
            return [SlotSet("pending", HAND_OVER)]
        return await miss(dispatcher, call, tracker)


class Products(Action):  # type: ignore[misc]
    """What can be asked about. A patient is not shown a list of prescription medicines."""

    def name(self) -> str:
        return "action_products"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        call = current()
        names = "、".join(product.generic for product in call.services.published.content.products)
        if call.contact.audience == Audience.DOCTOR and names:
            say(dispatcher, "utter_products", products=names)
        else:
            say(dispatcher, "utter_help")
        return []
