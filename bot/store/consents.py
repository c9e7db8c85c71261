"""Consent rows: one for each time it was given, and one for a withdrawal of what was never given."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, case, func, or_, select, update
from sqlalchemy.dialects.postgresql import distinct_on, insert

from bot.model import Purpose
from bot.store.database import Tx
from bot.store.tables import consent, doctor, person


@dataclass(frozen=True, slots=True)
class ConsentRow:
    purpose: Purpose
    given_at: datetime | None
    withdrawn_at: datetime | None
    text_version: str
    source: str


async def lock(tx: Tx, person_id: UUID) -> UUID:
    """Consent of this person is decided by one transaction at a time; who they turned out to be."""
    query = select(person.c.merged_into).where(person.c.id == person_id)
    into: UUID | None = (await tx.execute(query.with_for_update(key_share=True))).scalar_one()
    return person_id if into is None else await lock(tx, into)


async def add(tx: Tx, person_id: UUID, contact_id: int, row: ConsentRow) -> None:
    await tx.execute(
        insert(consent).values(
            person_id=person_id,
            contact_id=contact_id,
            purpose=row.purpose.value,
            given_at=row.given_at,
            withdrawn_at=row.withdrawn_at,
            text_version=row.text_version,
            source=row.source,
        )
    )


async def withdraw(tx: Tx, person_id: UUID, purpose: Purpose, now: datetime) -> int:
    """End what is given for this purpose; how many rows that were."""
    done = await tx.execute(
        update(consent)
        .where(
            consent.c.id.in_(select(consent.c.id).where(_belongs_to(person_id))),
            consent.c.purpose == purpose.value,
            consent.c.withdrawn_at.is_(None),
        )
        .values(withdrawn_at=now)
        .returning(consent.c.id)
    )
    return len(done.all())


async def latest(tx: Tx, person_ids: Collection[UUID]) -> dict[UUID, dict[Purpose, ConsentRow]]:
    """The last word of each person on each purpose, and of newcomers who turned out to be them."""
    moment = func.greatest(consent.c.given_at, consent.c.withdrawn_at)
    owner = case((person.c.id.in_(person_ids), person.c.id), else_=person.c.merged_into).label("owner")
    rows = await tx.execute(
        select(consent, owner)
        .join(person, person.c.id == consent.c.person_id)
        .where(or_(person.c.id.in_(person_ids), person.c.merged_into.in_(person_ids)))
        .ext(distinct_on(owner, consent.c.purpose))
        .order_by(owner, consent.c.purpose, moment.desc(), consent.c.id.desc())
    )
    found: dict[UUID, dict[Purpose, ConsentRow]] = {person_id: {} for person_id in person_ids}
    for row in rows:
        purpose = Purpose(row.purpose)
        found[row.owner][purpose] = ConsentRow(
            purpose, row.given_at, row.withdrawn_at, row.text_version, row.source
        )
    return found


async def listed(tx: Tx, person_ids: Collection[UUID]) -> frozenset[UUID]:
    """Those of them who are doctors on the company's list."""
    rows = await tx.execute(select(doctor.c.person_id).where(doctor.c.person_id.in_(person_ids)))
    return frozenset(rows.scalars())


def _belongs_to(person_id: UUID) -> ColumnElement[bool]:
    merged = select(person.c.id).where(person.c.merged_into == person_id)
    return or_(consent.c.person_id == person_id, consent.c.person_id.in_(merged))
