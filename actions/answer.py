"""Product questions: answer from approved text, ask back, or hand over."""

from __future__ import annotations

from typing import Any

from rasa_sdk import Action
from rasa_sdk.events import EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher

from actions.call import current, intent, quote, said, say, spoken_time
from bot.effects import Call
from bot.knowledge import Decision, Entry, Route, source_text
from bot.model import Audience
from bot.tasks import Kind, open_task

HAND_OVER = "medical_information"


class Answer(Action):  # type: ignore[misc]
    """`ask_product` and its kin."""

    def name(self) -> str:
        return "action_answer"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        call = current()
        if call.whose.audience == Audience.PATIENT:
            say(dispatcher, "utter_patient_no_product")
            return []
        decision = decide(call, tracker)
        if tracker.get_slot("adverse_event") and decision.route != Route.ANSWER:
            return []  # safety has answered; asking back would talk over it
        if intent(tracker) == "ask_comparison" or decision.comparison:
            say(dispatcher, "utter_no_comparison")
            return [SlotSet("pending", HAND_OVER)]
        if intent(tracker) == "ask_dose_change_advice":
            say(dispatcher, "utter_no_individual_advice")
        return await reply(dispatcher, call, decision, said(tracker))


class Fallback(Action):  # type: ignore[misc]
    """What the NLU did not place may still be a product question: the knowledge decides."""

    def name(self) -> str:
        return "action_fallback"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        call = current()
        if tracker.get_slot("adverse_event"):
            return []
        if call.whose.audience == Audience.DOCTOR:
            decision = decide(call, tracker)
            if decision.route in (Route.ANSWER, Route.CLARIFY) or decision.off_label:
                return await reply(dispatcher, call, decision, said(tracker))
            if decision.route == Route.MEDICAL_INFORMATION:
                say(dispatcher, "utter_medical_information_offer")
                return [SlotSet("pending", HAND_OVER)]
        say(dispatcher, "utter_out_of_scope" if intent(tracker) == "out_of_scope" else "utter_fallback")
        return [SlotSet("pending", None)]


class Choose(Action):  # type: ignore[misc]
    """A picked choice: an entry, the hand-over, or a colleague."""

    def name(self) -> str:
        return "action_choose"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        call = current()
        # A plain "好的" picks what was just offered.
        picked = next(tracker.get_latest_entity_values("choice"), None) or tracker.get_slot("pending") or ""
        events = [SlotSet("pending", None), SlotSet("choice", None)]
        entry = entry_of(call, picked.removeprefix("entry:")) if picked.startswith("entry:") else None
        if entry is not None:
            return [*show(dispatcher, call, entry), *events]
        if picked == HAND_OVER:
            await hand_over(dispatcher, call, _question(tracker))
        elif picked == "human":
            await find_colleague(dispatcher, call, _question(tracker))
        else:
            say(dispatcher, "utter_fallback")
        return events


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
            say(dispatcher, "utter_source", source=source_text(entry, call.base.published.content, call.now))
        return []


def decide(call: Call, tracker: Any) -> Decision:
    """What approved content says to the person's words; a follow-up is about the product last spoken of."""
    last = entry_of(call, str(tracker.get_slot("last_entry") or ""))
    return call.base.published.index.decide(
        said(tracker), call.whose.audience, call.now, last_product=last.product if last else ""
    )


async def reply(
    dispatcher: CollectingDispatcher, call: Call, decision: Decision, question: str
) -> list[EventType]:
    if decision.route == Route.ANSWER and decision.entry is not None:
        return show(dispatcher, call, decision.entry)
    if decision.route == Route.CLARIFY:
        buttons = [{"title": o.question, "payload": f"entry:{o.id}"} for o in decision.options]
        buttons.append({"title": "都不是，转医学信息部", "payload": HAND_OVER})
        say(dispatcher, "utter_clarify", buttons=buttons)
        return [SlotSet("pending", None)]
    if decision.route == Route.MEDICAL_INFORMATION:
        await hand_over(dispatcher, call, question, off_label=decision.off_label)
        return [SlotSet("pending", None)]
    say(dispatcher, "utter_medical_information_offer")
    return [SlotSet("pending", HAND_OVER)]


def show(dispatcher: CollectingDispatcher, call: Call, entry: Entry) -> list[EventType]:
    """The approved answer; where the guideline differs, it says so and offers medical information."""
    quote(dispatcher, call, entry)
    return [SlotSet("last_entry", entry.id), SlotSet("pending", HAND_OVER if entry.differs else None)]


async def hand_over(
    dispatcher: CollectingDispatcher, call: Call, question: str, *, off_label: bool = False
) -> None:
    """A medical-information request with its due time; the doctor is told so."""
    _, due = await open_task(
        call.tx,
        call.base.vault,
        Kind.MEDICAL_INFORMATION,
        now=call.now,
        whose=call.whose,
        key=f"{Kind.MEDICAL_INFORMATION}:{call.turn_id}",
        detail=("[超说明书] " if off_label else "") + question[:4000],
    )
    name = "utter_off_label" if off_label else "utter_medical_information"
    say(dispatcher, name, due=spoken_time(due))


async def find_colleague(
    dispatcher: CollectingDispatcher, call: Call, detail: str, response: str = "utter_human"
) -> None:
    """A task for the person's rep, or for whoever is on duty."""
    _, due = await open_task(
        call.tx,
        call.base.vault,
        Kind.HAND_OVER,
        now=call.now,
        whose=call.whose,
        key=f"{Kind.HAND_OVER}:{call.turn_id}",
        detail=detail[:4000],
    )
    say(dispatcher, response, rep=call.standing.rep or "值班同事", due=spoken_time(due))


def entry_of(call: Call, entry_id: str) -> Entry | None:
    return call.base.published.content.entry.get(entry_id)


def _question(tracker: Any) -> str:
    """What they had asked before they picked: the last words that were not the pick itself."""
    words = [event for event in tracker.events if event.get("event") == "user"]
    earlier = [event.get("text") or "" for event in words[:-1]]
    return earlier[-1] if earlier else said(tracker)
