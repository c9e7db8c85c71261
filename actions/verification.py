"""Verification of a newcomer: the form collects the parts, the room decides."""

from __future__ import annotations

from typing import Any

from rasa_sdk import Action
from rasa_sdk.events import EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher

from actions.answer import fall_back
from actions.call import current, intent, say, words_of
from actions.colleagues import find_colleague
from actions.data import RESPONSES as DATA_REQUESTS
from actions.data import register
from bot.doctors import PARTS, Attempt, parse, verify

# What was tried in vain is kept, so that one part alone can be corrected. The mark on the code says so: only
# a message that brings a part is a new try.
TRIED = "tried:"
KEPT = frozenset({Attempt.AGAIN, Attempt.LIMIT})
RESPONSES = {
    Attempt.VERIFIED: "utter_verify_done",
    Attempt.AGAIN: "utter_verify_again",
    Attempt.WAIT: "utter_verify_wait",
    Attempt.LIMIT: "utter_verify_limit",
}


class ValidateVerifyForm(Action):  # type: ignore[misc]
    """Finds whatever parts the message holds, in any order, in one message or several.

    Who asks for a person or for their data while the form is open is served first: the form is open to Rasa
    whatever the intent.
    """

    def name(self) -> str:
        return "validate_verify_form"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        call = current()
        if call.standing.verified:  # a colleague confirmed them while the form was still open
            return [SlotSet("requested_slot", None)]
        if intent(tracker) == "ask_human":
            await find_colleague(dispatcher, call, words_of(tracker))
        elif intent(tracker) in DATA_REQUESTS:
            await register(dispatcher, call, intent(tracker), words_of(tracker))
        parts = _parts(tracker)
        plain = {part: value.removeprefix(TRIED) for part, value in parts.items()}
        if found := parse(words_of(tracker), plain):
            parts = plain | found
        return [SlotSet(f"verify_{part}", parts.get(part)) for part in PARTS]


class Verify(Action):  # type: ignore[misc]
    """All parts are there: matched against the imported list.

    Whoever was confirmed meanwhile has written something else, which is answered. Whoever was tried in vain
    and brings no part is told again what is asked for.
    """

    def name(self) -> str:
        return "action_verify"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        call = current()
        if call.standing.verified:
            return [*_forgotten(), *await fall_back(dispatcher, call, tracker)]
        parts = _parts(tracker)
        if parts.get("code", "").startswith(TRIED):
            say(dispatcher, "utter_verify_again")
            return []
        outcome = await verify(call.tx, call.services, call.contact, parts, call.now)
        say(dispatcher, RESPONSES[outcome])
        kept = [SlotSet("verify_code", f"{TRIED}{parts.get('code', '')}")]
        return [
            *(kept if outcome in KEPT else _forgotten()),
            SlotSet("verified", outcome == Attempt.VERIFIED),
            SlotSet("verify_waiting", outcome == Attempt.WAIT),
        ]


def _parts(tracker: Any) -> dict[str, str]:
    """What they told of themselves so far."""
    slots = {part: tracker.get_slot(f"verify_{part}") for part in PARTS}
    return {part: str(value) for part, value in slots.items() if value}


def _forgotten() -> list[EventType]:
    return [SlotSet(f"verify_{part}", None) for part in PARTS]
