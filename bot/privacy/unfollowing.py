"""They unfollowed: the platform asks that what they gave us be deleted; safety records must be kept."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from bot.clock import real_now
from bot.evidence import note
from bot.privacy.erasure import erase
from bot.store import contacts, erasure, outbox_outcomes, people, profiles
from bot.store.contacts import Contact
from bot.store.database import Tx

if TYPE_CHECKING:
    from bot.runtime.services import Services

KEPT = ["evidence (ciphertext without a key)", "adverse events"]


async def unfollowed(tx: Tx, services: Services, contact: Contact, now: datetime) -> None:
    """Nothing queued leaves, no open turn commits, no word stays.

    A newcomer is nobody else to us: their keys go, too. Of a doctor of the list the company's entry stays;
    what was said on this contact was under its own keys, which are destroyed, so its evidence opens no more.
    """
    await contacts.mark(tx, contact.id, unreachable_at=now)
    await outbox_outcomes.cancel_open(tx, contact.id)
    if await people.is_newcomer(tx, contact.person_id):
        receipts = await erase(tx, services, contact.person_id, "unfollowed")
        erased, kept = [f"{r.store}:{r.rows}" for r in receipts], KEPT
    else:
        contact_ids, kept = [contact.id], [*KEPT, "imported profile"]
        if await erasure.has_bare_key(tx, contact.person_id):
            kept.append("words from before contacts had keys of their own (ciphertext)")
        keys = await erasure.contact_keys(tx, services.vault, contact.id)
        talk = await erasure.talk(tx, (), contact_ids)
        talk |= await profiles.forget_contact(tx, contact.id, now)
        talk["medical_request"], talk["medical_step"] = await erasure.requests(tx, (), contact_ids)
        talk["turn"] = await erasure.turns(tx, contact_ids, real_now())
        talk["inbox"] = await erasure.received(tx, (), contact_ids)
        talk["outbox"], _ = await erasure.sent(tx, (), contact_ids)
        erased = [f"keys:{keys}", *(f"{store}:{rows}" for store, rows in talk.items())]
    await note(tx, "contact.unfollowed", now, f"contact:{contact.id}", contact, erased=erased, kept=kept)
