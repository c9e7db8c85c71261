"""Talk about the talk: what they wait for, what was said, how they want to be spoken with."""

from __future__ import annotations

import re
from typing import Any

from rasa_sdk import Action
from rasa_sdk.events import EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher

from actions.answer import fall_back, show
from actions.call import ask, current, entry_of, present, say, spoken_time, words_of
from actions.colleagues import find_colleague, say_closed
from actions.status import WAITED_FOR, tell_status
from bot import materials
from bot.content import in_date, key_message_text
from bot.dialogue import said
from bot.dialogue.action_calls import ActionCall
from bot.knowledge import Entry, Format, KeyMessage, Product, products_named
from bot.model import Audience, BasisKind
from bot.people import hand_over, quiet
from bot.profiles import wish_format
from bot.tasks import Kind, add_to_open, waiting_of

# Files that are none of our materials: what is whole, printed or scanned, or goes elsewhere.
_OTHER_FILE = re.compile(r"邮箱|邮件|word|表格|文献|论文|全文|原件|原文|完整|纸质|盖章", re.I)
_PROMISE = re.compile(r"转[给到交]|联系我|答复|回复我|回我|安排人|让人")


class Irritated(Action):  # type: ignore[misc]
    """Who scolds the bot is not argued with: a colleague is told, or the one who is asked is named."""

    def name(self) -> str:
        return "action_irritated"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        call = current()
        for _kind, due in await waiting_of(call.tx, call.contact, [Kind.HAND_OVER]):
            if due > call.now:
                owner = await hand_over.waiting(call.tx, call.contact)
                say(dispatcher, "utter_irritated_waiting", rep=owner, due=spoken_time(due))
                say_closed(dispatcher, hand_over.out_of_hours(call.now, call.services.limits))
                return [SlotSet("pending", None)]
        await find_colleague(dispatcher, call, words_of(tracker), "utter_irritated")
        return [SlotSet("pending", None)]


class Quiet(Action):  # type: ignore[misc]
    """They want silence. With a request open it lasts until a colleague answers."""

    def name(self) -> str:
        return "action_quiet"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        call = current()
        if not quiet.asks_quiet(words_of(tracker)):
            return await fall_back(dispatcher, call, tracker)  # a guess silences nothing
        await keep_quiet(dispatcher, call)
        return [SlotSet("pending", None)]


async def keep_quiet(dispatcher: CollectingDispatcher, call: ActionCall) -> None:
    """One short yes."""
    if await waiting_of(call.tx, call.contact, [Kind.HAND_OVER, Kind.MEDICAL_INFORMATION]):
        await quiet.hush(call.tx, call.contact, call.now)
        say(dispatcher, "utter_hushed")
    else:
        say(dispatcher, "utter_quiet")


class Brief(Action):  # type: ignore[misc]
    """They want short texts, from now on."""

    def name(self) -> str:
        return "action_brief"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        call = current()
        await wish_format(call.tx, call.contact, "brief", f"turn:{call.turn_id}", call.now)
        say(dispatcher, "utter_brief")
        return [SlotSet("brief", True)]


class Material(Action):  # type: ignore[misc]
    """They want a file: an approved material is sent at once, as a link. What there is none of, a colleague
    sends; asked again, that is the same request."""

    def name(self) -> str:
        return "action_material"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        call, words = current(), words_of(tracker)
        if call.contact.audience == Audience.PATIENT:
            say(dispatcher, "utter_patient_no_product")
            return []
        product = call.services.published.content.product.get(_product_of(call, tracker))
        if not _OTHER_FILE.search(words) and (
            events := await send_material(dispatcher, call, product, words)
        ):
            return events
        about = f"[{product.generic}] " if product and product.generic not in words else ""
        vault, detail = call.services.vault, f"{about}{words}"
        found = await add_to_open(
            call.tx, vault, Kind.MATERIAL, now=call.now, contact=call.contact, detail=detail
        )
        due = found[1] if found else await ask(call, Kind.MATERIAL, words, mark=about)
        say(dispatcher, "utter_material", due=spoken_time(due))
        return [SlotSet("pending", None)]


def _product_of(call: ActionCall, tracker: Any) -> str:
    """The product that the words name, else the one last spoken of."""
    named = products_named(words_of(tracker), call.services.published.content.products)
    return named[0] if named else str(tracker.get_slot("product") or "")


async def send_material(
    dispatcher: CollectingDispatcher, call: ActionCall, product: Product | None, words: str
) -> list[EventType]:
    """The link to the approved material of this product, or which product is meant; nothing, where there is
    no such material."""
    edition = call.services.published.edition
    if product is None:
        having = {one.product for one in edition.content.materials if one.audience == call.contact.audience}
        names = "、".join(one.generic for one in edition.content.products if one.id in having)
        if not names:
            return []
        say(dispatcher, "utter_material_which", products=names)
        return [SlotSet("pending", None)]
    found = materials.fitting_material(edition, call.contact.audience, product.id, words, call.now)
    if found is None:
        return []
    offered = await materials.offer(call.tx, call.services, call.contact, found.id, call.now)
    say(dispatcher, "utter_material_link", material=offered.material.title, link=offered.url)
    return [SlotSet("product", product.id), SlotSet("pending", None)]


class Repeat(Action):  # type: ignore[misc]
    """The last thing that was said, again."""

    def name(self) -> str:
        return "action_repeat"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        return await repeat(dispatcher, current())


class Said(Action):  # type: ignore[misc]
    """They tell us what we said: what was really said, or that nothing of the kind was."""

    def name(self) -> str:
        return "action_said"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[EventType]:
        call, words = current(), words_of(tracker)
        claim = said.claimed(words)
        if not claim:
            return await repeat(dispatcher, call)
        waits = await waiting_of(call.tx, call.contact, list(WAITED_FOR))
        if waits and _PROMISE.search(claim):
            return await tell_status(dispatcher, call, words)
        entry = await _said_of(call, claim)
        if entry is None:
            say(dispatcher, "utter_not_said")
            return [SlotSet("pending", None)]
        say(dispatcher, "utter_said_before")
        return show(dispatcher, call, entry)


async def _said_of(call: ActionCall, claim: str) -> Entry | None:
    """The answer that they mean, if there was one: the likeliest for what they say, or what says it."""
    if call.contact.audience == Audience.PATIENT:
        return None
    told = await said.quoted(call.tx, call.contact, call.now)
    entries = [found for key in told if (found := entry_of(call, key))]
    if not entries:
        return None
    decision = call.services.published.index.decide(claim, call.contact.audience, call.now)
    likely = [decision.entry] if decision.entry else list(decision.options[:1])
    meant = next((one for one in entries if one in likely), None)
    if meant is not None and not decision.off_label:
        return meant
    for product in call.services.published.content.products:
        for name in (product.generic, *product.synonyms):
            claim = claim.replace(name, " ")  # a name in common says nothing of what was said about it
    best = max(entries, key=lambda entry: said.alike(claim, f"{entry.question} {entry.answer}"))
    return best if said.alike(claim, f"{best.question} {best.answer}") >= said.ALIKE else None


def _format_of(call: ActionCall, message: KeyMessage, text: str) -> Format:
    """The format that a key message was told in; brief, if its words have changed since."""
    content = call.services.published.content
    told = (form for form in Format if key_message_text(message, form, content, call.now) == text)
    return next(told, Format.BRIEF)


def _key_message(call: ActionCall, name: str) -> KeyMessage | None:
    published = call.services.published
    return published.content.key_message.get(name) if published.loaded else None


async def repeat(dispatcher: CollectingDispatcher, call: ActionCall) -> list[EventType]:
    draft = await said.last_said(call.tx, call.services, call.contact, call.now)
    if draft is None:
        say(dispatcher, "utter_repeat_none")
        return []
    events: list[EventType] = []
    parts = [part for part in draft.parts if said.says_something(part)]
    for number, part in enumerate(parts, start=1):
        basis = part.basis
        entry = entry_of(call, basis.ref) if basis and basis.kind == BasisKind.CONTENT else None
        message = _key_message(call, basis.ref) if basis and basis.kind == BasisKind.CONTENT else None
        if entry is not None:
            events += show(dispatcher, call, entry)
        elif message is not None and in_date(message, call.services.published.content, call.now):
            await present(dispatcher, call, message, _format_of(call, message, part.text))
        elif basis and basis.kind == BasisKind.RESPONSE:
            choices = draft.choices if number == len(parts) else ()
            buttons = [{"title": one.label, "payload": one.id} for one in choices]
            dispatcher.utter_message(text=part.text, buttons=buttons, json_message={"basis": str(basis)})
        elif basis and basis.kind == BasisKind.ANSWER:
            dispatcher.utter_message(text=part.text, json_message={"basis": str(basis)})
    if not dispatcher.messages:  # the entry was withdrawn since
        say(dispatcher, "utter_repeat_none")
    return events
