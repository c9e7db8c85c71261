"""Product questions: answer from approved text, ask back, or hand over."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from rasa_sdk import Action
from rasa_sdk.events import EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher

from actions.appointments import moved_again
from actions.call import CHOICES, PERSON, current, entry_of, intent, offered, quote, say, words_of
from actions.cases import ASKS, follows, supplement
from actions.colleagues import answer_how, find_colleague, hand_over, look_into, miss
from actions.meetings import CHOICE as MEETING
from actions.meetings import picked_meeting
from actions.proposals import picked as picked_time
from actions.wishes import ANSWERS, settle
from bot.dialogue.action_calls import ActionCall
from bot.knowledge import Considered, Decision, Entry, Route, consider, weighs
from bot.medical_information import CHOICE
from bot.model import Audience
from bot.text.han import is_han

HAND_OVER = "medical_information"  # choice id, and `pending` after an offer

_NONE_OF_THEM = re.compile(r"[不没]是|没有|不对|[非无]")


class Answer(Action):  # type: ignore[misc]
    """`ask_product` and its kin."""

    def name(self) -> str:
        return "action_answer"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        call = current()
        if addition := await supplement(dispatcher, call, tracker):
            return addition
        if call.contact.audience == Audience.PATIENT:
            say(dispatcher, "utter_patient_no_product")
            return follows(tracker)
        return await consult(dispatcher, call, tracker)


class Fallback(Action):  # type: ignore[misc]
    """What the NLU did not place may still be a product question: the knowledge decides."""

    def name(self) -> str:
        return "action_fallback"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        call = current()
        if await moved_again(dispatcher, call, words_of(tracker)):
            return []
        return await fall_back(dispatcher, call, tracker)


class Choose(Action):  # type: ignore[misc]
    """A picked choice: an entry, the hand-over, or a colleague; in words: 好的, 对, 都不是."""

    def name(self) -> str:
        return "action_choose"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        call = current()
        chosen = next(tracker.get_latest_entity_values("choice"), None)
        options = list(tracker.get_slot("options") or [])
        events = [SlotSet("pending", None), SlotSet("choice", None), SlotSet("options", None)]
        if chosen in ANSWERS:
            await settle(dispatcher, call, chosen)
            return events
        if chosen and chosen.startswith("appointment:"):
            await picked_time(dispatcher, call, chosen)
            return events
        if chosen and chosen.startswith(MEETING):
            await picked_meeting(dispatcher, call, chosen)
            return events
        if chosen and chosen.startswith(CHOICE):
            await answer_how(dispatcher, call, chosen.removeprefix(CHOICE))
            return events
        picked = chosen or _in_words(tracker, offered(call, tracker), options)
        entry = entry_of(call, picked.removeprefix("entry:")) if picked.startswith("entry:") else None
        if entry is not None:
            return [*events, *show(dispatcher, call, entry)]
        question = str(tracker.get_slot("asked") or "")
        if picked == HAND_OVER and question:
            product = str(tracker.get_slot("product") or "")
            await hand_over(dispatcher, call, question, "utter_medical_information_passed", product=product)
        elif picked == HAND_OVER:
            say(dispatcher, "utter_medical_information_which")
        elif picked == PERSON:
            await find_colleague(dispatcher, call, question or words_of(tracker))
        elif picked == CHOICES:
            offer(dispatcher, call, [found for key in options if (found := entry_of(call, key))])
            return [*events, SlotSet("pending", CHOICES), SlotSet("options", options)]
        elif chosen:
            return [*events, *await miss(dispatcher, call, tracker)]
        elif intent(tracker) == "feedback_negative" and not options:
            await look_into(dispatcher, call, tracker)
        else:
            say(dispatcher, "utter_ok")
        return events


def _in_words(tracker: Any, pending: str, options: list[str]) -> str:
    """What words pick of what was just offered. A bare no picks nothing; a bare yes to choices picks the only
    one there is."""
    yes = intent(tracker) == "affirm"
    if pending != CHOICES:
        return pending if yes else ""
    if yes:
        return f"entry:{options[0]}" if len(options) == 1 else CHOICES
    return HAND_OVER if _NONE_OF_THEM.search(words_of(tracker)) else ""


async def consult(dispatcher: CollectingDispatcher, call: ActionCall, tracker: Any) -> list[EventType]:
    """A doctor's questions: what approved material says to each."""
    found = considered(call, tracker)
    if intent(tracker) == "ask_comparison":
        found = tuple(_weighed(one) for one in found)
    question, decision = main_of(found)
    if tracker.get_slot("adverse_event"):
        asked = ASKS.search(words_of(tracker)) and decision.products
        if decision.route != Route.ANSWER and not asked:  # safety has answered, and nothing was asked
            return [*remember(decision, question), *follows(tracker)]
        found = tuple(one for one in found if _is_sure(one.decision)) or found[:1]
    if intent(tracker) == "ask_dose_change_advice" and not (decision.off_label or decision.comparison):
        quotes = decision.route in (Route.ANSWER, Route.CLARIFY)
        say(dispatcher, "utter_no_individual_advice" if quotes else "utter_no_decision")
    return [*follows(tracker), *await reply_to_all(dispatcher, call, tracker, found)]


async def fall_back(dispatcher: CollectingDispatcher, call: ActionCall, tracker: Any) -> list[EventType]:
    """Words without a place. A doctor's are looked up, and nothing is handed over without a yes."""
    if tracker.get_slot("adverse_event"):
        doctor = call.contact.audience == Audience.DOCTOR
        return await consult(dispatcher, call, tracker) if doctor else follows(tracker)
    if addition := await supplement(dispatcher, call, tracker):
        return addition
    slots: list[EventType] = []
    if call.contact.audience == Audience.DOCTOR:
        found = considered(call, tracker)
        question, decision = main_of(found)
        if decision.entry is not None:
            return await reply_to_all(dispatcher, call, tracker, found)
        # Nobody who speaks of something else is shown a list of products or the way to medical information.
        placed = decision.named or not (decision.route == Route.CLARIFY or intent(tracker) == "out_of_scope")
        if placed and decision.route == Route.MEDICAL_INFORMATION and not _is_sure(decision):
            words = question if len(found) == 1 else words_of(tracker)
            return [*remember(decision, words), *propose(dispatcher, decision)]
        if (placed and decision.route != Route.NONE) or decision.drugs:
            return await reply_to_all(dispatcher, call, tracker, found)
        slots = remember(decision, question) if decision.named else []
    elif next(tracker.get_latest_entity_values("symptom"), None):
        say(dispatcher, "utter_patient_unwell")
        return [SlotSet("pending", None)]
    scope = intent(tracker) == "out_of_scope"
    response = "utter_out_of_scope" if scope else "utter_fallback"
    return [*slots, *await miss(dispatcher, call, tracker, response)]


def considered(call: ActionCall, tracker: Any) -> tuple[Considered, ...]:
    """The questions as understood and what approved content says to each; a follow-up is about the product
    last spoken of, goes on with what was asked before, or puts it right. Considered once a call."""
    if not call.considered:
        call.considered = consider(
            call.services.published.index,
            words_of(tracker),
            call.contact.audience,
            call.now,
            last_product=str(tracker.get_slot("product") or ""),
            before=str(tracker.get_slot("asked") or ""),
        )
    return call.considered


def main_of(found: Sequence[Considered]) -> tuple[str, Decision]:
    """What a message is about: its first question that is answered, else that is a use or a comparison, else
    that colleagues must answer, else its first."""
    one = min(found, key=lambda one: _weight(one.decision))
    return one.question, one.decision


def _weight(decision: Decision) -> int:
    """Small for what must not be left out."""
    signs = (
        decision.entry is not None,
        decision.off_label,
        decision.comparison,
        decision.route == Route.MEDICAL_INFORMATION,
    )
    return next((place for place, sign in enumerate(signs) if sign), len(signs))


def _is_sure(decision: Decision) -> bool:
    """Whether it has an answer of its own: an entry, or that nothing is said on a use or a comparison."""
    return decision.entry is not None or decision.off_label or decision.comparison


def _weighed(one: Considered) -> Considered:
    """A question that the NLU heard as a comparison, as one if its words weigh anything."""
    if not weighs(one.question) or one.decision.off_label:
        return one
    nothing = replace(one.decision, route=Route.MEDICAL_INFORMATION, entry=None, options=(), comparison=True)
    return replace(one, decision=nothing)


def decide(call: ActionCall, tracker: Any) -> tuple[str, Decision]:
    """What the message is about, as understood, and what approved content says to it."""
    return main_of(considered(call, tracker))


def remember(decision: Decision, question: str) -> list[EventType]:
    """What later words refer to."""
    product = decision.entry.product if decision.entry else next(iter(decision.products), None)
    return [SlotSet("asked", question), *([SlotSet("product", product)] if product else [])]


async def reply_to_all(
    dispatcher: CollectingDispatcher, call: ActionCall, tracker: Any, found: Sequence[Considered]
) -> list[EventType]:
    """Every answer in order, then that nothing is compared, then one hand-over or question back for what else
    none was found for."""
    open_ones = [one for one in found if one.decision.entry is None]
    others = [one for one in open_ones if not one.decision.comparison]
    events: list[EventType] = []
    for one in found:
        if one.decision.entry is not None:
            events += remember(one.decision, one.question)
            events += await reply(dispatcher, call, one.decision, one.question)
    if compared := [one for one in open_ones if one.decision.comparison]:
        say(dispatcher, "utter_no_comparison")
        events += [*remember(compared[0].decision, compared[0].question), SlotSet("pending", HAND_OVER)]
    if others:
        # Several open questions go to one colleague, as written.
        question, decision = main_of(others)
        words = question if len(open_ones) == 1 else words_of(tracker)
        events += [*remember(decision, words), *await reply(dispatcher, call, decision, words)]
    return events


async def reply(
    dispatcher: CollectingDispatcher, call: ActionCall, decision: Decision, question: str
) -> list[EventType]:
    if decision.route == Route.ANSWER and decision.entry is not None:
        return show(dispatcher, call, decision.entry)
    if decision.route == Route.CLARIFY:
        offer(dispatcher, call, decision.options)
        return [SlotSet("pending", CHOICES), SlotSet("options", [option.id for option in decision.options])]
    if decision.route == Route.MEDICAL_INFORMATION and not (decision.off_label or any(map(is_han, question))):
        return propose(dispatcher, decision)  # {drug} ]]> is nobody's question until they say so
    if decision.route == Route.MEDICAL_INFORMATION:
        response = "utter_off_label" if decision.off_label else "utter_medical_information"
        await hand_over(dispatcher, call, question, response, product=next(iter(decision.products), ""))
        return [SlotSet("pending", None)]
    return propose(dispatcher, decision)


def propose(dispatcher: CollectingDispatcher, decision: Decision) -> list[EventType]:
    """Nothing approved to quote: medical information is offered."""
    other = decision.drugs and not decision.products
    say(dispatcher, "utter_other_drug" if other else "utter_medical_information_offer")
    return [SlotSet("pending", HAND_OVER)]


def offer(dispatcher: CollectingDispatcher, call: ActionCall, options: Any) -> None:
    """The likely questions as choices, and the way out."""
    call.route = "clarify"
    buttons = [{"title": option.question, "payload": f"entry:{option.id}"} for option in options]
    buttons.append({"title": "都不是，转医学信息部", "payload": HAND_OVER})
    say(dispatcher, "utter_clarify", buttons=buttons)


def show(dispatcher: CollectingDispatcher, call: ActionCall, entry: Entry) -> list[EventType]:
    """The approved answer. A 「好的」 after it is an acknowledgement, so nothing is pending."""
    quote(dispatcher, call, entry)
    return [SlotSet("last_entry", entry.id), SlotSet("product", entry.product), SlotSet("pending", None)]
