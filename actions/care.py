"""What a person must do: medical information, hand-over, adverse events, feedback."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from rasa_sdk import Action
from rasa_sdk.events import EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher

from actions.answer import consult, decide, fall_back, remember
from actions.call import current, intent, say, words_of
from actions.cases import ASKS, follows, record, supplement
from actions.colleagues import find_colleague, hand_over, look_into
from bot.dialogue.action_calls import ActionCall
from bot.model import Audience
from bot.patients import is_plan_alone
from bot.people import quiet
from bot.safety import tells

# What remains of a bare 「转医学信息部」 when this is taken away is nothing; of a question, the question.
_REQUEST = re.compile(
    r"医学(?:信息|事务|部)?(?:部门?|专员)?|转[给到交接]?|提交|联系|需要|答复|回复|说明|进一步|帮忙?|麻烦"
    r"|[请找问想要我你您们把给去下一这个题的了吧啊呢行好嗯谢说，。,. ！!]"
)

OWN_REPORTS = {
    "took_dose": "utter_dose_noted",
    "missed_dose_report": "utter_missed_dose",
    "report_measurement": "utter_measurement",
}


class MedicalInformation(Action):  # type: ignore[misc]
    """They ask for medical information outright; a bare request is about what they asked before."""

    def name(self) -> str:
        return "action_medical_information"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        call, question = current(), words_of(tracker)
        if call.contact.audience == Audience.PATIENT:
            say(dispatcher, "utter_patient_no_product")
            return []
        if not _REQUEST.sub("", question):
            question = str(tracker.get_slot("asked") or "")
        if not question:
            say(dispatcher, "utter_medical_information_which")
            return [SlotSet("pending", None)]
        product = str(tracker.get_slot("product") or "")
        await hand_over(dispatcher, call, question, "utter_medical_information_passed", product=product)
        return [SlotSet("pending", None)]


class HandOver(Action):  # type: ignore[misc]
    """They want a person, or complain."""

    def name(self) -> str:
        return "action_hand_over"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        call, words = current(), words_of(tracker)
        response = "utter_complain" if intent(tracker) == "complain" else "utter_human"
        await find_colleague(dispatcher, call, words, response)
        if quiet.asks_quiet(words):
            await quiet.hush(call.tx, call.contact, call.now)
        return []


class AdverseEvent(Action):  # type: ignore[misc]
    """The NLU heard an adverse event: the case is opened here unless the screening at accept has done so. A
    doctor who asks something about it as well reads what the label says."""

    def name(self) -> str:
        return "action_adverse_event"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        call, words = current(), words_of(tracker)
        doctor, screened = call.contact.audience == Audience.DOCTOR, tracker.get_slot("adverse_event")
        if doctor and not screened and decide(call, tracker)[1].off_label:
            return await consult(dispatcher, call, tracker)  # a complaint they want it for, not one it caused
        spoken_of = bool(tracker.get_slot("product"))
        told = screened or tells(words, call.contact.audience, about_product=spoken_of)
        # Aside: its patterns take half a second the first time.
        plan = not doctor and not screened and await asyncio.to_thread(is_plan_alone, words)
        if plan or not told:
            return await _no_case(dispatcher, call, tracker, plan=plan)
        if not screened:
            await record(dispatcher, call, tracker)
            tracker.slots["adverse_event"] = True  # what the screening does for the others of its kind
        if not doctor:
            return follows(tracker)
        if not ASKS.search(words):
            question, decision = decide(call, tracker)
            return [*remember(decision, question), *follows(tracker)]
        return await consult(dispatcher, call, tracker)


async def _no_case(
    dispatcher: CollectingDispatcher, call: ActionCall, tracker: Any, *, plan: bool
) -> list[EventType]:
    """The NLU heard a case where none is told of: a question, a `plan` and nothing else, or somebody unwell
    without a medicine."""
    if call.contact.audience == Audience.DOCTOR:
        return await fall_back(dispatcher, call, tracker)
    if addition := await supplement(dispatcher, call, tracker):
        return addition
    if plan:
        say(dispatcher, "utter_dose_noted")
        return [SlotSet("pending", None)]
    asks = next(tracker.get_latest_entity_values("drug"), None)
    say(dispatcher, "utter_patient_no_product" if asks else "utter_patient_unwell")
    return [SlotSet("pending", None)]


class OwnReport(Action):  # type: ignore[misc]
    """A dose taken or missed, a measurement: a patient's report; from a doctor, a question."""

    def name(self) -> str:
        return "action_own_report"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        call = current()
        if call.contact.audience == Audience.DOCTOR:
            return await fall_back(dispatcher, call, tracker)
        if addition := await supplement(dispatcher, call, tracker):
            return addition
        say(dispatcher, OWN_REPORTS[intent(tracker)])
        return follows(tracker)


class Feedback(Action):  # type: ignore[misc]
    """Praise is thanked for; a useless answer is looked into."""

    def name(self) -> str:
        return "action_feedback"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        if intent(tracker) == "feedback_positive":
            say(dispatcher, "utter_feedback_thanks")
            return []
        await look_into(dispatcher, current(), tracker)
        return []
