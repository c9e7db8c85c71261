"""What a person must do: medical information, hand-over, adverse events, feedback."""

from __future__ import annotations

from typing import Any

from rasa_sdk import Action
from rasa_sdk.events import EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher

from actions.answer import find_colleague, hand_over
from actions.call import current, intent, said, say
from bot.tasks import Kind, open_task


class MedicalInformation(Action):  # type: ignore[misc]
    """They ask for medical information outright."""

    def name(self) -> str:
        return "action_medical_information"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        await hand_over(dispatcher, current(), said(tracker))
        return [SlotSet("pending", None)]


class HandOver(Action):  # type: ignore[misc]
    """They want a person, or complain."""

    def name(self) -> str:
        return "action_hand_over"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        response = "utter_complain" if intent(tracker) == "complain" else "utter_human"
        await find_colleague(dispatcher, current(), said(tracker), response)
        return []


class AdverseEvent(Action):  # type: ignore[misc]
    """The NLU heard an adverse event that the screening at accept did not: the case is opened here."""

    def name(self) -> str:
        return "action_adverse_event"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        call = current()
        if tracker.get_slot("adverse_event"):
            return []
        await open_task(
            call.tx,
            call.base.vault,
            Kind.ADVERSE_EVENT,
            now=call.now,
            whose=call.whose,
            key=f"{Kind.ADVERSE_EVENT}:{call.turn_id}",
            detail=said(tracker)[:4000],
        )
        say(dispatcher, "utter_adverse_event")
        return []


class Feedback(Action):  # type: ignore[misc]
    """Praise is thanked for; a useless answer is looked into."""

    def name(self) -> str:
        return "action_feedback"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        if intent(tracker) == "feedback_positive":
            say(dispatcher, "utter_feedback_thanks")
            return []
        call = current()
        about = tracker.get_slot("last_entry") or ""
        await open_task(
            call.tx,
            call.base.vault,
            Kind.FEEDBACK,
            now=call.now,
            whose=call.whose,
            key=f"{Kind.FEEDBACK}:{call.turn_id}",
            detail=f"[{about}] {said(tracker)[:4000]}",
        )
        say(dispatcher, "utter_feedback_sorry")
        return []
