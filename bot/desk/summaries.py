"""Summaries of automated visits: the list, one beside what was said, and its visits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bot import visits
from bot.desk.reading import Desk, masked
from bot.desk.reviewing import ReviewStep, file_of, history, write
from bot.desk.watching import Flag, watched
from bot.evidence import Owner, note
from bot.model import Fault, MedrepError
from bot.staff import Session
from bot.store import desk_chats, desk_summaries
from bot.store.database import Tx
from bot.store.desk_chats import ChatMessage
from bot.store.desk_summaries import SummaryLine
from bot.store.desk_versions import newest, versions
from bot.visits import (
    LONGEST_SENTENCE,
    OPEN_STATES,
    REVIEWERS,
    SUMMARY,
    ReviewState,
    SentenceChange,
    changed_sentences,
)

LISTED, SHOWN = 100, 300
AROUND = timedelta(minutes=10)  # before and after a visit, for what led to it and what came of it


@dataclass(frozen=True, slots=True)
class Sentence:
    """`part` is what a `SentenceChange` names it by. `shown_by`: the messages that show it, as `Shown.key`;
    `edited`: a colleague wrote it; `phrased`: the assistant worded it; `supported`: messages were named for
    it, be they deleted since."""

    part: str
    text: str
    shown_by: tuple[str, ...]
    edited: bool
    phrased: bool
    supported: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """A message beside the summary; `key` is in-ID or out-ID."""

    key: str
    message: ChatMessage


@dataclass(frozen=True, slots=True)
class SummaryPage:
    """A summary as it stands. `body` is empty where it was deleted. `may_edit`: it is a draft, and theirs to
    review; `may_amend`: it is approved, and theirs."""

    now: datetime
    line: SummaryLine
    body: dict[str, Any]
    sentences: tuple[Sentence, ...]
    messages: tuple[Shown, ...]
    history: tuple[ReviewStep, ...]
    may_edit: bool
    may_amend: bool
    waiting: int


async def summaries(reading: Desk, who: Session, which: str) -> tuple[list[SummaryLine], int]:
    """Those of a filter (open, all, or a state), and how many wait for a colleague."""
    states = {"open": OPEN_STATES, "all": frozenset(ReviewState)}.get(which) or {which}
    async with reading.reading(who) as tx:
        found = await desk_summaries.in_states(tx, reading.services.vault, states, LISTED)
        return found, await desk_summaries.waiting(tx)


async def summary(reading: Desk, who: Session, visit_id: int) -> SummaryPage:
    """Raises MedrepError(NOT_FOUND): there is none, or not for this colleague."""
    services, now = reading.services, reading.services.clock.now()
    async with reading.reading(who) as tx:
        line = await _line(reading, tx, visit_id)
        kept = await versions(tx, services.vault, SUMMARY.store, visit_id)
        body = kept[-1].body
        said = body.get("statements", [])
        turns = {number for one in said for number in one["turns"]}
        answers = await desk_summaries.answers_to(tx, turns)
        messages = await desk_chats.transcript(
            tx, services.vault, [line.contact_id], SHOWN, line.ended_at + AROUND
        )
        waiting = await desk_summaries.waiting(tx)
    async with services.db.begin() as tx:
        owner = Owner(line.person_id, line.contact_id)
        await note(tx, "summary.read", now, f"visit:{visit_id}", owner, login=who.login)
    shown = [
        Shown(_key(one), masked(one, who))
        for one in messages
        if one.at >= line.begun_at - AROUND or (one.incoming and one.id in turns)
    ]
    keys = {one.key for one in shown}
    return SummaryPage(
        now=now,
        line=line,
        body=body,
        sentences=tuple(_sentence(str(at), one, answers, keys) for at, one in enumerate(said)),
        messages=tuple(shown),
        history=history(kept, changed_sentences),
        may_edit=bool(body) and line.state in OPEN_STATES and bool(who.roles & REVIEWERS),
        may_amend=bool(body) and line.state not in OPEN_STATES and bool(who.roles & REVIEWERS),
        waiting=waiting,
    )


async def _line(reading: Desk, tx: Tx, visit_id: int) -> SummaryLine:
    line = await desk_summaries.line_of(tx, reading.services.vault, visit_id)
    if line is None:
        raise MedrepError(Fault.NOT_FOUND, "no such summary")
    return line


def _key(message: ChatMessage) -> str:
    return f"{'in' if message.incoming else 'out'}-{message.id}"


def _sentence(part: str, one: dict[str, Any], answers: dict[int, list[int]], keys: set[str]) -> Sentence:
    """A message shows what it says and, with its turn's answers, what we did."""
    named = [
        key
        for number in one["turns"]
        for key in (f"in-{number}", *(f"out-{answer}" for answer in answers.get(number, ())))
    ]
    shown_by = tuple(key for key in dict.fromkeys(named) if key in keys)
    edited, phrased = bool(one.get("edited_by")), bool(one.get("phrased"))
    return Sentence(part, str(one["text"]), shown_by, edited, phrased, bool(one["turns"]))


async def change_summary(
    reading: Desk, who: Session, visit_id: int, seen: int, change: SentenceChange, reason: str | None
) -> None:
    """An edit, or with a reason an amendment. Raises MedrepError as `bot.visits.edit`; what the rules forbade
    is on the record."""
    services = reading.services

    async def written(tx: Tx) -> int:
        now = services.clock.now()
        if reason is None:
            await visits.edit(tx, services.vault, visit_id, seen, change, who.login, now)
            return visit_id
        await visits.amend(tx, services.vault, visit_id, seen, change, reason, who.login, now)
        if services.crm:
            await visits.hand_on_summary(tx, services.vault, visit_id, now)
        return visit_id

    await _write(reading, who, visit_id, written, change.text, reason or "")


async def approve_summary(reading: Desk, who: Session, visit_id: int, seen: int) -> int | None:
    """The visit whose summary is next to review; None: no other waits. Raises MedrepError."""
    services = reading.services

    async def written(tx: Tx) -> int:
        now = services.clock.now()
        await visits.approve(tx, visit_id, seen, who.login, now)
        if services.crm:
            await visits.hand_on_summary(tx, services.vault, visit_id, now)
        return visit_id

    await _write(reading, who, visit_id, written)
    async with reading.reading(who) as tx:
        return await desk_summaries.next_waiting(tx, visit_id)


async def _write(
    reading: Desk, who: Session, visit_id: int, written: Callable[[Tx], Awaitable[int]], *words: str
) -> None:
    async with reading.reading(who) as tx:
        line = await _line(reading, tx, visit_id)
    await write(reading, who, SUMMARY, visit_id, Owner(line.person_id, line.contact_id), words, written)


async def watch_summary(reading: Desk, who: Session, visit_id: int, text: str) -> tuple[Flag, ...]:
    """What is found in a sentence while it is typed. Raises MedrepError(NOT_FOUND)."""
    async with reading.reading(who) as tx:
        await _line(reading, tx, visit_id)
    return watched(text[:LONGEST_SENTENCE])


async def summary_file(reading: Desk, who: Session, visit_id: int, kind: str) -> bytes:
    """The summary as a file, `kind` docx or json. Raises MedrepError(NOT_FOUND)."""
    async with reading.reading(who) as tx:
        line = await _line(reading, tx, visit_id)
        body = await newest(tx, reading.services.vault, SUMMARY.store, visit_id)
    owner = Owner(line.person_id, line.contact_id)
    return await file_of(reading, who, SUMMARY, visits.document_of(line, body), owner, kind)
