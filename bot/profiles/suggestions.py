"""The next best action for a doctor, with its reason; what became of it is kept.

The rules, their words and their periods are data (`data/profiles/suggestions.yaml`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from bot.clock import CHINA
from bot.evidence import note
from bot.model import Fault, MedrepError, Purpose
from bot.people import consent
from bot.profiles import vocabulary
from bot.staff import Role, colleague
from bot.store import suggestions
from bot.store.database import Tx
from bot.store.suggestions import Candidate, SuggestionRow
from bot.store.vault import Vault
from bot.text.patterns import read_rules

_LONGEST = 500  # characters of a colleague's note


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What to do for whom, and why; `outcome` is a key of `outcomes` or, dismissed, of `reasons`."""

    id: int
    person_id: UUID
    external_id: str | None
    rep: str | None
    rule: str
    what: str
    reason: str
    subject: str
    made_at: datetime
    expires_at: datetime
    state: str
    outcome: str | None
    remark: str | None
    decided_at: datetime | None
    decided_by: str | None


async def make(tx: Tx, now: datetime) -> int:
    """End what has expired or holds no more, open what is new; how many that are."""
    await suggestions.expire(tx, now)
    made = 0
    for rule, terms in _rules().items():
        found = await _FINDERS[rule](tx, terms, now)
        if terms["profiling"]:
            found = await _willing(tx, found)
        made += await suggestions.put(
            tx,
            rule,
            found,
            now=now,
            expires_at=now + timedelta(days=terms["expires"]),
            not_since=now - timedelta(days=terms["again"]),
        )
    return made


async def _overdue(tx: Tx, terms: Mapping[str, Any], now: datetime) -> list[Candidate]:
    found = await suggestions.open_tasks(tx, terms["kinds"], now)
    return [
        Candidate(
            row.person_id,
            row.contact_id,
            f"task:{row.id}",
            {"opened": _day(row.opened_at), "due": _moment(row.due_at)},
        )
        for row in found
    ]


async def _unverified(tx: Tx, terms: Mapping[str, Any], now: datetime) -> list[Candidate]:
    found = await suggestions.open_tasks(tx, ["identity"], None)
    return [
        Candidate(row.person_id, row.contact_id, f"task:{row.id}", {"opened": _day(row.opened_at)})
        for row in found
    ]


async def _interested(tx: Tx, terms: Mapping[str, Any], now: datetime) -> list[Candidate]:
    found = await suggestions.stated_interests(tx, now - timedelta(days=terms["within"]))
    return [
        Candidate(
            row.person_id,
            row.contact_id,
            f"interest:{row.value}",
            {"area": row.value, "said": _day(row.first_at)},
        )
        for row in found
        if (ours := vocabulary.products_of(row.value)) and not ours & set(row.products)
    ]


async def _out_of_touch(tx: Tx, terms: Mapping[str, Any], now: datetime) -> list[Candidate]:
    found = await suggestions.out_of_touch(tx, now - timedelta(days=terms["days"]))
    return [
        Candidate(row.person_id, row.contact_id, "contact", {"days": (now - row.last).days}) for row in found
    ]


_FINDERS: Mapping[str, Callable[[Tx, Mapping[str, Any], datetime], Awaitable[list[Candidate]]]] = {
    "overdue_request": _overdue,
    "verification_waiting": _unverified,
    "unanswered_interest": _interested,
    "no_contact": _out_of_touch,
}


async def _willing(tx: Tx, found: list[Candidate]) -> list[Candidate]:
    """Without those who refuse profiling, or to hear of products or services."""
    known = await consent.of_people(tx, {one.person_id for one in found})
    unwilling = {
        person_id
        for person_id, consents in known.items()
        if any(
            not one.holds and one.purpose in (Purpose.ANALYSIS, Purpose.PROMOTION, Purpose.SERVICE)
            for one in consents
        )
    }
    return [one for one in found if one.person_id not in unwilling]


# ---------------------------------------------------------------- read and decided


async def read(
    tx: Tx,
    vault: Vault,
    *,
    person_id: UUID | None = None,
    rep: str | None = None,
    every: bool = False,
    limit: int | None = None,
) -> list[Suggestion]:
    """Open suggestions, or `every` one, of a person or a rep (by name), the newest first."""
    rows = await suggestions.read(tx, person_id=person_id, rep=rep, every=every, limit=limit)
    return [await _opened(tx, vault, row) for row in rows]


def decision_words() -> tuple[Mapping[str, str], Mapping[str, str]]:
    """What may become of one, in Chinese: outcomes of what was done, reasons of what is not."""
    rules = read_rules("profiles", "suggestions")
    return rules["outcomes"], rules["reasons"]


async def dismiss(
    tx: Tx, vault: Vault, suggestion_id: int, reason: str, login: str, now: datetime, *, remark: str = ""
) -> None:
    """It is not done, for a reason (a key of `reasons`).

    Raises MedrepError(BAD_INPUT | NOT_FOUND | CONFLICT: not open any more, or not this colleague's).
    """
    await _decide(tx, vault, suggestion_id, "dismissed", reason, login, now, remark)


async def settle(
    tx: Tx, vault: Vault, suggestion_id: int, outcome: str, login: str, now: datetime, *, remark: str = ""
) -> None:
    """It was done, with this outcome (a key of `outcomes`). Raises as `dismiss`."""
    await _decide(tx, vault, suggestion_id, "done", outcome, login, now, remark)


async def _decide(
    tx: Tx, vault: Vault, number: int, state: str, word: str, login: str, now: datetime, remark: str
) -> None:
    allowed = read_rules("profiles", "suggestions")["reasons" if state == "dismissed" else "outcomes"]
    if word not in allowed:
        raise MedrepError(Fault.BAD_INPUT, f"one of {', '.join(allowed)}")
    reader = await colleague(tx, login, {Role.REP, Role.MANAGER})
    found = await suggestions.read(tx, suggestion_id=number)
    if not found:
        raise MedrepError(Fault.NOT_FOUND, f"there is no suggestion {number}")
    row = found[0]
    if Role.MANAGER not in reader.roles and row.rep not in (None, reader.name):
        raise MedrepError(Fault.CONFLICT, f"suggestion {number} is another rep's")
    if row.state != "open":
        raise MedrepError(Fault.CONFLICT, f"suggestion {number} is {row.state}")
    sealed = await vault.seal(tx, row.person_id, remark[:_LONGEST], "suggestion.note") if remark else None
    await suggestions.decide(tx, number, state, word, sealed, now, login)
    subject = f"suggestion:{number}"
    await note(tx, f"suggestion.{state}", now, subject, row, rule=row.rule, word=word, login=login)


async def _opened(tx: Tx, vault: Vault, row: SuggestionRow) -> Suggestion:
    terms = _rules().get(row.rule, {"what": row.rule, "reason": ""})
    remark = row.note_enc and await vault.open_text(tx, row.person_id, row.note_enc, "suggestion.note")
    return Suggestion(
        id=row.id,
        person_id=row.person_id,
        external_id=row.external_id,
        rep=row.rep,
        rule=row.rule,
        what=terms["what"].format_map(row.facts),
        reason=terms["reason"].format_map(row.facts),
        subject=row.subject,
        made_at=row.made_at,
        expires_at=row.expires_at,
        state=row.state,
        outcome=row.outcome,
        remark=remark or None,
        decided_at=row.decided_at,
        decided_by=row.decided_by,
    )


def _rules() -> Mapping[str, Any]:
    found: Mapping[str, Any] = read_rules("profiles", "suggestions")["rules"]
    return found


def _day(moment: datetime) -> str:
    local = moment.astimezone(CHINA)
    return f"{local.month}月{local.day}日"


def _moment(moment: datetime) -> str:
    return f"{_day(moment)}{moment.astimezone(CHINA):%H:%M}"
