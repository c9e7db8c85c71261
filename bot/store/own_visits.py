"""Visits that colleagues made themselves, and their versions. All times are business time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from bot.store.database import Tx
from bot.store.tables import own_visit, own_visit_version

PLACE = "own_visit.body"  # of the ciphertext


@dataclass(frozen=True, slots=True)
class OwnVisitStanding:
    """One as it stands; `version` is the newest, `body_enc` what that one says."""

    id: int
    person_id: UUID
    contact_id: int | None
    visited_by: str
    visited_at: datetime
    state: str
    version: int
    body_enc: bytes


@dataclass(frozen=True, slots=True)
class NewOwnVisit:
    person_id: UUID
    contact_id: int | None
    takeover_id: int | None
    visited_by: str
    visited_at: datetime
    body_enc: bytes


async def add(tx: Tx, new: NewOwnVisit, now: datetime) -> OwnVisitStanding | None:
    """None: this takeover was told of already."""
    values = {name: getattr(new, name) for name in NewOwnVisit.__slots__}
    done = await tx.execute(
        insert(own_visit)
        .values(**values, state="draft", made_at=now)
        .on_conflict_do_nothing(index_elements=["takeover_id"])
        .returning(*(own_visit.c[name] for name in OwnVisitStanding.__slots__))
    )
    row = done.first()
    if row is None:
        return None
    made = OwnVisitStanding(*row)
    await _keep(tx, made, "entry", new.visited_by, now)
    return made


async def standing(tx: Tx, own_visit_id: int, *, lock: bool = False) -> OwnVisitStanding | None:
    """`lock`: nobody else changes it before the transaction ends."""
    columns = [own_visit.c[name] for name in OwnVisitStanding.__slots__]
    query = select(*columns).where(own_visit.c.id == own_visit_id)
    row = (await tx.execute(query.with_for_update() if lock else query)).first()
    return None if row is None else OwnVisitStanding(*row)


async def rewrite(tx: Tx, written: OwnVisitStanding, kind: str, login: str, now: datetime) -> None:
    """Keep this version, `kind` edit or amendment, as what it says now."""
    await _keep(tx, written, kind, login, now)
    await tx.execute(
        update(own_visit)
        .where(own_visit.c.id == written.id)
        .values(
            visited_at=written.visited_at,
            state=written.state,
            version=written.version,
            body_enc=written.body_enc,
        )
    )


async def approve(tx: Tx, own_visit_id: int, login: str, now: datetime) -> None:
    await tx.execute(
        update(own_visit)
        .where(own_visit.c.id == own_visit_id)
        .values(state="approved", approved_by=login, approved_at=now)
    )


async def _keep(tx: Tx, written: OwnVisitStanding, kind: str, login: str, now: datetime) -> None:
    await tx.execute(
        insert(own_visit_version).values(
            own_visit_id=written.id,
            number=written.version,
            person_id=written.person_id,
            contact_id=written.contact_id,
            kind=kind,
            login=login,
            body_enc=written.body_enc,
            at=now,
        )
    )
