"""Verification of a newcomer: the form collects the parts, the room decides."""

from __future__ import annotations

from typing import Any

from rasa_sdk import Action
from rasa_sdk.events import EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher

from actions.answer import fall_back
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
        if current().standing.verified:  # a colleague confirmed them while the form was still open
            return [SlotSet("requested_slot", None)]
        known = {part: tracker.get_slot(f"verify_{part}") for part in PARTS}
        found = parse(said(tracker), {part: value for part, value in known.items() if value})
        return [SlotSet(f"verify_{part}", found.get(part) or known[part]) for part in PARTS]


class Verify(Action):  # type: ignore[misc]
    """All parts are there: matched against the imported list; the parts are then forgotten.

    Whoever was confirmed meanwhile has written something else, which is answered.
    """

    def name(self) -> str:
        return "action_verify"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        call = current()
        if call.standing.verified:
            return [*_forgotten(), *await fall_back(dispatcher, call, tracker)]
        parts = {part: str(tracker.get_slot(f"verify_{part}") or "") for part in PARTS}
        outcome = await verify(call.tx, call.base, call.whose, parts, call.now)
        say(dispatcher, RESPONSES[outcome])
        return [
            *_forgotten(),
            SlotSet("verified", outcome == Outcome.VERIFIED),
            SlotSet("verify_waiting", outcome == Outcome.WAIT),
        ]


def _forgotten() -> list[EventType]:
    return [SlotSet(f"verify_{part}", None) for part in PARTS]
