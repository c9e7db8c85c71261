"""Stop and resume: withdrawing is as easy as agreeing, and holds on every channel."""

from __future__ import annotations

from datetime import datetime

from bot.evidence import Evidence
from bot.store import contacts, outbox_outcomes
from bot.store.contacts import Contact
from bot.store.database import Tx


async def stop(tx: Tx, contact: Contact, now: datetime) -> None:
    """Stop means stop: every channel of this person, every queued proactive message."""
    await contacts.stop(tx, contact.person_id, now)
    everywhere = [contact.id for contact in await contacts.of_person(tx, contact.person_id)]
    cancelled = await outbox_outcomes.cancel_proactive(tx, everywhere)
    await _record(tx, contact, now, "person.stopped", {"cancelled": cancelled})


async def resume(tx: Tx, contact: Contact, now: datetime) -> None:
    """They want to hear from us again."""
    await contacts.stop(tx, contact.person_id, None)
    await _record(tx, contact, now, "person.resumed", {})


async def _record(tx: Tx, contact: Contact, now: datetime, kind: str, facts: dict[str, int]) -> None:
    await Evidence(
        kind=kind,
        at=now,
        subject=f"contact:{contact.id}",
        facts=facts,
        person_id=contact.person_id,
        contact_id=contact.id,
    ).record(tx)
