"""The review of what is told of visits, at the console: its history, and what the rules found in it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.compliance import check_text
from bot.desk.reading import Desk
from bot.desk.watching import soft_rules
from bot.evidence import Owner, note
from bot.model import Audience, Fault, MedrepError
from bot.staff import Session
from bot.store.database import Tx
from bot.store.desk_versions import Version
from bot.visits import Reviewing, SentenceDifference, VisitDocument, as_docx, as_json

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ReviewStep:
    """A version in the history, and what it changed."""

    version: Version
    changed: tuple[SentenceDifference, ...]
    reason: str


def history(
    kept: Sequence[Version], changed: Callable[[Body, Body], tuple[SentenceDifference, ...]]
) -> tuple[ReviewStep, ...]:
    """The newest first; the first version changed nothing."""
    before = [None, *(one.body for one in kept)]
    steps = [
        ReviewStep(one, () if old is None else changed(old, one.body), str(one.body.get("reason", "")))
        for old, one in zip(before, kept, strict=False)
    ]
    return tuple(reversed(steps))


async def write(
    reading: Desk,
    who: Session,
    kind: Reviewing,
    number: int | None,
    owner: Owner,
    words: Sequence[str],
    written: Callable[[Tx], Awaitable[int]],
) -> int:
    """What `written` writes, in a transaction of its own; it returns its number. `number`: None where it is
    new. Whatever the rules forbade in the `words`, or warned of, is on the record by its rules."""
    services, now = reading.services, reading.services.clock.now()
    try:
        async with services.db.begin() as tx:
            made = await written(tx)
            if warned := soft_rules(*words):
                subject = f"{kind.subject}:{made}"
                await note(tx, f"{kind.name}.warned", now, subject, owner, login=who.login, rules=warned)
            return made
    except MedrepError as error:
        if error.fault == Fault.REFUSED_TEXT:
            rules = sorted({found.rule for text in words for found in check_text(text, Audience.DOCTOR)})
            subject = f"person:{owner.person_id}" if number is None else f"{kind.subject}:{number}"
            async with services.db.begin() as tx:
                await note(tx, f"{kind.name}.refused", now, subject, owner, login=who.login, rules=rules)
        raise


async def file_of(
    reading: Desk, who: Session, kind: Reviewing, document: VisitDocument, owner: Owner, name: str
) -> bytes:
    """The file, `name` docx or json; that they took it is on the record."""
    services, now = reading.services, reading.services.clock.now()
    facts: dict[str, Any] = {"login": who.login, "version": document.version, "file": name}
    async with services.db.begin() as tx:
        await note(tx, f"{kind.name}.downloaded", now, f"{kind.subject}:{document.id}", owner, **facts)
    return await asyncio.to_thread({"docx": as_docx, "json": as_json}[name], document)
