"""The person's own data and consent."""

from __future__ import annotations

import re
from typing import Any

from rasa_sdk import Action
from rasa_sdk.events import EventType
from rasa_sdk.executor import CollectingDispatcher

from actions.answer import decide, fall_back
from actions.call import ask, current, say, spoken_time, words_of
from bot.dialogue.action_calls import ActionCall
from bot.model import Audience
from bot.people import stop
from bot.safety import likely_stop
from bot.tasks import Kind, suspect

RESPONSES = {
    "export_data": "utter_export",
    "delete_data": "utter_delete",
    "change_profile": "utter_change_profile",
}

# What a resumption never says: heard wrongly, it may be a wish to stop.
_NO = re.compile(r"别|勿|莫|拒|甭|停(?!了)|取消(?!退订|停)|不(?!小心|好意思|退|再退)")


async def register(dispatcher: CollectingDispatcher, call: ActionCall, what: str, words: str) -> None:
    """A task for whoever looks after data, and when it will be done. Never added to another that is open: a
    deletion must not hide in an older question."""
    due = await ask(call, Kind.DATA_REQUEST, words, mark=f"[{what}] ")
    say(dispatcher, RESPONSES.get(what, "utter_privacy"), due=spoken_time(due))


class Stop(Action):  # type: ignore[misc]
    """What sounds like a wish to hear no more of us. The NLU only guesses, so they are asked; what a doctor
    asks of a medicine (CK 5x ULN stop?) is looked up."""

    def name(self) -> str:
        return "action_stop"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        call, words = current(), words_of(tracker)
        if not likely_stop(words) and _clinical(call, tracker):
            return await fall_back(dispatcher, call, tracker)
        if call.contact.stopped_at is not None:
            say(dispatcher, "utter_stop")  # they have: which words undo it
        else:
            say(dispatcher, "utter_stop_ask")
        return []


class Resume(Action):  # type: ignore[misc]
    """What sounds like a wish to hear from us again, in words that the list of `safety` does not have.

    Whoever stopped us, or one kind of message, is asked; nobody else can mean it.
    """

    def name(self) -> str:
        return "action_resume"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        call = current()
        if _NO.search(words_of(tracker)):
            say(dispatcher, "utter_stop" if call.contact.stopped_at is not None else "utter_stop_ask")
        elif not await stop.wished_less(call.tx, call.contact) or _clinical(call, tracker):
            return await fall_back(dispatcher, call, tracker)
        else:
            say(dispatcher, "utter_resume_ask")
        return []


def _clinical(call: ActionCall, tracker: Any) -> bool:
    """Whether the words are about a medicine or a finding."""
    if any(next(tracker.get_latest_entity_values(kind), None) for kind in ("drug", "disease", "lab", "dose")):
        return True
    return call.contact.audience == Audience.DOCTOR and bool(decide(call, tracker)[1].drugs)


class Benefit(Action):  # type: ignore[misc]
    """The NLU heard a wish for money or gifts that the rules of `safety` do not have: refused, and compliance
    looks into it."""

    def name(self) -> str:
        return "action_benefit"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        call = current()
        await suspect(call.tx, call.services.vault, call.contact, call.now, words_of(tracker))
        say(dispatcher, "utter_no_benefit")
        return []
