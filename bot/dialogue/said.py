"""What was said to a contact in this conversation, so that it can be said again, or denied."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from bot.model import BasisKind
from bot.runtime.services import Services
from bot.store import outbox, turns
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.outbox import Draft, Part
from bot.text.folding import fold

# A doctor who is back after rounds goes on; a "2" or a 「好的」 of the next day answers nothing of yesterday.
SESSION = timedelta(hours=8)
_LOOKED_AT = 8  # messages
# What nobody wants to read again.
_SMALL = frozenset(
    f"utter_{name}"
    for name in [
        "greet",
        "goodbye",
        "thanks",
        "ok",
        "busy",
        "chitchat",
        "bot",
        "fallback",
        "offer_person",
        "out_of_scope",
        "feedback_thanks",
        "irritated",
        "brief",
        "quiet",
        "hushed",
        "speaking",
        "not_said",
        "said_before",
        "repeat_none",
        "no_choices",
        "source",  # of the answer before it, which is meant
    ]
)
_CLAIM = re.compile(
    r"(?:(?<![再重])说过?的?|讲过?的?|告诉过?我?的?|答应过?|答的?|回答的?|写的?|发的?)(?:了|是|那个|我)?[:,]?([^。!?\n]{2,60}?)"
    r"(?:来着|的吗|了吗|吗|么|嘛|吧|呢|[,。!?\n]|再说|再发|重复|$)"
)
_NOTHING = re.compile(r"什么|啥|哪|这话|这句|那句|一遍|一次|的是什么")
ALIKE = 0.5  # of the letter pairs of a claim, in what was said


def says_something(part: Part) -> bool:
    """Whether anybody may want to read it again; what a colleague typed is not ours to repeat."""
    return part.basis is not None and part.basis.kind != BasisKind.PERSON and part.basis.ref not in _SMALL


async def last_said(tx: Tx, services: Services, contact: Contact, now: datetime) -> Draft | None:
    """The last message to them that says something."""
    for draft in await outbox.said_since(tx, services.vault, contact.id, now - SESSION, _LOOKED_AT):
        if any(says_something(part) for part in draft.parts):
            return draft
    return None


async def quoted(tx: Tx, contact: Contact, now: datetime) -> list[str]:
    """The entries that they were answered with, the newest first."""
    return await turns.entries_since(tx, contact.id, now - SESSION)


def claimed(words: str) -> str:
    """What they say that we said; "" where they do not say what."""
    found = _CLAIM.search(fold(words[:300]).text)
    return found[1] if found and not _NOTHING.match(found[1]) else ""


def alike(claim: str, text: str) -> float:
    """How much of a claim stands in a text, in pairs of neighbouring letters."""
    pairs, there = _pairs(claim), _pairs(text)
    return len(pairs & there) / len(pairs) if pairs else 0.0


def _pairs(text: str) -> set[str]:
    letters = re.sub(r"[\W_]", "", fold(text).text)
    return {letters[place : place + 2] for place in range(len(letters) - 1)}
