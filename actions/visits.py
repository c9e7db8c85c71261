"""The steps of a visit. Which follows which stands in `data/rules/visits.yml`.

Each step that waits for an answer is a form with one slot: a question in between is answered by its own rule,
and the form asks again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rasa_sdk import Action
from rasa_sdk.events import EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher

from actions.answer import fall_back
from actions.appointments import moved_again
from actions.call import ask, current, intent, present, say, spoken_time, words_of
from actions.colleagues import find_colleague
from actions.talk import send_material
from bot import visits
from bot.clock import CHINA
from bot.dialogue.action_calls import ActionCall
from bot.model import Audience
from bot.schedule import Ambiguous, Postponement, SaidTime, VisitAnswer, read_postponement
from bot.tasks import Kind
from bot.visits import Ending, Step, VisitRow

BEGUN_BY_US = frozenset({"visit_begin", "visit_resume", "visit_ask"})
ON, OFF = "on", "off"  # slot `visit` when a form ends: go on, or not
_OFTEN = 3  # so often a question is put; then the form waits in silence
_UNCLEAR = 2  # answers that say nothing, after which the visit ends
# What somebody wants for themselves is served first, by its own rule; the form asks again after it.
_OWN = frozenset(
    {
        "report_adverse_event",
        "stop_contact",
        "resume_contact",
        "complain",
        "irritated",
        "privacy",
        "export_data",
        "delete_data",
        "change_profile",
        "bot_challenge",
        "patient_ask_product",
    }
)
# Of these the words may just as well answer the step: 发份资料, 请代表联系我.
_STEP_INTENTS = frozenset({"ask_material", "ask_rep", "ask_human", "ask_meeting", "ask_medical_information"})


class ValidateStep(Action):  # type: ignore[misc]
    """Whether the words answer the question of the step; words that do not are left to their own rule."""

    def __init__(self, step: Step) -> None:
        self._step = step

    def name(self) -> str:
        return f"validate_visit_{self._step}_form"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        call = current()
        visit = await visits.open_visit(call.tx, call.contact, call.now)
        if visit is None:
            return [SlotSet("visit", OFF), SlotSet("requested_slot", None)]
        if tracker.get_slot("requested_slot") != f"visit_{self._step}" or intent(tracker) in BEGUN_BY_US:
            return []  # the form has just been opened: these words answered what was before
        return await self._read(dispatcher, call, tracker, visit)

    async def _read(
        self, dispatcher: CollectingDispatcher, call: ActionCall, tracker: Any, visit: VisitRow
    ) -> list[EventType]:
        words, meant = words_of(tracker), intent(tracker)
        if agreed := _agreed(tracker, words, call.now):
            return await self._moved(call, visit, agreed)
        question = visits.asks(words) and meant.startswith("ask_") and meant not in _STEP_INTENTS
        if (named := visits.value_of(self._step, words)) and not question:
            return await self._filled(call, visit, named)
        answer = None if question else read_postponement(words, call.now)
        if answer is not None and answer.answer == VisitAnswer.REFUSE:
            return await self._refused(call, visit)
        if answer is not None and answer.answer == VisitAnswer.PUT_OFF:
            return await self._put_off(dispatcher, call, visit, answer)
        if self._step == Step.PERMISSION and (meant == "affirm" or answer is not None):
            return await self._filled(call, visit, "given")
        if meant in _OWN or meant.startswith("ask_") or visits.asks(words):
            return []
        if self._step == Step.NEED or (self._step == Step.REACTION and len(words) > 4):
            return await self._filled(call, visit, "other")
        if await visits.unclear(call.tx, visit, call.turn_id, call.now) >= _UNCLEAR:
            await visits.end(call.tx, visit, call.contact, Ending.NO_ANSWER, call.now, call.turn_id)
            return [SlotSet("visit", OFF), SlotSet("requested_slot", None)]
        return []

    async def _filled(self, call: ActionCall, visit: VisitRow, value: str) -> list[EventType]:
        if self._step == Step.NEXT and value == "none":
            value = "nothing"
        await visits.notice(call.tx, visit, self._step, value, call.turn_id, call.now)
        return [SlotSet(f"visit_{self._step}", value), SlotSet("visit", ON), SlotSet("visit_when", None)]

    async def _refused(self, call: ActionCall, visit: VisitRow) -> list[EventType]:
        if self._step == Step.NEXT:
            return await self._filled(call, visit, "nothing")
        await visits.end(call.tx, visit, call.contact, Ending.REFUSED, call.now, call.turn_id)
        return [SlotSet("visit", OFF), SlotSet("requested_slot", None)]

    async def _put_off(
        self, dispatcher: CollectingDispatcher, call: ActionCall, visit: VisitRow, put_off: Postponement
    ) -> list[EventType]:
        """Later: at the time they name, or when the next one fits; put off twice without one, it is over."""
        if isinstance(put_off.time, Ambiguous):
            options = [
                visits.time_for(one, call.now, call.services.limits) for one in put_off.time.options[:2]
            ]
            _ask_which(dispatcher, options)
            return [SlotSet("visit_when", [one.isoformat() for one in options])]
        if put_off.time is None and visit.moves:
            await visits.end(call.tx, visit, call.contact, Ending.BUSY, call.now, call.turn_id)
            return [SlotSet("visit", OFF), SlotSet("requested_slot", None)]
        return await self._moved(call, visit, visits.time_for(put_off.time, call.now, call.services.limits))

    @staticmethod
    async def _moved(call: ActionCall, visit: VisitRow, to: datetime) -> list[EventType]:
        await visits.move(call.tx, visit, call.contact, to, call.turn_id, call.now)
        return [SlotSet("visit", OFF), SlotSet("requested_slot", None), SlotSet("visit_when", None)]


def _agreed(tracker: Any, words: str, now: datetime) -> datetime | None:
    """The one of the moments they were asked about that they mean."""
    options = [datetime.fromisoformat(one) for one in tracker.get_slot("visit_when") or ()]
    answer = read_postponement(words, now) if options else None
    if answer is None:
        return None
    if answer.answer == VisitAnswer.ACCEPT and len(options) == 1:
        return options[0]
    return visits.meant(options, answer.time) if isinstance(answer.time, SaidTime) else None


def _ask_which(dispatcher: CollectingDispatcher, options: Sequence[datetime]) -> None:
    spoken = [spoken_time(one) for one in options]
    buttons = [{"title": one, "payload": f"visit:when{number}"} for number, one in enumerate(spoken, start=1)]
    if len(spoken) > 1:
        say(dispatcher, "utter_visit_when", due=spoken[0], or_due=spoken[1], buttons=buttons)
    else:
        say(dispatcher, "utter_visit_sure", due=spoken[0], buttons=buttons)


class AskStep(Action):  # type: ignore[misc]
    """The question of a step: whole the first time, short after something in between, then no more."""

    def __init__(self, step: Step) -> None:
        self._step = step

    def name(self) -> str:
        return f"action_ask_visit_{self._step}_form_visit_{self._step}"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        call = current()
        visit = await visits.open_visit(call.tx, call.contact, call.now)
        if visit is None or tracker.get_slot("visit_when"):
            return []
        first = await visits.ask_step(call.tx, visit, call.contact, self._step, call.now)
        product = await self._product(call, visit)
        values = {"product": product} if self._step in (Step.PERMISSION, Step.NEED) else {}
        if first and self._step == Step.PERMISSION:
            before = await visits.spoke_before(
                call.tx, visit, call.contact, call.services.published.content, call.now
            )
            say(dispatcher, f"utter_visit_open{'_' if before else ''}{before}", **values)
        elif first:
            say(dispatcher, f"utter_visit_{self._step}", **values)
        elif visit.asked < _OFTEN:
            say(dispatcher, f"utter_visit_back_{self._step}", **values)
        return []

    @staticmethod
    async def _product(call: ActionCall, visit: VisitRow) -> str:
        return await visits.product_of(call.tx, visit, call.services.published.content)


class VisitMessage(Action):  # type: ignore[misc]
    """The key message with its reference, in the format that they prefer."""

    def name(self) -> str:
        return "action_visit_message"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        call = current()
        visit = await visits.open_visit(call.tx, call.contact, call.now)
        if visit is None:
            return _forgotten()
        edition = call.services.published.edition
        message = await visits.message_for(call.tx, visit, call.contact, edition.content, call.now)
        if message is None:
            await visits.end(call.tx, visit, call.contact, Ending.NOTHING, call.now, call.turn_id)
            say(dispatcher, "utter_visit_nothing")
            return _forgotten()
        await present(dispatcher, call, message, await visits.form_for(call.tx, call.contact, call.now))
        await visits.told(call.tx, visit, str(edition.basis(message.id)), call.turn_id, call.now)
        return [SlotSet("product", message.product), SlotSet("visit", ON)]


class CloseVisit(Action):  # type: ignore[misc]
    """What they want next is passed on, and thanks."""

    def name(self) -> str:
        return "action_visit_close"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        call, wanted = current(), str(tracker.get_slot("visit_next") or "")
        visit = await visits.open_visit(call.tx, call.contact, call.now)
        if visit is not None:
            product = await visits.product_of(call.tx, visit, call.services.published.content)
            if wanted == "material":
                await self._material(dispatcher, call, visit, product)
            elif wanted in ("rep", "meeting"):
                detail = "希望代表联系" if wanted == "rep" else "希望了解学术会议"
                await find_colleague(dispatcher, call, f"[拜访] {product}：{detail}", soon=False)
            await visits.end(call.tx, visit, call.contact, Ending.COMPLETED, call.now, call.turn_id)
        say(dispatcher, "utter_visit_close")
        return _forgotten()

    @staticmethod
    async def _material(
        dispatcher: CollectingDispatcher, call: ActionCall, visit: VisitRow, product: str
    ) -> None:
        """An approved material at once; else a colleague sends one."""
        found = call.services.published.content.product.get(await visits.product_id_of(call.tx, visit))
        if not await send_material(dispatcher, call, found, f"{product}资料"):
            due = await ask(call, Kind.MATERIAL, f"[拜访] {product}资料")
            say(dispatcher, "utter_material", due=spoken_time(due))


class VisitOff(Action):  # type: ignore[misc]
    """Why the visit does not go on now."""

    def name(self) -> str:
        return "action_visit_off"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        call = current()
        visit = await visits.open_visit(call.tx, call.contact, call.now)
        if visit is not None and visit.moved_to is not None:
            say(dispatcher, "utter_visit_moved", due=spoken_time(visit.moved_to.astimezone(CHINA)))
            return _forgotten()
        ending = await visits.ended_in(call.tx, call.turn_id)
        if ending == Ending.REFUSED:
            say(dispatcher, "utter_visit_refused")
        elif ending in (Ending.BUSY, Ending.NO_ANSWER):
            say(dispatcher, "utter_busy")
        elif ending != Ending.NOTHING:  # it had ended before these words, which are answered as any others
            return [*_forgotten(), *await fall_back(dispatcher, call, tracker)]
        return _forgotten()


class ResumeVisit(Action):  # type: ignore[misc]
    """It goes on where it stood: at the time agreed, or because they ask for it; else it begins."""

    def name(self) -> str:
        return "action_visit_resume"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        call, wished = current(), intent(tracker) == "visit_ask"
        if call.contact.audience == Audience.PATIENT:
            say(dispatcher, "utter_patient_no_product")
            return [SlotSet("visit_step", None)]
        visit = await visits.open_visit(call.tx, call.contact, call.now)
        content = call.services.published.content
        if visit is None and wished:
            plan = await visits.plan_for(call.tx, call.contact, content, call.now)
            if plan is not None:
                visit = await visits.request_visit(call.tx, call.contact, plan, call.now)
        if visit is None:
            if wished:
                say(dispatcher, "utter_visit_nothing")
            return [SlotSet("visit_step", None)]
        step = Step(visit.step)
        if wished and step == Step.PERMISSION:
            step = Step.NEED
        elif not wished:
            say(dispatcher, "utter_visit_resume", product=await visits.product_of(call.tx, visit, content))
        return [SlotSet("visit_step", step.value)]


class Busy(Action):  # type: ignore[misc]
    """「忙」 outside a question of ours: a visit that waits is moved, if they name a time."""

    def name(self) -> str:
        return "action_busy"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        if not await moved_again(dispatcher, current(), words_of(tracker)):
            say(dispatcher, "utter_busy")
        return []


def _forgotten() -> list[EventType]:
    """Nothing of it is left in the conversation: the next visit asks anew."""
    slots = ("visit", "visit_when", "visit_step", *(f"visit_{step}" for step in Step))
    return [SlotSet(name, None) for name in slots]
