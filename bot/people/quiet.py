"""They want silence until a colleague answers. (Short texts are a preference, of `bot.profiles`.)

The silence is kept by `bot/store/scenes.py`: it belongs to an open request, ends when a colleague takes the
conversation over or closes the request, and at the latest with the session. Red flags, adverse events and a
stop are answered all the same, since that happens when a message is accepted.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import cache

from bot.evidence import note
from bot.store import contacts
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.text.clauses import clause_spans
from bot.text.folding import fold
from bot.text.patterns import compile_patterns, read_rules

_LONGEST = 40  # characters; in a longer text the words have another meaning


def asks_quiet(text: str) -> bool:
    """Whether a clause says that we should not speak now."""
    return _says("quiet", text)


def asks_to_speak(text: str) -> bool:
    """Whether a clause says that we may speak again."""
    return _says("speak", text) and not asks_quiet(text)


def besides(text: str) -> str:
    """What a text says besides the wish that we speak again, as written."""
    return "\n".join(rest for line in text.splitlines() if (rest := _besides(line)))


def _besides(line: str) -> str:
    folded = fold(line[:_LONGEST])
    if not asks_to_speak(line):
        return "" if _patterns("courtesy").fullmatch(folded.text) else line
    if _patterns("speak").fullmatch(folded.text):
        return ""
    either = (_patterns("speak"), _patterns("courtesy"))
    said = [
        one for one in clause_spans(folded) if not any(p.fullmatch(folded.text[slice(*one)]) for p in either)
    ]
    return " ".join(line[slice(*folded.span(*one))] for one in said)


async def hush(tx: Tx, contact: Contact, now: datetime) -> None:
    """Silence from now on."""
    await contacts.hush(tx, contact.id, now)
    await note(tx, "contact.hushed", now, f"contact:{contact.id}", contact)


async def speak(tx: Tx, contact: Contact, now: datetime) -> None:
    """They want to hear from us again."""
    if await contacts.hush(tx, contact.id, None):
        await note(tx, "contact.unhushed", now, f"contact:{contact.id}", contact)


def _says(what: str, text: str) -> bool:
    if len(text) > _LONGEST:
        return False
    folded = fold(text)
    pieces = [folded.text, *(folded.text[start:end] for start, end in clause_spans(folded))]
    return any(_patterns(what).fullmatch(piece) for piece in pieces)


@cache
def _patterns(what: str) -> re.Pattern[str]:
    rules = read_rules("talk", "quiet")
    return compile_patterns(rules[what], rules["words"])
