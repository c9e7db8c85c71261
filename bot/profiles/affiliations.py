"""Where a doctor works: several places, one of them the main one. The list gives one; colleagues add."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from bot.evidence import Owner, note
from bot.model import Fault, MedrepError
from bot.store import affiliations, profiles
from bot.store.affiliations import Affiliation
from bot.store.database import Tx

_LONGEST = 80  # characters of a hospital's name


async def of(tx: Tx, person_id: UUID) -> list[Affiliation]:
    """The places, the main one first; the list's (`id` None) is main unless a colleague wrote another."""
    written = await affiliations.read(tx, person_id)
    entry = (await profiles.entries(tx, [person_id])).get(person_id)
    if entry is None:
        return sorted(written, key=lambda one: not one.main)
    named = {one.hospital for one in written}
    main = not any(one.main for one in written)
    listed = Affiliation(None, entry.hospital, entry.department, main, entry.updated_at, None)
    found = [*([] if entry.hospital in named else [listed]), *written]
    return sorted(found, key=lambda one: not one.main)


async def add(
    tx: Tx,
    person_id: UUID,
    hospital: str,
    login: str,
    now: datetime,
    *,
    department: str = "",
    main: bool = False,
) -> None:
    """One more place, or what is written of one changed. Raises MedrepError(BAD_INPUT)."""
    if not 1 < len(hospital) <= _LONGEST or "\n" in hospital:
        raise MedrepError(Fault.BAD_INPUT, f"a hospital's name has 2 to {_LONGEST} characters")
    await affiliations.add(tx, person_id, Affiliation(None, hospital, department, main, now, login))
    await note(tx, "affiliation.added", now, f"person:{person_id}", Owner(person_id), main=main, by=login)


async def end(tx: Tx, person_id: UUID, hospital: str, login: str, now: datetime) -> None:
    """They do not work there any more. Raises MedrepError(NOT_FOUND): no colleague wrote that they do."""
    if not await affiliations.end(tx, person_id, hospital, now):
        raise MedrepError(Fault.NOT_FOUND, "no such affiliation was added")
    await note(tx, "affiliation.ended", now, f"person:{person_id}", Owner(person_id), by=login)
