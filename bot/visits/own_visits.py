"""A visit (拜访) that a colleague made themselves: a kind of its own, beside those of the virtual one.

Five fields: when, where (a place or a channel), which products or topics, what was discussed, what comes
next. It is edited, approved and amended as a summary is (`review`), and its words are held to the same
rules; it stands in tables of its own, so no count and no export mixes the two.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from bot.clock import CHINA
from bot.compliance import check_text
from bot.evidence import note
from bot.model import Audience, Fault, MedrepError
from bot.safety import screen
from bot.staff import colleague
from bot.store import contact_keys, contacting, contacts, own_visits
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.own_visits import PLACE, NewOwnVisit, OwnVisitStanding
from bot.store.vault import Vault
from bot.tasks import Kind, open_task, report_case
from bot.visits.review import LONGEST_REASON, OPEN_STATES, REVIEWERS, ReviewState

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

    Raises MedrepError: NOT_FOUND, BAD_INPUT, REFUSED_TEXT (one line a finding), CONFLICT (that takeover was
    logged already, or this colleague may not).
    """
    await colleague(tx, login, REVIEWERS)
    takeover_id, contact = told_in or (None, None)
    if contact is not None:
        await contacting.lock_contacts(tx, [contact.id])
        contact = await contacts.by_id(tx, contact.id)
    entry = _checked(entry, now)
    sealed = await _sealed(tx, vault, person_id, contact, _body(entry))
    new = NewOwnVisit(
        person_id, contact.id if contact else None, takeover_id, login, entry.visited_at, sealed
    )
    made = await own_visits.add(tx, new, now)
    if made is None:
        raise MedrepError(Fault.CONFLICT, "this conversation was logged as a visit already")
    await _watch(tx, vault, made, _words(entry), now)
    await note(tx, "own_visit.logged", now, f"own_visit:{made.id}", made, body_enc=sealed, login=login)
    return made.id


async def edit_own_visit(
    tx: Tx, vault: Vault, own_visit_id: int, seen: int, entry: OwnVisitEntry, login: str, now: datetime
) -> int:
    """Change what is not approved yet; the number of the new version. Raises MedrepError as
    `bot.visits.edit`."""
    found = await _locked(tx, own_visit_id, seen, login, OPEN_STATES)
    new = replace(found, state=ReviewState.IN_REVIEW, version=found.version + 1)
    return await _write(tx, vault, new, entry, "", login, now)


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
    if not reason.strip() or len(reason) > LONGEST_REASON:
        raise MedrepError(Fault.BAD_INPUT, f"a reason is 1 to {LONGEST_REASON} characters")
    found = await _locked(tx, own_visit_id, seen, login, frozenset(ReviewState) - OPEN_STATES)
    new = replace(found, state=ReviewState.AMENDED, version=found.version + 1)
    return await _write(tx, vault, new, entry, reason.strip(), login, now)


async def approve_own_visit(tx: Tx, own_visit_id: int, seen: int, login: str, now: datetime) -> None:
    """What this version says is so. Raises MedrepError(NOT_FOUND | CONFLICT)."""
    found = await _locked(tx, own_visit_id, seen, login, OPEN_STATES)
    await own_visits.approve(tx, own_visit_id, login, now)
    facts = {"login": login, "version": found.version}
    subject = f"own_visit:{own_visit_id}"
    await note(tx, "own_visit.approved", now, subject, found, body_enc=found.body_enc, **facts)


async def _locked(
    tx: Tx, own_visit_id: int, seen: int, login: str, states: frozenset[ReviewState]
) -> OwnVisitStanding:
    await colleague(tx, login, REVIEWERS)
    found = await own_visits.standing(tx, own_visit_id)
    if found is not None:
        # Contact, then person, as whoever opens a case or erases a person.
        if found.contact_id is not None:
            await contacting.lock_contacts(tx, [found.contact_id])
        await contacting.lock(tx, [found.person_id])
        found = await own_visits.standing(tx, own_visit_id, lock=True)
    if found is None:
        raise MedrepError(Fault.NOT_FOUND, "no such visit")
    if found.state not in states:
        raise MedrepError(Fault.CONFLICT, f"this visit is {found.state}")
    if found.version != seen:
        raise MedrepError(Fault.CONFLICT, "this visit was changed since it was shown")
    return found


async def _write(
    tx: Tx,
    vault: Vault,
    new: OwnVisitStanding,
    entry: OwnVisitEntry,
    reason: str,
    login: str,
    now: datetime,
) -> int:
    entry = _checked(entry, now)
    before = json.loads(await vault.open_text(tx, new.person_id, bytes(new.body_enc), PLACE))
    before.pop("reason", None)
    body = _body(entry)
    if body == before:
        raise MedrepError(Fault.BAD_INPUT, "nothing was changed")
    changed = [word for word in _words(entry) if word not in before.values()]
    await _watch(tx, vault, new, (*changed, reason), now)
    contact = await contacts.by_id(tx, new.contact_id) if new.contact_id is not None else None
    sealed = await _sealed(tx, vault, new.person_id, contact, {**body, "reason": reason} if reason else body)
    kind = "amendment" if new.state == ReviewState.AMENDED else "edit"
    written = replace(new, visited_at=entry.visited_at, body_enc=sealed)
    await own_visits.rewrite(tx, written, kind, login, now)
    event = "own_visit.amended" if kind == "amendment" else "own_visit.edited"
    facts = {"login": login, "version": new.version}
    await note(tx, event, now, f"own_visit:{new.id}", new, body_enc=sealed, **facts)
    return new.version


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


async def _sealed(
    tx: Tx, vault: Vault, person_id: UUID, contact: Contact | None, body: dict[str, Any]
) -> bytes:
    key = await contact_keys.key_of(tx, vault, contact) if contact else person_id
    return await vault.seal(tx, key, json.dumps(body, ensure_ascii=False), PLACE)


async def _watch(tx: Tx, vault: Vault, of: OwnVisitStanding, written: tuple[str, ...], now: datetime) -> None:
    """Raises MedrepError(REFUSED_TEXT): a rule forbids it, one line a finding."""
    findings = [(text, found) for text in written for found in check_text(text, Audience.DOCTOR)]
    if findings:
        lines = [f"{found.rule}: {text[slice(*found.span)]}: {found.why}" for text, found in findings]
        raise MedrepError(Fault.REFUSED_TEXT, "\n".join(lines))
    for number, text in enumerate(written):
        if screen(text, Audience.DOCTOR).adverse_event:
            await _report(tx, vault, of, f"own_visit:{of.id}:{of.version}:{number}", text, now)


async def _report(tx: Tx, vault: Vault, of: OwnVisitStanding, key: str, words: str, now: datetime) -> None:
    """A case of the doctor's contact; of one who has none, a case that names the visit it was told in."""
    theirs = await contacts.of_person(tx, of.person_id)
    contact = next((one for one in theirs if of.contact_id in (None, one.id)), None)
    if contact is not None:
        await report_case(tx, vault, now=now, contact=contact, key=key, words=words)
        return
    detail = f"代表拜访记录 {of.id}（医生没有线上联系方式，请向 {of.visited_by} 核实）\n{words}"
    await open_task(tx, vault, Kind.ADVERSE_EVENT, now=now, key=key, detail=detail)
