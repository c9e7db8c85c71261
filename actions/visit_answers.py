"""What the words say to the question of a visit's step: an answer, later, no, an objection; anything else is
left to its own rule."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rasa_sdk import Action
from rasa_sdk.events import EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher

from actions.call import current, intent, offered, present, quote, say, spoken_time, words_of
from bot import visits
from bot.dialogue.action_calls import ActionCall
from bot.knowledge import Format, KeyMessage
from bot.model import Audience, Basis, Purpose
from bot.people import stop
from bot.profiles import wish_format
from bot.schedule import Ambiguous, Postponement, SaidTime, VisitAnswer, read_postponement
from bot.visits import Ending, Step, VisitRow

BEGUN_BY_US = frozenset({"visit_begin", "visit_resume", "visit_ask"})
ON, OFF = "on", "off"  # slot `visit` when a form ends: go on, or not
_SHORT = 4  # characters; a longer reaction says something of the message
_UNCLEAR = 2  # answers that say nothing, after which the visit ends
# What somebody wants for themselves is served first, by its own rule; the form asks again after it.
_OWN = frozenset(
    {
        "greet",  # says neither yes nor no, and is no failed answer either; so do the next two
        "thank",
        "chitchat",
        "report_adverse_event",
        "stop_contact",
        "resume_contact",
        "privacy",
        "export_data",
        "delete_data",
        "change_profile",
        "bot_challenge",
        "patient_ask_product",
    }
)
_ANSWERS_AN_OFFER = frozenset({"choose", "affirm", "deny"})
# With these the visit is over; what they want is answered by its own rule.
_ENDS = {
    "irritated": Ending.ANNOYED,
    "complain": Ending.ANNOYED,
    "ask_human": Ending.HANDED_OVER,
    "ask_rep": Ending.HANDED_OVER,
    "goodbye": Ending.LEFT,
}
# Of these the words may just as well answer the step: 发份资料, 请代表联系我.
_STEP_INTENTS = frozenset({"ask_material", "ask_rep", "ask_human", "ask_meeting", "ask_medical_information"})
# Steps before the message is told, and what a wish for a form alone answers to them.
_BEFORE = {Step.PERMISSION: "given", Step.NEED: "other"}
_UNDERSTOOD: list[EventType] = [SlotSet("visit_when", None)]  # no answer, and for no rule of its own either


class ValidateStep(Action):  # type: ignore[misc]
    """Whether the words answer the question of the step; words that do not are left to their own rule."""

    def __init__(self, step: Step) -> None:
        self._step = step

    def name(self) -> str:
        return f"validate_visit_{self._step}_form"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        call = current()
        asked = (
            tracker.get_slot("requested_slot") == f"visit_{self._step}" and intent(tracker) not in BEGUN_BY_US
        )
        visit = await visits.open_visit(call.tx, call.contact, call.now)
        if visit is None:
            # Over meanwhile. The form is asked first and last in a turn; between, the words have their rule.
            return [] if asked and call.ordinal == 0 else _off()
        if not asked or call.ordinal:
            return []  # the form has just been opened, or the words have been answered by their own rule
        return await self._read(dispatcher, call, tracker, visit)

    async def _read(
        self, dispatcher: CollectingDispatcher, call: ActionCall, tracker: Any, visit: VisitRow
    ) -> list[EventType]:
        words, meant = words_of(tracker), intent(tracker)
        if tracker.get_slot("adverse_event") or _answers_an_offer(call, tracker):
            return []
        if agreed := _agreed(tracker, words, call.now):
            return await self._moved(call, visit, agreed)
        if visits.is_somebody_else(words):
            await stop.stop_kinds(call.tx, call.contact, [Purpose.PROMOTION], call.now)
            return await self._over(call, visit, Ending.WRONG_PERSON)
        asks = visits.asks(words)
        if not asks and self._step != Step.PERMISSION and (objection := visits.objection_of(words)):
            return await self._objected(dispatcher, call, visit, objection)
        question = asks and meant.startswith("ask_") and meant not in _STEP_INTENTS
        formed = not question and await self._formed(dispatcher, call, visit, words)
        if (named := visits.value_of(self._step, words)) and not question:
            if self._step == Step.REACTION and visits.says_more(self._step, words):
                await visits.notice(call.tx, visit, "remark", named, call.turn_id, call.now)
            return await self._filled(call, visit, named)
        if formed:
            value = _BEFORE.get(self._step)
            return await self._filled(call, visit, value) if value else _UNDERSTOOD
        answer = None if question else read_postponement(words, call.now)
        if answer is not None and answer.answer == VisitAnswer.REFUSE:
            return await self._refused(call, visit)
        if answer is not None and answer.answer == VisitAnswer.PUT_OFF:
            return await self._put_off(dispatcher, call, visit, answer)
        if self._step == Step.PERMISSION and (meant == "affirm" or answer is not None):
            return await self._filled(call, visit, "given")
        if meant in _ENDS:
            return await self._broken_off(call, visit, meant)
        if meant in _OWN or meant.startswith("ask_") or asks or tracker.get_slot("case"):
            return []  # details of a case just told go to its colleague, and are no answer to us
        return await self._unplaced(call, visit, words)

    async def _formed(
        self, dispatcher: CollectingDispatcher, call: ActionCall, visit: VisitRow, words: str
    ) -> bool:
        """Whether they wished for a form and have it: of what is to come, or a picture of what they were told
        (很详细 is praise)."""
        form, told = visits.format_of(words), None
        if form == Format.CHART and self._step not in _BEFORE:
            told = call.services.published.edition.quoted(Basis.parse(visit.key_message))
        if isinstance(told, KeyMessage):
            await present(dispatcher, call, told, Format.CHART)
        elif not form or self._step not in _BEFORE:
            return False
        await wish_format(call.tx, call.contact, form, f"turn:{call.turn_id}", call.now)
        return True

    async def _unplaced(self, call: ActionCall, visit: VisitRow, words: str) -> list[EventType]:
        """Words that no list knows: of a message they say something; else nothing, which ends it at last."""
        if self._step == Step.NEED or (self._step == Step.REACTION and len(words) > _SHORT):
            return await self._filled(call, visit, "other")
        if await visits.unclear(call.tx, visit, call.turn_id, call.now) >= _UNCLEAR:
            return await self._over(call, visit, Ending.NO_ANSWER)
        return []

    async def _filled(self, call: ActionCall, visit: VisitRow, value: str) -> list[EventType]:
        if self._step == Step.NEXT and value == "none":
            value = "nothing"
        await visits.notice(call.tx, visit, self._step, value, call.turn_id, call.now)
        # What was offered on the way is not taken up any more by a later 好的.
        cleared = [SlotSet("visit_when", None), SlotSet("pending", None)]
        return [SlotSet(f"visit_{self._step}", value), SlotSet("visit", ON), *cleared]

    async def _objected(
        self, dispatcher: CollectingDispatcher, call: ActionCall, visit: VisitRow, name: str
    ) -> list[EventType]:
        """Answered by an approved reply, and by what approved content says to it."""
        say(dispatcher, f"utter_visit_objection_{name}")
        published, question = call.services.published, visits.objection_question(name)
        product = published.content.product.get(await visits.product_id_of(call.tx, visit))
        if question and product is not None:
            text = f"{product.generic}{question}"
            entry = published.index.decide(text, Audience.DOCTOR, call.now).entry
            if entry is not None and entry.product == product.id:
                quote(dispatcher, call, entry)
        if self._step == Step.REACTION:
            return await self._filled(call, visit, name)
        await visits.notice(call.tx, visit, "objection", name, call.turn_id, call.now)
        return _UNDERSTOOD

    async def _refused(self, call: ActionCall, visit: VisitRow) -> list[EventType]:
        if self._step == Step.NEXT:
            return await self._filled(call, visit, "nothing")
        return await self._over(call, visit, Ending.REFUSED)

    async def _broken_off(self, call: ActionCall, visit: VisitRow, meant: str) -> list[EventType]:
        """It is over. What they want is still to be answered by its own rule, before the form is left."""
        ending = _ENDS[meant]
        if ending == Ending.LEFT and self._step == Step.NEXT:
            return await self._filled(call, visit, "nothing")
        if ending == Ending.HANDED_OVER:
            await visits.notice(call.tx, visit, Step.NEXT, "rep", call.turn_id, call.now)
        over = await self._over(call, visit, ending)
        return over if meant == "irritated" else []

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
            return await self._over(call, visit, Ending.BUSY)
        return await self._moved(call, visit, visits.time_for(put_off.time, call.now, call.services.limits))

    @staticmethod
    async def _moved(call: ActionCall, visit: VisitRow, to: datetime) -> list[EventType]:
        await visits.move(call.tx, visit, call.contact, to, call.turn_id, call.now)
        return [*_off(), SlotSet("visit_when", None)]

    @staticmethod
    async def _over(call: ActionCall, visit: VisitRow, ending: Ending) -> list[EventType]:
        await visits.end(call.tx, visit, call.contact, ending, call.now, call.turn_id)
        return _off()


def _off() -> list[EventType]:
    return [SlotSet("visit", OFF), SlotSet("requested_slot", None)]


def _answers_an_offer(call: ActionCall, tracker: Any) -> bool:
    """They answer what was offered in the turn before, which asked nothing of the visit."""
    if intent(tracker) not in _ANSWERS_AN_OFFER or not offered(call, tracker):
        return False
    picked = next(tracker.get_latest_entity_values("choice"), None) or ""
    of_visit = any(name.startswith("utter_visit") for name in tracker.get_slot("just_said") or ())
    return not of_visit and not str(picked).startswith("visit:")


def _agreed(tracker: Any, words: str, now: datetime) -> datetime | None:
    """The one of the moments they were asked about that they mean."""
    options = [datetime.fromisoformat(one) for one in tracker.get_slot("visit_when") or ()]
    answer = read_postponement(words, now) if options else None
    if answer is None:
        return None
    if answer.answer == VisitAnswer.ACCEPT and len(options) == 1:
        return options[0]
    if not isinstance(answer.time, SaidTime):
        return None
    return visits.meant(options, answer.time) or _of_its_day(options, words)


def _of_its_day(options: Sequence[datetime], words: str) -> datetime | None:
    """晚上的 means the one that is in the evening, whatever its day."""
    found = []
    for one in options:
        answer = read_postponement(words, one.replace(hour=0, minute=0))
        if answer is not None and isinstance(answer.time, SaidTime) and visits.meant([one], answer.time):
            found.append(one)
    return found[0] if len(found) == 1 else None


def _ask_which(dispatcher: CollectingDispatcher, options: Sequence[datetime]) -> None:
    spoken = [spoken_time(one) for one in options]
    buttons = [{"title": one, "payload": f"visit:when{number}"} for number, one in enumerate(spoken, start=1)]
    if len(spoken) > 1:
        say(dispatcher, "utter_visit_when", due=spoken[0], or_due=spoken[1], buttons=buttons)
    else:
        say(dispatcher, "utter_visit_sure", due=spoken[0], buttons=buttons)
