"""What colleagues review: the summaries of automated visits, and the visits that they made themselves.

A row says what is so now; beside it every version is kept. All times are business time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column, select, update
from sqlalchemy.dialects.postgresql import insert

from bot.store.database import Tx
from bot.store.tables import own_visit, own_visit_version, visit_summary, visit_summary_version


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A kind of it: the columns that name one, in its table and in that of its versions."""

    id: Column[Any]
    of: Column[Any]
    place: str  # of the ciphertext


SUMMARY = Reviewed(visit_summary.c.visit_id, visit_summary_version.c.visit_id, "visit_summary.body")
OWN_VISIT = Reviewed(own_visit.c.id, own_visit_version.c.own_visit_id, "own_visit.body")


@dataclass(frozen=True, slots=True)
class Standing:
    """One as it stands; `version` is the newest, `body_enc` what that one says."""

    id: int
    contact_id: int | None
    person_id: UUID
    state: str
    version: int
    body_enc: bytes


async def standing(tx: Tx, kind: Reviewed, number: int, *, lock: bool = False) -> Standing | None:
    """`lock`: nobody else changes it before the transaction ends."""
    columns = [kind.id.table.c[name] for name in Standing.__slots__[1:]]
    query = select(kind.id, *columns).where(kind.id == number)
    row = (await tx.execute(query.with_for_update() if lock else query)).first()
    return None if row is None else Standing(*row)


async def keep(tx: Tx, kind: Reviewed, written: Standing, how: str, login: str, now: datetime) -> None:
    """Keep this version; `how` it came about: the `kind` of its row."""
    names = ("contact_id", "person_id", "body_enc")
    values = {name: getattr(written, name) for name in names}
    values |= {kind.of.name: written.id, "number": written.version, "kind": how, "login": login, "at": now}
    await tx.execute(insert(kind.of.table).values(values))


async def rewrite(
    tx: Tx, kind: Reviewed, written: Standing, how: str, login: str, now: datetime, **more: Any
) -> None:
    """Keep this version as what is so now; `more`: other columns of the row."""
    await keep(tx, kind, written, how, login, now)
    values = {name: getattr(written, name) for name in ("state", "version", "body_enc")} | more
    await tx.execute(update(kind.id.table).where(kind.id == written.id).values(values))


async def approve(tx: Tx, kind: Reviewed, number: int, login: str, now: datetime) -> None:
    values = {"state": "approved", "approved_by": login, "approved_at": now}
    await tx.execute(update(kind.id.table).where(kind.id == number).values(values))
