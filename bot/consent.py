"""Stop and resume: withdrawing is as easy as agreeing, and holds on every channel."""

from __future__ import annotations

from datetime import datetime

from bot.evidence import Evidence
from bot.store import contacts, outcomes
from bot.store.contacts import Contact
from bot.store.database import Tx


async def stop(tx: Tx, whose: Contact, now: datetime) -> None:
    """Stop means stop: every channel of this person, every queued proactive message."""
    await contacts.stop(tx, whose.person_id, now)
    everywhere = [contact.id for contact in await contacts.of_person(tx, whose.person_id)]
    cancelled = await outcomes.cancel_proactive(tx, everywhere)
    await _record(tx, whose, now, "person.stopped", {"cancelled": cancelled})


async def resume(tx: Tx, whose: Contact, now: datetime) -> None:
    """They want to hear from us again."""
    await contacts.stop(tx, whose.person_id, None)
    await _record(tx, whose, now, "person.resumed", {})


async def _record(tx: Tx, whose: Contact, now: datetime, kind: str, facts: dict[str, int]) -> None:
    await Evidence(
        kind=kind,
        at=now,
        subject=f"contact:{whose.id}",
        facts=facts,
        person_id=whose.person_id,
        contact_id=whose.id,
    ).record(tx)
