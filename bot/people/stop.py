"""Stop and resume: withdrawing is as easy as agreeing, and holds on every channel.

A stop belongs to the person. It holds for contacts that they get later, and survives an import, a contact
that turns out to be theirs, and unfollowing; only their own words undo it.
"""

from __future__ import annotations

from datetime import datetime

from bot.evidence import note
from bot.model import Fault
from bot.store import contacts, outbox_outcomes, people, triggers
from bot.store.contacts import Contact
from bot.store.database import Tx


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


async def resume(tx: Tx, contact: Contact, now: datetime) -> None:
    """They want to hear from us again."""
    await people.stop(tx, contact.person_id, None)
    await note(tx, "person.resumed", now, f"contact:{contact.id}", contact)
