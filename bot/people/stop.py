"""Stop and resume: withdrawing is as easy as agreeing, and holds on every channel.

A stop of one kind of message is a withdrawn consent to its purpose. A stop of all belongs to the person: it
holds for contacts that they get later, and survives an import, a contact that turns out to be theirs, and
unfollowing; only their own words undo it.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from bot.evidence import note
from bot.model import PROACTIVE, Audience, Fault, Purpose
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
    named = [purpose for purpose in KINDS if purpose in purposes]
    ended = [purpose for purpose in named if purpose in kinds_of(contact, purposes)] or named
    for purpose in ended:
        await consent.withdraw(tx, contact, purpose, now, source=_SOURCE)
    return ended


def kinds_of(contact: Contact, purposes: Collection[Purpose] = PROACTIVE) -> frozenset[Purpose]:
    """Those of the purposes that their audience gets at all."""
    return frozenset(purposes) & (_OF_DOCTORS if contact.audience == Audience.DOCTOR else PROACTIVE)


def spoken(purposes: Collection[Purpose]) -> str:
    """These kinds of messages as people call them."""
    return "、".join(name for purpose, name in KINDS.items() if purpose in purposes)


async def resume_kinds(
    tx: Tx, contact: Contact, purposes: Collection[Purpose], now: datetime
) -> frozenset[Purpose]:
    """They want to hear of these purposes again, and of no others that they stopped; those that hold now.
    What was never agreed to, or withdrawn elsewhere, a message does not give."""
    if contact.stopped_at is not None:
        await people.stop(tx, contact.person_id, None)
        await stop_kinds(tx, contact, kinds_of(contact) - frozenset(purposes), now)
    await consent.restore(tx, contact, now, source=_SOURCE, purposes=purposes)
    holding = {held.purpose for held in await consent.of_person(tx, contact.person_id) if held.holds}
    await note(tx, "person.resumed", now, f"contact:{contact.id}", contact, purposes=sorted(purposes))
    return frozenset(purposes) & holding


async def wished_less(tx: Tx, contact: Contact) -> bool:
    """Whether they have stopped us, or one kind of message, in words that they may take back."""
    if contact.stopped_at is not None:
        return True
    return any(held.withdrawn_by == _SOURCE for held in await consent.of_person(tx, contact.person_id))


async def resume(tx: Tx, contact: Contact, now: datetime) -> None:
    """They want to hear from us again: what they had withdrawn by a message is given as it was."""
    await people.stop(tx, contact.person_id, None)
    await consent.restore(tx, contact, now, source=_SOURCE)
    await note(tx, "person.resumed", now, f"contact:{contact.id}", contact)
