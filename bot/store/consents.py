"""Consent rows: one for each time it was given, and one for a withdrawal of what was never given."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from bot.model import Purpose
from bot.store.database import Tx, hot
from bot.store.tables import consent, person


@dataclass(frozen=True, slots=True)
class ConsentRow:
    purpose: Purpose
    given_at: datetime | None
    withdrawn_at: datetime | None
    text_version: str
    source: str
    withdrawn_by: str | None = None


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
            withdrawn_by=row.withdrawn_by,
        )
    )


async def withdraw(tx: Tx, person_id: UUID, purpose: Purpose, now: datetime, source: str) -> int:
    """End what is given for this purpose; how many rows that were."""
    done = await tx.execute(
        update(consent)
        .where(
            consent.c.id.in_(select(consent.c.id).where(_belongs_to(person_id))),
            consent.c.purpose == purpose.value,
            consent.c.withdrawn_at.is_(None),
        )
        .values(withdrawn_at=now, withdrawn_by=source)
        .returning(consent.c.id)
    )
    return len(done.all())


async def unsay(tx: Tx, person_id: UUID, purpose: Purpose, source: str) -> None:
    """Forget a withdrawal, said there, of what was never given: nothing was said of the purpose."""
    await tx.execute(
        delete(consent).where(
            _belongs_to(person_id),
            consent.c.purpose == purpose.value,
            consent.c.given_at.is_(None),
            consent.c.withdrawn_by == source,
        )
    )


@dataclass(frozen=True, slots=True)
class Spoken:
    """Of one person: the last row for each purpose, and whether they are a doctor on the company's list."""

    rows: dict[Purpose, ConsentRow]
    listed: bool


async def latest(tx: Tx, person_ids: Collection[UUID]) -> dict[UUID, Spoken]:
    """The last word of each person on each purpose, and of newcomers who turned out to be them."""
    found: dict[UUID, Spoken] = {}
    for row in await hot(tx, _LATEST, {"people": list(person_ids)}):
        spoken = found.setdefault(row.person_id, Spoken({}, row.listed))
        if row.purpose is not None:
            purpose = Purpose(row.purpose)
            spoken.rows[purpose] = ConsentRow(
                purpose, row.given_at, row.withdrawn_at, row.text_version, row.source, row.withdrawn_by
            )
    return found


_LATEST = """
    SELECT wanted.id AS person_id, doctor.person_id IS NOT NULL AS listed,
           last.purpose, last.given_at, last.withdrawn_at, last.text_version, last.source,
           last.withdrawn_by
    FROM unnest(CAST(%(people)s AS uuid[])) AS wanted(id)
    LEFT JOIN doctor ON doctor.person_id = wanted.id
    LEFT JOIN LATERAL (
        SELECT DISTINCT ON (consent.purpose) consent.*
        FROM consent
        WHERE consent.person_id = ANY(ARRAY(
            SELECT wanted.id UNION ALL SELECT person.id FROM person WHERE person.merged_into = wanted.id))
        ORDER BY consent.purpose, greatest(consent.given_at, consent.withdrawn_at) DESC, consent.id DESC
    ) AS last ON true
    """


def _belongs_to(person_id: UUID) -> ColumnElement[bool]:
    merged = select(person.c.id).where(person.c.merged_into == person_id)
    return or_(consent.c.person_id == person_id, consent.c.person_id.in_(merged))
