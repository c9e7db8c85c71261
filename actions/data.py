"""The person's own data and consent."""

from __future__ import annotations

import re
from typing import Any

from rasa_sdk import Action
from rasa_sdk.events import EventType
from rasa_sdk.executor import CollectingDispatcher

from actions.answer import fall_back
from actions.call import ask, current, intent, say, spoken_time, words_of
from bot.dialogue.action_calls import ActionCall
from bot.people import stop
from bot.tasks import Kind

RESPONSES = {
    "export_data": "utter_export",
    "delete_data": "utter_delete",
    "change_profile": "utter_change_profile",
}

# What a resumption never says.
_NO = re.compile(r"别|勿|莫|拒|甭|停(?!了)|取消(?!退订|停)|不(?!小心|好意思|退|再退)")


class Privacy(Action):  # type: ignore[misc]
    """What we hold, and copies, corrections and deletion: a colleague acts on it within the legal time."""

    def name(self) -> str:
        return "action_privacy"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        await register(dispatcher, current(), intent(tracker), words_of(tracker))
        return []


async def register(dispatcher: CollectingDispatcher, call: ActionCall, what: str, words: str) -> None:
    """A task for whoever looks after data, and when it will be done. Never added to another that is open: a
    deletion must not hide in an older question."""
    due = await ask(call, Kind.DATA_REQUEST, words, mark=f"[{what}] ")
    say(dispatcher, RESPONSES.get(what, "utter_privacy"), due=spoken_time(due))


class Stop(Action):  # type: ignore[misc]
    """They want no more messages, in words that the stop list does not have."""

    def name(self) -> str:
        return "action_stop"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        call = current()
        await stop.stop(call.tx, call.contact, call.now)
        say(dispatcher, "utter_stop")
        return []


class Resume(Action):  # type: ignore[misc]
    """What sounds like a wish to hear from us again, in words that the list of `safety` does not have.

    A stop is not undone on a guess: whoever stopped is told which words do it.
    """

    def name(self) -> str:
        return "action_resume"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        call = current()
        if _NO.search(words_of(tracker)):  # heard wrongly, it would turn a stop into its opposite
            await stop.stop(call.tx, call.contact, call.now)
        elif call.contact.stopped_at is None:
            return await fall_back(dispatcher, call, tracker)
        say(dispatcher, "utter_stop")
        return []
