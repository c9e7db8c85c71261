"""Verification of a newcomer: the form collects the parts, the room decides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rasa_sdk import Action
from rasa_sdk.events import EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher

from actions.answer import fall_back
from actions.call import current, intent, say, spoken_time, words_of
from actions.colleagues import find_colleague
from actions.data import RESPONSES as DATA_REQUESTS
from actions.data import register
from bot.compliance import check_text
from bot.dialogue.action_calls import ActionCall
from bot.doctors import PARTS, Attempt, parse, refer, verify, waiting_until
from bot.model import Audience

# What was tried in vain is kept, so that one part alone can be corrected. The mark on the code says so: only
# a message that brings a part is a new try.
TRIED = "tried:"
RESPONSES = {
    Attempt.VERIFIED: "utter_verify_done",
    Attempt.LIMIT: "utter_verify_limit",
}
_LABELS = {"name": "姓名", "hospital": "医院", "phone": "手机号", "code": "邀请码"}
_ROUNDS = 2  # so often it is asked in vain; then a colleague goes on
_SHOWN = 40  # characters of a part that are told back


class ValidateVerifyForm(Action):  # type: ignore[misc]
    """Finds whatever parts the message holds, in any order, in one message or several.

    Who asks for a person or for their data while the form is open is served first: the form is open to Rasa
    whatever the intent. Who was asked twice and told nothing new is asked no more: the form ends.
    """

    def name(self) -> str:
        return "validate_verify_form"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        call = current()
        if call.standing.verified:  # a colleague confirmed them while the form was still open
            return [SlotSet("requested_slot", None)]
        served = intent(tracker) == "ask_human" or intent(tracker) in DATA_REQUESTS
        if intent(tracker) == "ask_human":
            await find_colleague(dispatcher, call, words_of(tracker))
        elif served:
            await register(dispatcher, call, intent(tracker), words_of(tracker))
        parts = _parts(tracker)
        plain = {part: value.removeprefix(TRIED) for part, value in parts.items()}
        found = parse(words_of(tracker), plain)
        if found:
            parts = plain | found
        events = [SlotSet(f"verify_{part}", parts.get(part)) for part in PARTS]
        asked = _rounds(tracker)
        if asked and not served:
            told = any(plain.get(part) != value for part, value in found.items())
            asked = 1 if told else asked + 1
            events.append(SlotSet("verify_rounds", asked))
        if asked > _ROUNDS and len(parts) < len(PARTS):
            events.append(SlotSet("requested_slot", None))
        return events


class AskForParts(Action):  # type: ignore[misc]
    """Says what is known and asks for what is missing, whatever slot the form asks for."""

    def __init__(self, part: str) -> None:
        self._part = part

    def name(self) -> str:
        return f"action_ask_verify_form_verify_{self._part}"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        parts, rounds = _parts(tracker), _rounds(tracker)
        missing = [part for part in PARTS if part not in parts]
        if not parts:
            say(dispatcher, "utter_verify_ask" if rounds == 0 else "utter_verify_ask_again")
        else:
            which = "_code" if missing == ["code"] else "_with_code" if "code" in missing else ""
            values = {"known": _known(parts), "parts": "、".join(_LABELS[part] for part in missing)}
            say(dispatcher, f"utter_verify_missing{which}", **values)
        return [SlotSet("verify_rounds", max(rounds, 1))]


class Verify(Action):  # type: ignore[misc]
    """All parts are there, or the form gave up: matched against the imported list, or given to a colleague.

    Whoever was confirmed meanwhile has written something else, which is answered. Whoever waits or was tried
    in vain may add or correct a part, which is a new try; other words are none.
    """

    def name(self) -> str:
        return "action_verify"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        call = current()
        if call.standing.verified:
            return [*_forgotten(), *await fall_back(dispatcher, call, tracker)]
        parts = _parts(tracker)
        if call.standing.waiting:  # no form is open: this message has not been read yet
            plain = {part: value.removeprefix(TRIED) for part, value in parts.items()}
            found = parse(words_of(tracker), plain)
            if all(plain.get(part) == value for part, value in found.items()):
                await _wait(dispatcher, call)
                return []
            parts = plain | found
        elif parts.get("code", "").startswith(TRIED):
            say(dispatcher, "utter_verify_again")
            return []
        if len(parts) < len(PARTS):
            await refer(call.tx, call.services, call.contact, parts, words_of(tracker), call.now)
            missing = "、".join(_LABELS[part] for part in PARTS if part not in parts)
            say(dispatcher, "utter_verify_referred", parts=missing)
            return [*_kept(parts), SlotSet("verify_waiting", True), SlotSet("verify_rounds", 0)]
        outcome = await verify(call.tx, call.services, call.contact, parts, call.now)
        if outcome == Attempt.AGAIN:
            say(dispatcher, "utter_verify_differs", known=_known(parts))
        elif outcome == Attempt.WAIT:
            await _wait(dispatcher, call)
        else:
            say(dispatcher, RESPONSES[outcome])
        done = outcome == Attempt.VERIFIED
        return [
            *(_forgotten() if done else _kept({**parts, "code": f"{TRIED}{parts['code']}"})),
            SlotSet("verified", done),
            # That somebody waits no longer is told by the rows before the next turn: this one's rule holds.
            *([SlotSet("verify_waiting", True)] if outcome in (Attempt.WAIT, Attempt.AGAIN) else []),
            SlotSet("verify_rounds", 0),
        ]


async def _wait(dispatcher: CollectingDispatcher, call: ActionCall) -> None:
    """Who has it, and until when."""
    due = await waiting_until(call.tx, call.services, call.contact, call.now)
    if due is None:
        say(dispatcher, "utter_verify_wait")
    else:
        say(dispatcher, "utter_verify_wait_until", due=spoken_time(due))


def _parts(tracker: Any) -> dict[str, str]:
    """What they told of themselves so far."""
    slots = {part: tracker.get_slot(f"verify_{part}") for part in PARTS}
    return {part: str(value) for part, value in slots.items() if value}


def _rounds(tracker: Any) -> int:
    """How often they were asked without telling anything new."""
    return int(tracker.get_slot("verify_rounds") or 0)


def _known(parts: Mapping[str, str]) -> str:
    """What was understood, told back where it is short and may be said: 姓名「张三」、手机号."""
    said = []
    for part in PARTS:
        value = parts.get(part)
        if not value:
            continue
        shown = part in ("name", "hospital") and len(value) <= _SHOWN and value.isprintable()
        if shown and not check_text(value, Audience.DOCTOR) and not set(value) & set("「」；。！？"):
            said.append(f"{_LABELS[part]}「{value}」")
        else:
            said.append("没有邀请码" if value == "none" else _LABELS[part])
    return "、".join(said)


def _kept(parts: Mapping[str, str]) -> list[EventType]:
    return [SlotSet(f"verify_{part}", parts.get(part)) for part in PARTS]


def _forgotten() -> list[EventType]:
    return _kept({})
