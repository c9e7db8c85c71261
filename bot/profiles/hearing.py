"""What a turn's messages say of their writer is noted, and left out of what the turn is about."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bot.model import Reply
from bot.profiles import refusal, tags
from bot.profiles.respect import Wish, correction_of, wish_of
from bot.profiles.said import Statement, read_said
from bot.profiles.showing import is_kept_after_refusal, noted_text
from bot.runtime.services import Services
from bot.store.contacts import Contact
from bot.store.database import Tx

RESPONSE = "utter_noted"
INTENTS = {Wish.SEE: "privacy", Wish.REFUSE: "refuse_profiling", Wish.AGREE: "allow_profiling"}
CORRECTS = "change_profile"


def intent_of(text: str, intents: frozenset[str]) -> str:
    """The intent that fixed words about one's own data mean; "" where a text has none, or the version in
    force does not know it."""
    wish = wish_of(text)
    intent = INTENTS[wish] if wish else CORRECTS if correction_of(text) else ""
    return intent if intent in intents else ""


async def hear(
    tx: Tx,
    services: Services,
    contact: Contact,
    text: str,
    messages: Sequence[tuple[int, str]],
    now: datetime,
) -> tuple[str, tuple[Reply, ...]]:
    """Note what the text of a turn states of its writer, a verified doctor: (what it says besides, what is
    said to it). `messages`: (id, text) of those it is made of, the evidence."""
    heard, dialogue = read_said(text), services.published.dialogue
    if not heard.statements or not dialogue.has(RESPONSE):  # a version from before this text was there
        return text, ()
    if await refusal.refusing(tx, [contact.person_id]) and not all(map(_kept, heard.statements)):
        return text, ()
    ids = [number for number, words in messages if read_said(words).statements] or [
        number for number, _ in messages
    ]
    await tags.note_said(tx, contact, heard.statements, [f"message:{number}" for number in ids], now)
    noted = noted_text(heard.statements)
    return heard.rest, (dialogue.reply(RESPONSE, contact.audience, noted=noted),)


def _kept(one: Statement) -> bool:
    return is_kept_after_refusal(one.name)
