"""Verification of a newcomer: the form collects the parts, the room decides."""

from __future__ import annotations

from typing import Any

from rasa_sdk import Action
from rasa_sdk.events import EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher

from actions.call import current, said, say
from bot.doctors import Outcome, parse, verify

PARTS = ("name", "hospital", "phone", "code")
RESPONSES = {
    Outcome.VERIFIED: "utter_verify_done",
    Outcome.AGAIN: "utter_verify_again",
    Outcome.WAIT: "utter_verify_wait",
    Outcome.LIMIT: "utter_verify_limit",
}


class ValidateVerifyForm(Action):  # type: ignore[misc]
    """Finds whatever parts the message holds, in any order, in one message or several."""

    def name(self) -> str:
        return "validate_verify_form"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        known = {part: tracker.get_slot(f"verify_{part}") for part in PARTS}
        found = parse(said(tracker), {part: value for part, value in known.items() if value})
        return [SlotSet(f"verify_{part}", found.get(part) or known[part]) for part in PARTS]


class Verify(Action):  # type: ignore[misc]
    """All parts are there: matched against the imported list; the parts are then forgotten."""

    def name(self) -> str:
        return "action_verify"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        call = current()
        parts = {part: str(tracker.get_slot(f"verify_{part}") or "") for part in PARTS}
        outcome = await verify(call.tx, call.base, call.whose, parts, call.now)
        say(dispatcher, RESPONSES[outcome])
        return [
            *(SlotSet(f"verify_{part}", None) for part in PARTS),
            SlotSet("verified", outcome == Outcome.VERIFIED),
            SlotSet("verify_waiting", outcome == Outcome.WAIT),
        ]
