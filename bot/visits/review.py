"""The review of a visit's summary: a colleague edits the draft and approves it.

What is approved is read alone; an amendment needs a reason. Every version is kept with whose it is. What a
colleague writes is held to the rules of compliance, and an adverse event in it is a case as anybody's.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from bot.compliance import check_text
from bot.evidence import note
from bot.model import Fault, MedrepError
from bot.safety import screen
from bot.staff import Role, colleague
from bot.store import contact_keys, contacting, contacts, visit_summaries
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.vault import Vault
from bot.store.visit_summaries import SummaryStanding
from bot.tasks import report_case

REVIEWERS = frozenset({Role.REP, Role.MANAGER})
LONGEST_SENTENCE, LONGEST_REASON, MOST_SENTENCES = 600, 300, 80  # characters, characters, sentences
LINES = ("attitude", "next_step")  # what is said of the whole visit


class ReviewState(StrEnum):
    DRAFT = "draft"
    IN_REVIEW = "in_review"
    APPROVED = "approved"
    AMENDED = "amended"


OPEN_STATES = frozenset({ReviewState.DRAFT, ReviewState.IN_REVIEW})


@dataclass(frozen=True, slots=True)
class SentenceChange:
    """A sentence written anew. `part`: its place from 0, one beyond the last to add one, or one of `LINES`.
    An empty `text` takes the sentence out. `shown`: the messages that showed it still do."""

    part: str
    text: str
    shown: bool = True


async def edit(
    tx: Tx, vault: Vault, visit_id: int, seen: int, change: SentenceChange, login: str, now: datetime
) -> int:
    """Change a draft; the number of the new version. `seen`: the version that the colleague had before them.

    Raises MedrepError: NOT_FOUND, CONFLICT (approved already, changed since, not theirs to review),
    BAD_INPUT, REFUSED_TEXT (one line a finding).
    """
    found, contact = await _locked(tx, visit_id, seen, login, OPEN_STATES)
    body = _changed(await _body(tx, vault, found), change, login)
    body.pop("reason", None)
    new = replace(found, state=ReviewState.IN_REVIEW, version=found.version + 1)
    return await _write(tx, vault, contact, new, body, (change.text,), login, now)


async def amend(
    tx: Tx,
    vault: Vault,
    visit_id: int,
    seen: int,
    change: SentenceChange,
    reason: str,
    login: str,
    now: datetime,
) -> int:
    """Change what is approved. Raises MedrepError as `edit`, and CONFLICT where nothing is approved yet."""
    if not reason.strip() or len(reason) > LONGEST_REASON:
        raise MedrepError(Fault.BAD_INPUT, f"a reason is 1 to {LONGEST_REASON} characters")
    found, contact = await _locked(tx, visit_id, seen, login, frozenset(ReviewState) - OPEN_STATES)
    body = _changed(await _body(tx, vault, found), change, login) | {"reason": reason.strip()}
    new = replace(found, state=ReviewState.AMENDED, version=found.version + 1)
    return await _write(tx, vault, contact, new, body, (change.text, reason), login, now)


async def approve(tx: Tx, visit_id: int, seen: int, login: str, now: datetime) -> None:
    """What this version says is so. Raises MedrepError(NOT_FOUND | CONFLICT)."""
    found, contact = await _locked(tx, visit_id, seen, login, OPEN_STATES)
    await visit_summaries.approve(tx, visit_id, login, now)
    facts = {"login": login, "version": found.version}
    await note(tx, "summary.approved", now, f"visit:{visit_id}", contact, body_enc=found.body_enc, **facts)


async def _locked(
    tx: Tx, visit_id: int, seen: int, login: str, states: frozenset[ReviewState]
) -> tuple[SummaryStanding, Contact]:
    await colleague(tx, login, REVIEWERS)
    found = await visit_summaries.standing(tx, visit_id)
    if found is not None:
        # The contact first, as whoever opens a case or erases a person.
        await contacting.lock_contacts(tx, [found.contact_id])
        found = await visit_summaries.standing(tx, visit_id, lock=True)
    if found is None:
        raise MedrepError(Fault.NOT_FOUND, "no such summary")
    if found.state not in states:
        raise MedrepError(Fault.CONFLICT, f"this summary is {found.state}")
    if found.version != seen:
        raise MedrepError(Fault.CONFLICT, "this summary was changed since it was shown")
    return found, await contacts.by_id(tx, found.contact_id)


async def _body(tx: Tx, vault: Vault, of: SummaryStanding) -> dict[str, Any]:
    plain = await vault.open_text(tx, of.person_id, bytes(of.body_enc), "visit_summary.body")
    body: dict[str, Any] = json.loads(plain)
    return body


def _changed(body: dict[str, Any], change: SentenceChange, login: str) -> dict[str, Any]:
    """Raises MedrepError(BAD_INPUT): there is no such sentence, it is too long, or it says what it said."""
    text = change.text.strip()
    if len(text) > LONGEST_SENTENCE:
        raise MedrepError(Fault.BAD_INPUT, f"a sentence is at most {LONGEST_SENTENCE} characters")
    if change.part in LINES:
        if text == body[change.part]:
            raise MedrepError(Fault.BAD_INPUT, "nothing was changed")
        return {**body, change.part: text}
    said = list(body["statements"])
    place = int(change.part) if change.part.isascii() and change.part.isdigit() else len(said) + 1
    if place > len(said) or place >= MOST_SENTENCES:
        raise MedrepError(Fault.BAD_INPUT, "no such sentence")
    before = said[place] if place < len(said) else {"text": "", "turns": []}
    turns = before["turns"] if change.shown else []
    if (text, turns) == (before["text"], before["turns"]):
        raise MedrepError(Fault.BAD_INPUT, "nothing was changed")
    said[place : place + 1] = [{"text": text, "turns": turns, "edited_by": login}] if text else []
    return {**body, "statements": said}


async def _write(
    tx: Tx,
    vault: Vault,
    contact: Contact,
    new: SummaryStanding,
    body: dict[str, Any],
    written: tuple[str, ...],
    login: str,
    now: datetime,
) -> int:
    await _watch(tx, vault, contact, new, written, now)
    key = await contact_keys.key_of(tx, vault, contact)
    sealed = await vault.seal(tx, key, json.dumps(body, ensure_ascii=False), "visit_summary.body")
    kind = "amendment" if new.state == ReviewState.AMENDED else "edit"
    await visit_summaries.rewrite(tx, replace(new, body_enc=sealed), kind, login, now)
    event = "summary.amended" if kind == "amendment" else "summary.edited"
    facts = {"login": login, "version": new.version}
    await note(tx, event, now, f"visit:{new.visit_id}", contact, body_enc=sealed, **facts)
    return new.version


async def _watch(
    tx: Tx, vault: Vault, contact: Contact, new: SummaryStanding, written: tuple[str, ...], now: datetime
) -> None:
    """Raises MedrepError(REFUSED_TEXT): a rule forbids it, one line a finding."""
    findings = [(text, found) for text in written for found in check_text(text, contact.audience)]
    if findings:
        lines = [f"{found.rule}: {text[slice(*found.span)]}: {found.why}" for text, found in findings]
        raise MedrepError(Fault.REFUSED_TEXT, "\n".join(lines))
    for number, text in enumerate(written):
        if screen(text, contact.audience).adverse_event:
            key = f"summary:{new.visit_id}:{new.version}:{number}"
            await report_case(tx, vault, now=now, contact=contact, key=key, words=text)
