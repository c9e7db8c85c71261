"""What `pace` asks about doctors, read as the exit will read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from uuid import uuid4

from bot.model import Purpose
from bot.outbound.circumstances import Intent, read_circumstances
from bot.outbound.policy import Person
from bot.runtime.services import Services
from bot.schedule import Best
from bot.store import contacting
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.visits.pacing import DoctorNow


async def read_doctor(
    tx: Tx,
    services: Services,
    contact: Contact,
    *,
    visited: tuple[datetime, ...] = (),
    best: Best | None = None,
    agreed: datetime | None = None,
    lock: bool = True,
) -> DoctorNow:
    """The doctor at this moment; what the plan and the profile know of them is handed in (see `DoctorNow`).

    Their person is locked until the transaction ends, so that a stop waits, or was before; not with `lock`
    False, for a page that only shows it."""
    found = await read_doctors(tx, services, {contact.id: contact}, {contact.id: best}, lock=lock)
    return replace(found[contact.id], visited=visited, agreed=agreed)


async def read_doctors(
    tx: Tx,
    services: Services,
    found: Mapping[int, Contact],
    best: Mapping[int, Best | None],
    *,
    lock: bool = True,
) -> dict[int, DoctorNow]:
    """`read_doctor` of many, by contact, in as many statements as of one."""
    # The visit's own turn is none yet: what was sent before counts, whatever it was part of.
    intents = [Intent(contact_id, Purpose.PROMOTION, uuid4()) for contact_id in found]
    facts = await read_circumstances(tx, services, found, intents, lock=lock)
    windows = await contacting.windows(tx, list(found), services.clock.now())
    return {
        contact_id: DoctorNow(
            Person(one.contact.stopped_at is not None, one.contact.unreachable_at is not None),
            one.consents,
            one.occasions(None),
            one.taken_over,
            bool(one.turns),
            windows.get(contact_id, ()),
            best=best.get(contact_id),
            awaiting=one.awaiting,
        )
        for contact_id, one in facts.items()
    }


async def may_write(tx: Tx, contact: Contact, moment: datetime, now: datetime) -> bool:
    """Whether the platform's window, as it stands now, is still open at that moment."""
    windows = await contacting.windows(tx, [contact.id], now)
    return any(one.closes_at > moment for one in windows.get(contact.id, ()))
