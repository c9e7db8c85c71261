"""Stop and resume: withdrawing is as easy as agreeing, and holds on every channel.

A stop of one kind of message is a withdrawn consent to its purpose. A stop of all belongs to the person: it
holds for contacts that they get later, and survives an import, a contact that turns out to be theirs, and
unfollowing; only their own words undo it.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from bot.evidence import note
from bot.model import Audience, Fault, Purpose
from bot.people import consent
from bot.store import contacts, outbox_outcomes, people, triggers
from bot.store.contacts import Contact
from bot.store.database import Tx

KINDS = {Purpose.SERVICE: "会议通知", Purpose.PROMOTION: "产品资料", Purpose.MEDICATION: "用药提醒"}
_OF_DOCTORS = frozenset({Purpose.SERVICE, Purpose.PROMOTION})
_SOURCE = "message"  # they wrote it


async def stop(tx: Tx, contact: Contact, now: datetime) -> None:
    """Stop means stop: every channel of this person, every queued proactive message."""
    person_id = await people.stop(tx, contact.person_id, now)
    everywhere = [contact.id for contact in await contacts.of_person(tx, person_id)]
    cancelled = await outbox_outcomes.cancel_proactive(tx, everywhere)
    ended = await triggers.cancel(tx, everywhere, Fault.STOPPED)
    await note(
        tx,
        "person.stopped",
        now,
        f"contact:{contact.id}",
        contact,
        cancelled=cancelled,
        triggers=[trigger.id for trigger in ended],
    )


async def stop_kinds(tx: Tx, contact: Contact, purposes: Collection[Purpose], now: datetime) -> list[Purpose]:
    """Messages of these purposes alone are to stop; those of them that their audience gets at all, if any."""
    doctor = contact.audience == Audience.DOCTOR
    named = [purpose for purpose in KINDS if purpose in purposes]
    ended = [purpose for purpose in named if not doctor or purpose in _OF_DOCTORS] or named
    for purpose in ended:
        await consent.withdraw(tx, contact, purpose, now, source=_SOURCE)
    return ended


def spoken(purposes: Collection[Purpose]) -> str:
    """These kinds of messages as people call them."""
    return "、".join(name for purpose, name in KINDS.items() if purpose in purposes)


async def resume(tx: Tx, contact: Contact, now: datetime) -> None:
    """They want to hear from us again: what they had withdrawn by a message is given as it was."""
    await people.stop(tx, contact.person_id, None)
    await consent.restore(tx, contact, now, source=_SOURCE)
    await note(tx, "person.resumed", now, f"contact:{contact.id}", contact)
