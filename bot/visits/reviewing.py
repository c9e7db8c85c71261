"""How colleagues review what is told of a visit, be it the AI's or their own: edit, approval, amendment.

What is approved is read alone; an amendment needs a reason. Every version is kept with whose it is. What a
colleague writes is held to the rules of compliance, and an adverse event in it is a case as anybody's.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from bot.compliance import check_text
from bot.evidence import note
from bot.model import Audience, Fault, MedrepError
from bot.safety import screen
from bot.staff import Role, colleague
from bot.store import contact_keys, contacting, contacts, reviewed
from bot.store.database import Tx
from bot.store.reviewed import Reviewed, Standing
from bot.store.vault import Vault
from bot.tasks import Kind, open_task, report_case

REVIEWERS = frozenset({Role.REP, Role.MANAGER})
LONGEST_REASON = 300  # characters


class ReviewState(StrEnum):
    DRAFT = "draft"
    IN_REVIEW = "in_review"
    APPROVED = "approved"
    AMENDED = "amended"


OPEN_STATES = frozenset({ReviewState.DRAFT, ReviewState.IN_REVIEW})
_DECIDED = frozenset(ReviewState) - OPEN_STATES


@dataclass(frozen=True, slots=True)
class Reviewing:
    """A kind of what is reviewed, and its names in the record: of its events, and of one as their subject."""

    store: Reviewed
    name: str
    subject: str


SUMMARY = Reviewing(reviewed.SUMMARY, "summary", "visit")
OWN_VISIT = Reviewing(reviewed.OWN_VISIT, "own_visit", "own_visit")


async def approve(tx: Tx, kind: Reviewing, number: int, seen: int, login: str, now: datetime) -> None:
    """What this version says is so. Raises MedrepError(NOT_FOUND | CONFLICT)."""
    found = await _locked(tx, kind, number, seen, login, OPEN_STATES)
    await reviewed.approve(tx, kind.store, number, login, now)
    facts = {"login": login, "version": found.version}
    subject = f"{kind.subject}:{number}"
    await note(tx, f"{kind.name}.approved", now, subject, found, body_enc=found.body_enc, **facts)


async def changing(
    tx: Tx, kind: Reviewing, number: int, seen: int, reason: str | None, login: str
) -> Standing:
    """What is about to be changed, locked, with the state and the number of its new version: an edit of what
    is open, with a `reason` an amendment of what is approved. `seen`: the version that the colleague had
    before them.

    Raises MedrepError: NOT_FOUND, CONFLICT (not in such a state, changed since, not theirs to review),
    BAD_INPUT (no reason, or one too long).
    """
    if reason is not None and (not reason.strip() or len(reason) > LONGEST_REASON):
        raise MedrepError(Fault.BAD_INPUT, f"a reason is 1 to {LONGEST_REASON} characters")
    found = await _locked(tx, kind, number, seen, login, OPEN_STATES if reason is None else _DECIDED)
    state = ReviewState.IN_REVIEW if reason is None else ReviewState.AMENDED
    return replace(found, state=state, version=found.version + 1)


async def _locked(
    tx: Tx, kind: Reviewing, number: int, seen: int, login: str, states: frozenset[ReviewState]
) -> Standing:
    await colleague(tx, login, REVIEWERS)
    found = await lock(tx, kind, number)
    if found is None:
        raise MedrepError(Fault.NOT_FOUND, "there is none")
    if found.state not in states:
        raise MedrepError(Fault.CONFLICT, f"it is {found.state}")
    if found.version != seen:
        raise MedrepError(Fault.CONFLICT, "it was changed since it was shown")
    return found


async def lock(tx: Tx, kind: Reviewing, number: int) -> Standing | None:
    """How it stands until the transaction ends."""
    found = await reviewed.standing(tx, kind.store, number)
    if found is None:
        return None
    # Contact, then person, as whoever opens a case or erases a person.
    if found.contact_id is not None:
        await contacting.lock_contacts(tx, [found.contact_id])
    await contacting.lock(tx, [found.person_id])
    return await reviewed.standing(tx, kind.store, number, lock=True)


async def body_before(tx: Tx, vault: Vault, kind: Reviewing, of: Standing) -> dict[str, Any]:
    """What it says, without the reason for which it was amended."""
    plain = await vault.open_text(tx, of.person_id, bytes(of.body_enc), kind.store.place)
    body: dict[str, Any] = json.loads(plain)
    body.pop("reason", None)
    return body


async def write(
    tx: Tx,
    vault: Vault,
    kind: Reviewing,
    new: Standing,
    body: dict[str, Any],
    words: Sequence[str],
    reason: str | None,
    login: str,
    now: datetime,
    **more: Any,
) -> int:
    """Keep what `changing` returned with this body, in which a colleague wrote these words; the number of
    the version. `more`: other columns of its row. Raises MedrepError(REFUSED_TEXT)."""
    if reason is not None:
        body, words = body | {"reason": reason.strip()}, (*words, reason)
    await watch(tx, vault, kind, new, words, login, now)
    written = replace(new, body_enc=await seal(tx, vault, kind, new, body))
    how, event = ("edit", "edited") if reason is None else ("amendment", "amended")
    await reviewed.rewrite(tx, kind.store, written, how, login, now, **more)
    facts, subject = {"login": login, "version": new.version}, f"{kind.subject}:{new.id}"
    await note(tx, f"{kind.name}.{event}", now, subject, new, body_enc=written.body_enc, **facts)
    return new.version


async def seal(tx: Tx, vault: Vault, kind: Reviewing, of: Standing, body: dict[str, Any]) -> bytes:
    """Under the key of its contact; of its person, where it has none."""
    key = of.person_id
    if of.contact_id is not None:
        key = await contact_keys.key_of(tx, vault, await contacts.by_id(tx, of.contact_id))
    return await vault.seal(tx, key, json.dumps(body, ensure_ascii=False), kind.store.place)


async def watch(
    tx: Tx, vault: Vault, kind: Reviewing, of: Standing, words: Sequence[str], login: str, now: datetime
) -> None:
    """Raises MedrepError(REFUSED_TEXT): a rule forbids it, one line a finding."""
    findings = [(text, found) for text in words for found in check_text(text, Audience.DOCTOR)]
    if findings:
        lines = [f"{found.rule}: {text[slice(*found.span)]}: {found.why}" for text, found in findings]
        raise MedrepError(Fault.REFUSED_TEXT, "\n".join(lines))
    for place, text in enumerate(words):
        if screen(text, Audience.DOCTOR).adverse_event:
            await _report(tx, vault, of, f"{kind.name}:{of.id}:{of.version}:{place}", text, login, now)


async def _report(
    tx: Tx, vault: Vault, of: Standing, key: str, words: str, login: str, now: datetime
) -> None:
    """A case of the doctor's contact; of one who has none, a case that names the visit it was told in."""
    if of.contact_id is not None:
        contact = await contacts.by_id(tx, of.contact_id)
    elif theirs := await contacts.of_person(tx, of.person_id):
        contact = theirs[0]
    else:
        detail = f"代表拜访记录 {of.id}（医生没有线上联系方式，请向 {login} 核实）\n{words}"
        await open_task(tx, vault, Kind.ADVERSE_EVENT, now=now, key=key, detail=detail)
        return
    await report_case(tx, vault, now=now, contact=contact, key=key, words=words)
