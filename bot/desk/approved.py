"""What a colleague sends without typing it: approved replies with blanks, answers, key messages, materials.

Each is rendered here from what is in force and compared once more at the exit; its basis is what was
approved, and the message says who picked it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot import materials
from bot.clock import CHINA
from bot.compliance import check_text
from bot.content import in_date, key_message_text, picture
from bot.desk.acting import locked_as_shown, seen
from bot.desk.reading import Desk, Mark
from bot.dialogue.version import PLACEHOLDERS, Dialogue
from bot.knowledge import Content, Format, answer_text, is_valid
from bot.model import Attachment, Audience, Fault, MedrepError, Purpose, Reply
from bot.people import takeover
from bot.schedule import spoken_time
from bot.staff import Session
from bot.store import doctors
from bot.store.contacts import Contact

PREFIX = "utter_colleague_"
BY_TEMPLATE = "utter_colleague_calls"  # what the platform's template says, and no message
AHEAD = timedelta(days=60)
OFFERED = 20
# Blanks that a colleague fills in, and how; {rep} is who sends it. With another blank a reply is not offered.
BLANKS = {"when": "time", "due": "time", "place": "words", "product": "product"}
_BLANK = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Phrase:
    """An approved reply. `pieces`: its words, every second one a blank's name; `blanks`: those to fill in."""

    name: str
    pieces: tuple[str, ...]
    blanks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Item:
    """Something approved: `kind` entry, key_message or material; `formats` those that it is told in."""

    kind: str
    id: str
    title: str
    about: str
    formats: tuple[str, ...] = ()


def phrases(dialogue: Dialogue, audience: Audience) -> tuple[Phrase, ...]:
    """Those that this audience may be told, as the published dialogue has them."""
    return tuple(_phrases(dialogue, audience))


def _phrases(dialogue: Dialogue, audience: Audience) -> Iterator[Phrase]:
    seen_names: set[str] = set()
    for name, whom, text in dialogue.texts():
        if whom != audience or not name.startswith(PREFIX) or name == BY_TEMPLATE or name in seen_names:
            continue
        pieces = tuple(_BLANK.split(text.strip()))
        blanks = tuple(dict.fromkeys(piece for piece in pieces[1::2] if piece != "rep"))
        if set(blanks) <= BLANKS.keys() and not (audience == Audience.PATIENT and "product" in blanks):
            seen_names.add(name)
            yield Phrase(name, pieces, blanks)


async def send_phrase(
    reading: Desk, who: Session, contact_id: int, name: str, given: Mapping[str, str], mark: Mark
) -> int:
    """Queue an approved reply with its blanks filled in; the outbox row.

    Raises MedrepError: as `takeover.send`; BAD_INPUT whose detail names the blank that cannot be taken.
    """
    services, contact = reading.services, await seen(reading, who, contact_id)
    dialogue, now = services.published.dialogue, services.clock.now()
    phrase = next((one for one in phrases(dialogue, contact.audience) if one.name == name), None)
    if phrase is None:
        raise MedrepError(Fault.BAD_INPUT, f"no approved reply {name}")
    async with services.db.begin() as tx:
        await locked_as_shown(tx, contact_id, mark)
        edition = await reading.in_force(tx)
        content = edition.content if edition else None
        values = {blank: _filled(blank, given.get(blank, ""), content, now) for blank in phrase.blanks}
        if "product" in values and not await doctors.verified(tx, [contact.person_id]):
            raise MedrepError(Fault.NO_BASIS, "product text needs a verified doctor")
        if "rep" in phrase.pieces[1::2]:
            values["rep"] = who.name
        reply = dialogue.reply(name, contact.audience, Purpose.REPLY, **values)
        said = dialogue.filled(name, reply.text, contact.audience)
        if said is None or check_text(reply.text, contact.audience):
            raise MedrepError(Fault.BAD_INPUT, "place")
        return await takeover.send(tx, services.vault, contact, who.login, reply, now, services.limits)


def _filled(blank: str, given: str, content: Content | None, now: datetime) -> str:
    """Raises MedrepError(BAD_INPUT): not what may stand there."""
    kind, given = BLANKS[blank], given.strip()
    if kind == "time":
        try:
            moment = datetime.fromisoformat(given).replace(tzinfo=CHINA)
        except ValueError:
            raise MedrepError(Fault.BAD_INPUT, blank) from None
        if not now < moment <= now + AHEAD:
            raise MedrepError(Fault.BAD_INPUT, blank)
        return spoken_time(moment)
    if kind == "product":
        product = content.product.get(given) if content else None
        if product is None:
            raise MedrepError(Fault.BAD_INPUT, blank)
        return product.generic
    if not re.fullmatch(PLACEHOLDERS[blank], given):
        raise MedrepError(Fault.BAD_INPUT, blank)
    return given


async def approved(reading: Desk, who: Session, contact_id: int, words: str) -> list[Item]:
    """What may be sent to this contact and speaks of these words, best first; without words, what there is.

    Raises MedrepError(NOT_FOUND)."""
    services, contact = reading.services, await seen(reading, who, contact_id)
    async with services.db.begin() as tx:
        edition = await reading.in_force(tx)
        if contact.audience != Audience.DOCTOR or not await doctors.verified(tx, [contact.person_id]):
            return []  # product text is for verified doctors
    if edition is None:
        return []
    found = list(_items(edition.content, contact.audience, services.clock.now()))
    wanted = _pairs(words.strip().casefold()[:40])
    if wanted:
        scored = [(_likeness(wanted, text), -number, item) for number, (item, text) in enumerate(found)]
        best = sorted((one for one in scored if one[0] > 0), key=lambda one: one[:2], reverse=True)
        return [item for *_, item in best[:OFFERED]]
    return [item for item, _ in found[:OFFERED]]


def _items(content: Content, audience: Audience, now: datetime) -> Iterator[tuple[Item, str]]:
    for material in content.materials:
        if material.audience == audience and in_date(material, content, now):
            product = content.product[material.product]
            about = f"{material.title} {product.generic} {' '.join(product.synonyms)} 资料"
            yield Item("material", material.id, material.title, product.generic), about
    for message in content.key_messages:
        if message.audience == audience and in_date(message, content, now):
            product = content.product[message.product]
            about = f"{message.point} {message.brief} {product.generic} {' '.join(product.synonyms)}"
            forms = tuple(form.value for form in Format)
            yield Item("key_message", message.id, message.point, product.generic, forms), about
    for entry in content.entries:
        document = content.document[entry.document]
        if document.audience == audience and is_valid(document, now):
            product = content.product[entry.product]
            about = " ".join([entry.question, *entry.variants, product.generic, *product.synonyms])
            yield Item("entry", entry.id, entry.question, product.generic), about


def _pairs(text: str) -> frozenset[str]:
    """Neighbouring characters within each word; a word of one character stands for itself."""
    return frozenset(
        word[at : at + 2] for word in text.split() for at in range(max(len(word) - 1, 1)) if word
    )


def _likeness(wanted: frozenset[str], text: str) -> int:
    folded = text.casefold()
    return sum(pair in folded for pair in wanted)


async def send_approved(
    reading: Desk, who: Session, contact_id: int, kind: str, item_id: str, form: str, mark: Mark
) -> int:
    """Queue an approved answer, key message or the link to a material; the outbox row.

    Raises MedrepError: as `takeover.send`, NO_BASIS (not in force, expired, or the doctor is not verified).
    """
    services, contact = reading.services, await seen(reading, who, contact_id)
    now = services.clock.now()
    async with services.db.begin() as tx:
        await locked_as_shown(tx, contact_id, mark)
        await takeover.held_by(tx, contact, who.login, now, services.limits)
        if contact.audience != Audience.DOCTOR or not await doctors.verified(tx, [contact.person_id]):
            raise MedrepError(Fault.NO_BASIS, "product text needs a verified doctor")
        if kind == "material":
            offered = await materials.offer(tx, services, contact, item_id, now)
            reply = services.published.dialogue.reply(
                "utter_material_link", contact.audience, material=offered.material.title, link=offered.url
            )
        else:
            reply = await _quoted(reading, contact, kind, item_id, form)
        return await takeover.send(tx, services.vault, contact, who.login, reply, now, services.limits)


async def _quoted(reading: Desk, contact: Contact, kind: str, item_id: str, form: str) -> Reply:
    services, now = reading.services, reading.services.clock.now()
    async with services.db.begin() as tx:
        edition = await reading.in_force(tx)
    if edition is None:
        raise MedrepError(Fault.NO_BASIS, "no content is in force")
    content = edition.content
    entry, message = content.entry.get(item_id), content.key_message.get(item_id)
    if kind == "entry" and entry is not None:
        if content.document[entry.document].audience == contact.audience:
            return Reply(text=answer_text(entry, content, now), basis=edition.basis(entry.id))
    elif kind == "key_message" and message is not None and message.audience == contact.audience:
        chosen = Format(form) if form in set(Format) else Format.BRIEF
        basis, attachment = edition.basis(message.id), None
        if chosen is Format.CHART:
            drawn = await asyncio.to_thread(picture, message, content)
            attachment = Attachment(basis.ref, basis.version, drawn.digest)
        text = key_message_text(message, chosen, content, now)
        return Reply(text=text, basis=basis, attachment=attachment)
    raise MedrepError(Fault.NO_BASIS, f"{item_id} is not in force")
