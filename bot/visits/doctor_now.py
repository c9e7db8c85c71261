"""What `pace` asks about one doctor, read as the exit will read it."""

from __future__ import annotations

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
    # The visit's own turn is none yet: what was sent before counts, whatever it was part of.
    intent = Intent(contact.id, Purpose.PROMOTION, uuid4())
    facts = (await read_circumstances(tx, services, {contact.id: contact}, [intent], lock=lock))[contact.id]
    windows = await contacting.windows(tx, [contact.id], services.clock.now())
    return DoctorNow(
        Person(facts.contact.stopped_at is not None, facts.contact.unreachable_at is not None),
        facts.consents,
        facts.occasions(None),
        facts.taken_over,
        bool(facts.turns),
        windows.get(contact.id, ()),
        visited,
        best,
        agreed,
    )
