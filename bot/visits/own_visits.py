"""A visit (拜访) that a colleague made themselves: a kind of its own, beside those of the virtual one.

Five fields: when, where (a place or a channel), which products or topics, what was discussed, what comes
next. It is reviewed as a summary is (`reviewing`); it stands in tables of its own, so no count and no export
mixes the two.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from bot.clock import CHINA
from bot.evidence import note
from bot.model import Fault, MedrepError
from bot.staff import colleague
from bot.store import contacting, own_visits, people
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.own_visits import NewOwnVisit
from bot.store.reviewed import Standing
from bot.store.vault import Vault
from bot.visits import reviewing
from bot.visits.reviewing import OWN_VISIT, REVIEWERS, ReviewState

LABEL = "代表拜访"
# The fields that are words, and how long each may be; the last alone may be empty.
LONGEST_FIELD = {"place": 60, "topics": 120, "discussed": 2000, "next_step": 300}
OLDEST = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class OwnVisitEntry:
    """The five fields as a colleague gives them."""

    visited_at: datetime
    place: str
    topics: str
    discussed: str
    next_step: str


async def log_own_visit(
    tx: Tx,
    vault: Vault,
    person_id: UUID,
    entry: OwnVisitEntry,
    login: str,
    now: datetime,
    *,
    told_in: tuple[int, Contact] | None = None,
) -> int:
    """The id of a new one. `told_in`: the takeover that it is told from, and its contact; then its words go
    with that contact.

    Raises MedrepError: ERASED, BAD_INPUT, REFUSED_TEXT (one line a finding), CONFLICT (that takeover was
    logged already, or this colleague may not).
    """
    await colleague(tx, login, REVIEWERS)
    takeover_id, contact = told_in or (None, None)
    if contact is not None:
        await contacting.lock_contacts(tx, [contact.id])
    await people.lock_present(tx, person_id)
    entry = _checked(entry, now)
    new = Standing(0, contact.id if contact else None, person_id, ReviewState.DRAFT, 1, b"")
    new = replace(new, body_enc=await reviewing.seal(tx, vault, OWN_VISIT, new, _body(entry)))
    number = await own_visits.add(tx, NewOwnVisit(new, takeover_id, login, entry.visited_at), now)
    if number is None:
        raise MedrepError(Fault.CONFLICT, "this conversation was logged as a visit already")
    new = replace(new, id=number)
    await reviewing.watch(tx, vault, OWN_VISIT, new, _words(entry), login, now)
    subject = f"own_visit:{number}"
    await note(tx, "own_visit.logged", now, subject, new, body_enc=new.body_enc, login=login)
    return number


async def edit_own_visit(
    tx: Tx, vault: Vault, own_visit_id: int, seen: int, entry: OwnVisitEntry, login: str, now: datetime
) -> int:
    """Change what is not approved yet; the number of the new version. Raises MedrepError as
    `bot.visits.edit`."""
    return await _change(tx, vault, own_visit_id, seen, entry, None, login, now)


async def amend_own_visit(
    tx: Tx,
    vault: Vault,
    own_visit_id: int,
    seen: int,
    entry: OwnVisitEntry,
    reason: str,
    login: str,
    now: datetime,
) -> int:
    """Change what is approved. Raises MedrepError as `bot.visits.amend`."""
    return await _change(tx, vault, own_visit_id, seen, entry, reason, login, now)


async def _change(
    tx: Tx,
    vault: Vault,
    own_visit_id: int,
    seen: int,
    entry: OwnVisitEntry,
    reason: str | None,
    login: str,
    now: datetime,
) -> int:
    new = await reviewing.changing(tx, OWN_VISIT, own_visit_id, seen, reason, login)
    entry, before = _checked(entry, now), await reviewing.body_before(tx, vault, OWN_VISIT, new)
    body = _body(entry)
    if body == before:
        raise MedrepError(Fault.BAD_INPUT, "nothing was changed")
    words = [word for word in _words(entry) if word not in before.values()]
    at = entry.visited_at
    return await reviewing.write(tx, vault, OWN_VISIT, new, body, words, reason, login, now, visited_at=at)


async def approve_own_visit(tx: Tx, own_visit_id: int, seen: int, login: str, now: datetime) -> None:
    """What this version says is so. Raises MedrepError(NOT_FOUND | CONFLICT)."""
    await reviewing.approve(tx, OWN_VISIT, own_visit_id, seen, login, now)


def _checked(entry: OwnVisitEntry, now: datetime) -> OwnVisitEntry:
    """Trimmed. Raises MedrepError(BAD_INPUT) that names the field."""
    trimmed = {name: getattr(entry, name).strip() for name in LONGEST_FIELD}
    for name, longest in LONGEST_FIELD.items():
        if len(trimmed[name]) > longest or not (trimmed[name] or name == "next_step"):
            raise MedrepError(Fault.BAD_INPUT, name)
    if not now - OLDEST <= entry.visited_at <= now:
        raise MedrepError(Fault.BAD_INPUT, "visited_at")
    return OwnVisitEntry(entry.visited_at, **trimmed)


def _body(entry: OwnVisitEntry) -> dict[str, Any]:
    at = entry.visited_at.astimezone(CHINA).isoformat(timespec="minutes")
    return {"label": LABEL, **asdict(entry), "visited_at": at}


def _words(entry: OwnVisitEntry) -> tuple[str, ...]:
    return tuple(getattr(entry, name) for name in LONGEST_FIELD)
