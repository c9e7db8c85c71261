"""The steps of a visit. Which follows which stands in `data/rules/visits.yml`.

Each step that waits for an answer is a form with one slot: a question in between is answered by its own rule,
and the form asks again. What the answers mean is read in `actions/visit_answers.py`.
"""

from __future__ import annotations

from typing import Any

from rasa_sdk import Action
from rasa_sdk.events import EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher

from actions.appointments import moved_again, tell_moved
from actions.call import ask, current, hears_first, intent, present, say, spoken_time, words_of
from actions.colleagues import find_colleague
from actions.talk import send_material
from actions.visit_answers import BEGUN_BY_US, ON
from bot import visits
from bot.dialogue.action_calls import ActionCall
from bot.model import Audience
from bot.tasks import Kind
from bot.visits import Ending, Step, VisitRow

_OFTEN = 3  # so often a question is put; then the form waits in silence


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
        begun = intent(tracker) in BEGUN_BY_US
        if visit.step == self._step and visit.asked and not begun and hears_first(call, tracker):
            return []
        ours = begun and not _wished(tracker)
        first = await visits.ask_step(
            call.tx, visit, call.contact, self._step, call.turn_id, call.now, ours=ours
        )
        product = await self._product(call, visit)
        values = {"product": product} if self._step in (Step.PERMISSION, Step.NEED) else {}
        if first and self._step == Step.PERMISSION:
            before = await visits.spoke_before(
                call.tx, visit, call.contact, call.services.published.content, call.now
            )
            say(dispatcher, f"utter_visit_open{'_' if before else ''}{before}", **values)
        elif first:
            say(dispatcher, f"utter_visit_{self._step}", **values)
        elif visit.asked < _OFTEN or begun:
            say(dispatcher, f"utter_visit_back_{self._step}", **values)
        return []

    @staticmethod
    async def _product(call: ActionCall, visit: VisitRow) -> str:
        return await visits.product_of(call.tx, visit, call.services.published.content)


def _wished(tracker: Any) -> bool:
    return intent(tracker) == "visit_ask"


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
            await tell_moved(dispatcher, call, visit.moved_to)
            return _forgotten()
        ending = await visits.ended_in(call.tx, call.turn_id)
        if ending == Ending.REFUSED:
            say(dispatcher, "utter_visit_refused")
        elif ending == Ending.BUSY:
            say(dispatcher, "utter_busy")
        elif ending == Ending.NO_ANSWER:
            say(dispatcher, "utter_visit_over")
        elif ending == Ending.ANNOYED and intent(tracker) == "irritated":
            say(dispatcher, "utter_visit_annoyed")
        elif ending == Ending.WRONG_PERSON:
            say(dispatcher, "utter_visit_wrong_person")
        return _forgotten()  # else these words were answered by their own rule


class ResumeVisit(Action):  # type: ignore[misc]
    """It goes on where it stood: at the time agreed, or because they ask for it; else it begins."""

    def name(self) -> str:
        return "action_visit_resume"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        call, wished = current(), _wished(tracker)
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
