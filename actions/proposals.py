"""A time that a colleague proposed: asked once, answered in any words, passed on."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rasa_sdk import Action
from rasa_sdk.events import EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher

from actions.call import current, hears_first, intent, say, spoken_time, words_of
from bot import visits
from bot.clock import CHINA
from bot.dialogue.action_calls import ActionCall
from bot.schedule import Ambiguous, VisitAnswer, read_postponement
from bot.visits import Answered, AppointmentRow

ASKS = "appointment_ask"
CHOICES = {"appointment:yes": Answered.AGREED, "appointment:no": Answered.DECLINED}
OTHER = "appointment:other"
PASSED = "passed"  # words that name no time: the colleague reads them
GONE, LATE = "gone", "late"  # it is over: before they heard of it, or spoke of it again; when they answered
_TWICE = 2
# What somebody wants for themselves is served first, by its own rule.
OWN = frozenset(
    {
        *("report_adverse_event", "stop_contact", "resume_contact", "complain", "irritated", "privacy"),
        *("export_data", "delete_data", "change_profile", "bot_challenge", "ask_human"),
    }
)


class ValidateAppointment(Action):  # type: ignore[misc]
    """Whether the words answer the proposal; words that do not are left to their own rule."""

    def name(self) -> str:
        return "validate_appointment_form"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        call, words, meant = current(), words_of(tracker), intent(tracker)
        chosen = next(tracker.get_latest_entity_values("choice"), None)
        asked = tracker.get_slot("requested_slot") == "appointment" and meant != ASKS
        row = await visits.open_appointment(call.tx, call.contact, call.now)
        if row is None:
            if not asked or call.ordinal:
                return [SlotSet("appointment", GONE)]
            answers = meant in ("affirm", "deny") or str(chosen).startswith("appointment:")
            return [SlotSet("appointment", LATE)] if answers or read_postponement(words, call.now) else []
        if not asked or tracker.get_slot("adverse_event"):
            return []  # the form has just been opened, or somebody is heard first
        if chosen == OTHER or words.strip() == "换个时间":
            say(dispatcher, "utter_appointment_when")
            return []
        if chosen in CHOICES:
            return await _settled(call, row, CHOICES[chosen])
        if meant in OWN or (visits.asks(words) and meant.startswith("ask_")):
            return []
        answer = read_postponement(words, call.now)
        if answer is not None and answer.answer == VisitAnswer.PUT_OFF:
            return await _other(call, row, answer.time)
        if meant == "deny" or (answer is not None and answer.answer == VisitAnswer.REFUSE):
            return await _settled(call, row, Answered.DECLINED)
        if meant == "affirm" or answer is not None:
            return await _settled(call, row, Answered.AGREED)
        if meant.startswith("ask_") or visits.asks(words) or row.asked < _TWICE:
            return []
        return await _settled(call, row, Answered.OTHER, slot=PASSED)


async def _other(call: ActionCall, row: AppointmentRow, time: Any) -> list[EventType]:
    """Another time: the one they named; which of two they meant, the colleague asks."""
    if time is None or isinstance(time, Ambiguous):
        return await _settled(call, row, Answered.OTHER, slot=PASSED)
    at = visits.time_for(time, call.now, call.services.limits)
    if at == row.at:
        return await _settled(call, row, Answered.AGREED)
    return await _settled(call, row, Answered.OTHER, other_at=at)


async def _settled(
    call: ActionCall,
    row: AppointmentRow,
    answered: Answered,
    *,
    slot: str = "",
    other_at: datetime | None = None,
) -> list[EventType]:
    await visits.answer_appointment(
        call.tx,
        call.services.vault,
        row,
        call.contact,
        answered,
        call.turn_id,
        call.now,
        other_at=other_at,
    )
    moment = other_at or row.at
    told = f"{slot or answered.value}|{moment.isoformat()}|{row.rep}"
    return [SlotSet("appointment", told), SlotSet("requested_slot", None)]


class AskAppointment(Action):  # type: ignore[misc]
    """The question: whole the first time, short after something in between, then no more."""

    def name(self) -> str:
        return "action_ask_appointment_form_appointment"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        call = current()
        row = await visits.open_appointment(call.tx, call.contact, call.now)
        chosen = next(tracker.get_latest_entity_values("choice"), None)
        if row is None or chosen == OTHER or words_of(tracker).strip() == "换个时间":
            return []
        if row.asked and (intent(tracker) in {ASKS, *OWN} or hears_first(call, tracker)):
            return []  # ASKS: the turn of a proposal that was withdrawn in the middle of it has asked
        before = await visits.ask_appointment(call.tx, row, call.now)
        values = {"rep": row.rep, "due": spoken_time(row.at.astimezone(CHINA))}
        if before == 0:
            say(dispatcher, f"utter_appointment_{row.kind}", **values)
        elif before < _TWICE:
            say(dispatcher, "utter_appointment_back", **values)
        return []


class CloseAppointment(Action):  # type: ignore[misc]
    """They are told what becomes of their answer."""

    def name(self) -> str:
        return "action_appointment_close"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        told = str(tracker.get_slot("appointment") or "")
        if told != GONE:
            tell(dispatcher, told)
        return [SlotSet("appointment", None)]


def tell(dispatcher: CollectingDispatcher, told: str) -> None:
    what, _, rest = told.partition("|")
    at, _, rep = rest.partition("|")
    if not rep:
        say(dispatcher, "utter_appointment_over")
    elif what in (Answered.AGREED, Answered.OTHER):
        due = spoken_time(datetime.fromisoformat(at).astimezone(CHINA))
        say(dispatcher, f"utter_appointment_{what}", rep=rep, due=due)
    else:
        say(dispatcher, f"utter_appointment_{what}", rep=rep)


async def picked(dispatcher: CollectingDispatcher, call: ActionCall, chosen: str) -> None:
    """A button of the question, clicked after the conversation about it was over."""
    row = await visits.open_appointment(call.tx, call.contact, call.now)
    if row is None:
        say(dispatcher, "utter_appointment_over")
        return
    answered, slot = CHOICES.get(chosen, Answered.OTHER), PASSED if chosen == OTHER else ""
    events = await _settled(call, row, answered, slot=slot)
    tell(dispatcher, str(events[0]["value"]))
