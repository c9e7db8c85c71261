"""What we hold of a doctor: shown, corrected, and not analysed when they do not want it."""

from __future__ import annotations

import re
from typing import Any

from rasa_sdk import Action
from rasa_sdk.events import EventType
from rasa_sdk.executor import CollectingDispatcher

from actions.around_answers import Source
from actions.call import current, say, spoken_time, words_of
from actions.data import register
from bot import profiles
from bot.clock import CHINA
from bot.dialogue.action_calls import ActionCall
from bot.model import Audience

_NAMES = re.compile(r"[我您你]|公司|系统")


class Privacy(Action):  # type: ignore[misc]
    """What we hold and from where: shown at once. Copies, deletion, and what else is asked: a colleague acts
    on it within the legal time; a correction of an entry that names its value goes to a steward."""

    def name(self) -> str:
        return "action_privacy"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        call, words = current(), words_of(tracker)
        what = str((tracker.latest_message.get("intent") or {}).get("name") or "")
        if what == "privacy" and _is_doctor(call) and profiles.wish_of(words) == profiles.Wish.SEE:
            if _asks_of_an_answer(tracker, words):
                return await Source().run(dispatcher, tracker, domain)
            await show_held(dispatcher, call)
            return []
        wanted = profiles.correction_of(words) if what == "change_profile" and _is_doctor(call) else None
        if wanted is None:
            await register(dispatcher, call, what, words)
            return []
        message = f"turn:{call.turn_id}"
        due = await profiles.request_change(
            call.tx, call.services.vault, call.contact, wanted, words, message, call.now
        )
        say(dispatcher, "utter_change_requested", due=spoken_time(due.astimezone(CHINA)))
        return []


async def show_held(dispatcher: CollectingDispatcher, call: ActionCall) -> None:
    """One message: each entry with where it came from and when."""
    names = {product.id: product.generic for product in call.services.published.content.products}
    held = await profiles.held_text(call.tx, call.contact.person_id, call.now, names)
    say(dispatcher, "utter_profile", held=held)
    say(dispatcher, profiles.TERMS)


class RefuseProfiling(Action):  # type: ignore[misc]
    """They do not want to be analysed: what was derived is deleted, and nothing is until they agree."""

    def name(self) -> str:
        return "action_refuse_profiling"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        call = current()
        await profiles.refuse(call.tx, call.contact, call.now)
        say(dispatcher, "utter_profiling_refused")
        return []


class AllowProfiling(Action):  # type: ignore[misc]
    """They agree to what `utter_profiling_terms` says, in the version in force."""

    def name(self) -> str:
        return "action_allow_profiling"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        call = current()
        await profiles.allow(call.tx, call.contact, call.services.published.dialogue, call.now)
        say(dispatcher, "utter_profiling_allowed")
        return []


def _asks_of_an_answer(tracker: Any, words: str) -> bool:
    """资料哪来的, right after an answer and with nobody named, is about that answer."""
    return (
        bool(tracker.get_slot("last_entry"))
        and not tracker.get_slot("just_said")
        and not _NAMES.search(words)
    )


def _is_doctor(call: ActionCall) -> bool:
    return call.contact.audience == Audience.DOCTOR and call.standing.verified
