"""What `pace` asks about doctors, read as the exit will read it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import uuid4

from bot.model import Purpose
from bot.outbound.circumstances import Circumstances, Intent, read_circumstances
from bot.outbound.policy import Person
from bot.runtime.services import Services
from bot.schedule import Best
from bot.store import contacting
from bot.store.contacting import OpenWindow
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.visits.pacing import DoctorNow


async def read_doctor(tx: Tx, services: Services, contact: Contact, *, best: Best | None = None) -> DoctorNow:
    """The doctor at this moment; their person is locked until the transaction ends, so that a stop waits, or
    was before."""
    return (await read_doctors(tx, services, {contact.id: contact}, {contact.id: best}))[contact.id]


async def read_doctors(
    tx: Tx,
    services: Services,
    found: Mapping[int, Contact],
    best: Mapping[int, Best | None],
    *,
    lock: bool = True,
) -> dict[int, DoctorNow]:
    """`read_doctor` of many, by contact, in as many statements as of one; `lock` False: nobody is locked."""
    # The visit's own turn is none yet: what was sent before counts, whatever it was part of.
    intents = [Intent(contact_id, Purpose.PROMOTION, uuid4()) for contact_id in found]
    facts = await read_circumstances(tx, services, found, intents, lock=lock)
    windows = await contacting.windows(tx, list(found), services.clock.now())
    return {
        contact_id: doctor_as(one, windows.get(contact_id, ()), best.get(contact_id))
        for contact_id, one in facts.items()
    }


def doctor_as(one: Circumstances, windows: tuple[OpenWindow, ...], best: Best | None = None) -> DoctorNow:
    """Of what was read already."""
    return DoctorNow(
        Person(one.contact.stopped_at is not None, one.contact.unreachable_at is not None),
        one.consents,
        one.occasions(None),
        one.taken_over,
        bool(one.turns),
        windows,
        best=best,
        awaiting=one.awaiting,
    )


async def may_write(tx: Tx, contact: Contact, moment: datetime, now: datetime) -> bool:
    """Whether the platform's window, as it stands now, is still open at that moment."""
    windows = await contacting.windows(tx, [contact.id], now)
    return any(one.closes_at > moment for one in windows.get(contact.id, ()))
