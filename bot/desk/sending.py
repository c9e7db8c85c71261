"""发资料: approved content that fits a doctor, sent by a colleague through the outbox with its own basis."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from bot import materials
from bot.clock import real_now
from bot.content import Edition, fitting, in_date, key_message_text, picture
from bot.desk.leaving import KEPT, What, begin_writing
from bot.desk.reading import Desk
from bot.evidence import note
from bot.knowledge import Format
from bot.model import Attachment, Audience, Fault, MedrepError, Purpose
from bot.staff import Session
from bot.store import desk, desk_doctor, outbox, outbox_outcomes
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.desk_doctor import SENT, SentItem
from bot.store.outbox import Draft, Part
from bot.visits import Known, form_for

MESSAGES = 6  # key messages that are offered: those that fit best
WAITS = frozenset({"waiting", "held", "sending"})


@dataclass(frozen=True, slots=True)
class Item:
    """Something that may be sent. `kind`: pdf, picture or key_message; `fits`: why it suits this doctor, ""
    for no reason of its own; `last`: when a colleague sent it last, and how that stands."""

    id: str
    kind: str
    title: str
    product: str
    source: str
    fits: str
    last: SentItem | None


def sendable(reading: Desk, known: Known | None, sent: list[SentItem], now: datetime) -> tuple[Item, ...]:
    """What is in force for doctors; what shares their interests or department first. None: not verified."""
    edition = reading.edition
    if known is None or edition is None:
        return ()
    last = {one.item: one for one in reversed(sent)}
    told = [one.item for one in sent]
    messages = fitting(edition.content, Audience.DOCTOR, "", known.department, known.interests, told, now)
    why = {
        one.id: why_fits(one.interests, one.specialties, known.interests, known.department)
        for one in messages
    }
    found = [
        _item(edition, one.id, "key_message", one.point, one.product, why[one.id], last)
        for one in messages[:MESSAGES]
    ]
    for one in edition.content.materials:
        if one.audience == Audience.DOCTOR and in_date(one, edition.content, now):
            fits = next((why[name] for name in one.key_messages if why.get(name)), "")
            found.append(_item(edition, one.id, one.kind.value, one.title, one.product, fits, last))
    return tuple(sorted(found, key=lambda one: (one.fits == "", one.kind == "key_message")))


def why_fits(
    theirs: tuple[str, ...], specialties: tuple[str, ...], interests: tuple[str, ...], department: str
) -> str:
    shared = [one for one in interests if any(one in other or other in one for other in theirs)]
    if shared:
        return f"医生关注{'、'.join(shared[:2])}"
    return f"适合{department}" if specialties and department else ""


def _item(
    edition: Edition, item_id: str, kind: str, title: str, product: str, fits: str, last: dict[str, SentItem]
) -> Item:
    name, source = edition.content.product[product].generic, str(edition.basis(item_id))
    return Item(item_id, kind, title, name, source, fits, last.get(item_id))


async def send_item(reading: Desk, who: Session, person_id: UUID, item_id: str) -> int:
    """Queue it; the outbox row, which leaves when it may.

    Raises MedrepError(NOT_FOUND | NO_BASIS: not in force | CONFLICT: it waits already, or may not be sent).
    """
    services, now = reading.services, reading.services.clock.now()
    async with reading.reading(who) as tx:
        await desk.doctor_card(tx, services.vault, person_id)
    async with services.db.begin() as tx:
        contact = await begin_writing(reading, tx, who, person_id, now, What.MATERIAL)
        before = await desk_doctor.sent_items(tx, [contact.id])
        if any(one.item == item_id and one.state in WAITS for one in before):
            raise MedrepError(Fault.CONFLICT, "这一份已经在等待发送")
        draft = await _draft(reading, tx, who, contact, item_id, now)
        queued = await outbox.add(
            tx,
            services.vault,
            contact,
            draft,
            now=now,
            retry_at=real_now(),
            expires_at=now + KEPT,
            subject=f"{SENT}{item_id}@{who.login}",
        )
        facts: dict[str, Any] = {"login": who.login, "content": item_id, "basis": draft.basis}
        await note(tx, "content.sent", now, f"outbox:{queued.row.id}", contact, **facts)
        return queued.row.id


async def _draft(reading: Desk, tx: Tx, who: Session, contact: Contact, item_id: str, now: datetime) -> Draft:
    services, edition = reading.services, reading.edition
    if edition is None:
        raise MedrepError(Fault.NO_BASIS, "no content is in force")
    message = edition.content.key_message.get(item_id)
    if message is None:
        offered = await materials.offer(tx, services, contact, item_id, now)
        reply = services.published.dialogue.reply(
            "utter_material_rep",
            contact.audience,
            Purpose.PROMOTION,
            rep=who.name,
            material=offered.material.title,
            link=offered.url,
        )
        return Draft.of(reply)
    if message.audience != contact.audience or not in_date(message, edition.content, now):
        raise MedrepError(Fault.NO_BASIS, f"{item_id} is not to be sent")
    form, basis, attachment = await form_for(tx, contact, now), edition.basis(item_id), None
    if form is Format.CHART:
        drawn = await asyncio.to_thread(picture, message, edition.content)
        attachment = Attachment(basis.ref, basis.version, drawn.digest)
    part = Part(key_message_text(message, form, edition.content, now), basis)
    return Draft((part,), Purpose.PROMOTION, attachment=attachment)


async def recall(reading: Desk, who: Session, person_id: UUID, outbox_id: int) -> None:
    """What a colleague has sent and has not left does not leave.

    Raises MedrepError(NOT_FOUND | CONFLICT: it is on its way, or no colleague's).
    """
    services, now = reading.services, reading.services.clock.now()
    async with reading.reading(who) as tx:
        await desk.doctor_card(tx, services.vault, person_id)
        ids = [one.id for one in await desk.contacts_of(tx, person_id, now)]
        known = {one.id: one for one in await desk_doctor.sent_items(tx, ids)}
    if outbox_id not in known:
        raise MedrepError(Fault.NOT_FOUND, "no colleague has sent this")
    async with services.db.begin() as tx:
        if not await outbox_outcomes.cancel(tx, outbox_id, "recalled"):
            raise MedrepError(Fault.CONFLICT, "已经发出，收不回来了")
        row = await outbox.read(tx, outbox_id)
        await note(tx, "content.recalled", now, f"outbox:{outbox_id}", row, login=who.login)
