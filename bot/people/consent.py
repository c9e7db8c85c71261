"""Consent: what a person agreed to hear of, for each purpose, and which text they agreed to.

It binds what we begin (medication, service, promotion); answers and emergencies need none. The last word on
a purpose counts. Where nothing was said, a doctor on the company's list may be visited and served (service
and promotion), because the company has listed them for that; withdrawing ends it as it ends a consent.
Everybody else, and medication always, needs a consent that was given.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from bot.evidence import note
from bot.model import CONSENTED, PROACTIVE, Fault, MedrepError, Purpose
from bot.store import consents
from bot.store.consents import ConsentRow
from bot.store.contacts import Contact
from bot.store.database import Tx

LISTING = "listing"
BY_LISTING = frozenset({Purpose.SERVICE, Purpose.PROMOTION})


@dataclass(frozen=True, slots=True)
class Consent:
    """What holds for a purpose. `source` is `listing`, with no moment, where nothing was said."""

    purpose: Purpose
    given_at: datetime | None
    withdrawn_at: datetime | None
    text_version: str
    source: str
    withdrawn_by: str | None = None

    @property
    def holds(self) -> bool:
        return self.withdrawn_at is None


async def give(
    tx: Tx, contact: Contact, purpose: Purpose, now: datetime, *, text_version: str, source: str
) -> None:
    """They agree. The same text again changes nothing. Raises MedrepError(BAD_INPUT: needs no consent)."""
    person_id = await _decided(tx, contact, purpose)
    last = (await consents.latest(tx, [person_id]))[person_id].rows.get(purpose)
    if last is not None and last.withdrawn_at is None and last.text_version == text_version:
        return
    await consents.add(tx, person_id, contact.id, ConsentRow(purpose, now, None, text_version, source))
    await note(
        tx,
        "consent.given",
        now,
        f"contact:{contact.id}",
        contact,
        purpose=purpose.value,
        text_version=text_version,
        source=source,
    )


async def withdraw(tx: Tx, contact: Contact, purpose: Purpose, now: datetime, *, source: str) -> None:
    """They agree no longer; what is queued for the purpose is refused at the exit. Raises as `give`."""
    person_id = await _decided(tx, contact, purpose)
    last = (await consents.latest(tx, [person_id]))[person_id].rows.get(purpose)
    if last is not None and last.withdrawn_at is not None:
        return
    if await consents.withdraw(tx, person_id, purpose, now, source) == 0:
        row = ConsentRow(purpose, None, now, "", source, withdrawn_by=source)
        await consents.add(tx, person_id, contact.id, row)
    subject = f"contact:{contact.id}"
    await note(tx, "consent.withdrawn", now, subject, contact, purpose=purpose.value, source=source)


async def restore(
    tx: Tx, contact: Contact, now: datetime, *, source: str, purposes: Collection[Purpose] = PROACTIVE
) -> None:
    """What they withdrew there for these purposes holds again: the text that they had agreed to, or, where
    they never had, what holds while nothing is said. What they withdrew elsewhere stays withdrawn."""
    for held in await of_person(tx, contact.person_id):
        if held.holds or held.withdrawn_by != source or held.purpose not in purposes:
            continue
        if held.given_at is not None:
            await give(tx, contact, held.purpose, now, text_version=held.text_version, source=source)
            continue
        person_id = await _decided(tx, contact, held.purpose)
        await consents.unsay(tx, person_id, held.purpose, source)
        subject = f"contact:{contact.id}"
        await note(tx, "consent.unsaid", now, subject, contact, purpose=held.purpose.value, source=source)


async def of_person(tx: Tx, person_id: UUID) -> tuple[Consent, ...]:
    """What was said, or rests on the listing, for each purpose; nothing for a purpose nobody spoke of."""
    return (await of_people(tx, [person_id]))[person_id]


async def of_people(tx: Tx, person_ids: Collection[UUID]) -> dict[UUID, tuple[Consent, ...]]:
    """`of_person` of each of them."""
    found = {}
    for person_id, spoken in (await consents.latest(tx, person_ids)).items():
        by_listing = BY_LISTING - spoken.rows.keys() if spoken.listed else frozenset()
        found[person_id] = (
            *(
                Consent(
                    row.purpose,
                    row.given_at,
                    row.withdrawn_at,
                    row.text_version,
                    row.source,
                    row.withdrawn_by,
                )
                for row in spoken.rows.values()
            ),
            *(Consent(purpose, None, None, "", LISTING) for purpose in sorted(by_listing)),
        )
    return found


async def _decided(tx: Tx, contact: Contact, purpose: Purpose) -> UUID:
    if purpose not in CONSENTED:
        raise MedrepError(Fault.BAD_INPUT, f"{purpose} needs no consent")
    return await consents.lock(tx, contact.person_id)
