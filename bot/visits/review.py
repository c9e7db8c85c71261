"""The review of the summary of an automated visit, sentence by sentence: see `reviewing`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.model import Fault, MedrepError
from bot.store.database import Tx
from bot.store.vault import Vault
from bot.visits import reviewing
from bot.visits.reviewing import SUMMARY

LONGEST_SENTENCE, MOST_SENTENCES = 600, 80  # characters, sentences
LINES = ("attitude", "next_step")  # what is said of the whole visit


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
    return await _change(tx, vault, visit_id, seen, change, None, login, now)


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
    return await _change(tx, vault, visit_id, seen, change, reason, login, now)


async def _change(
    tx: Tx,
    vault: Vault,
    visit_id: int,
    seen: int,
    change: SentenceChange,
    reason: str | None,
    login: str,
    now: datetime,
) -> int:
    new = await reviewing.changing(tx, SUMMARY, visit_id, seen, reason, login)
    body = _changed(await reviewing.body_before(tx, vault, SUMMARY, new), change, login)
    return await reviewing.write(tx, vault, SUMMARY, new, body, (change.text,), reason, login, now)


async def approve(tx: Tx, visit_id: int, seen: int, login: str, now: datetime) -> None:
    """What this version says is so. Raises MedrepError(NOT_FOUND | CONFLICT)."""
    await reviewing.approve(tx, SUMMARY, visit_id, seen, login, now)


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
