"""How somebody wants to be spoken with: in few words, or not at all until a colleague answers.

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


async def hush(tx: Tx, contact: Contact, now: datetime) -> None:
    """Silence from now on."""
    await contacts.prefer(tx, contact.id, hushed_at=now)
    await note(tx, "contact.hushed", now, f"contact:{contact.id}", contact)


async def speak(tx: Tx, contact: Contact, now: datetime) -> None:
    """They want to hear from us again."""
    await contacts.prefer(tx, contact.id, hushed_at=None)
    await note(tx, "contact.unhushed", now, f"contact:{contact.id}", contact)


async def be_brief(tx: Tx, contact: Contact, now: datetime, *, brief: bool) -> None:
    """Short texts from now on, or as long as they are."""
    await contacts.prefer(tx, contact.id, brief_at=now if brief else None)
    await note(tx, "contact.brief", now, f"contact:{contact.id}", contact, brief=brief)


def _says(what: str, text: str) -> bool:
    folded = fold(text[: _LONGEST + 1])
    if len(text) > _LONGEST:
        return False
    pieces = [folded.text, *(folded.text[start:end] for start, end in clause_spans(folded))]
    return any(_patterns(what).fullmatch(piece) for piece in pieces)


@cache
def _patterns(what: str) -> re.Pattern[str]:
    rules = read_rules("talk", "quiet")
    return compile_patterns(rules[what], rules["words"])
