"""They unfollowed: the platform asks that what they gave us be deleted; safety records must be kept."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from bot.clock import real_now
from bot.evidence import note
from bot.privacy.erasure import erase
from bot.store import contacts, outcomes, people, personal
from bot.store.contacts import Contact
from bot.store.database import Tx

if TYPE_CHECKING:
    from bot.base import Base

KEPT = ["evidence (ciphertext)", "adverse events"]


async def unfollowed(tx: Tx, base: Base, whose: Contact, now: datetime) -> None:
    """Nothing queued leaves, no open turn commits, no word stays.

    A newcomer is nobody else to us: their key goes, too. Of a doctor of the list the company's entry stays.
    """
    await contacts.mark(tx, whose.id, unreachable_at=now)
    await outcomes.cancel_open(tx, whose.id)
    if await people.is_newcomer(tx, whose.person_id):
        receipts = await erase(tx, base, whose.person_id, "unfollowed")
        erased, kept = [f"{r.store}:{r.rows}" for r in receipts], KEPT
    else:
        mine = [whose.id]
        talk = await personal.talk(tx, (), mine)
        talk["turn"] = await personal.turns(tx, mine, real_now())
        talk["inbox"] = await personal.received(tx, (), mine)
        talk["outbox"], _ = await personal.sent(tx, (), mine)
        erased, kept = [f"{store}:{rows}" for store, rows in talk.items()], [*KEPT, "imported profile"]
    await note(tx, "contact.unfollowed", now, f"contact:{whose.id}", whose, erased=erased, kept=kept)
