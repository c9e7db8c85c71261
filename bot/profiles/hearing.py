"""What a turn's messages say of their writer is noted, and left out of what the turn is about."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bot.model import Reply
from bot.profiles import refusal, tags
from bot.profiles.respect import Wish, besides_wish, correction_of, wish_of
from bot.profiles.said import read_said
from bot.profiles.showing import is_kept_after_refusal, noted_text
from bot.runtime.services import Services
from bot.store import profiles
from bot.store.contacts import Contact
from bot.store.database import Tx

RESPONSE = "utter_noted"
INTENTS = {Wish.SEE: "privacy", Wish.REFUSE: "refuse_profiling", Wish.AGREE: "allow_profiling"}
CORRECTS = "change_profile"
_SETTLED = {Wish.REFUSE: "utter_profiling_refused", Wish.AGREE: "utter_profiling_allowed"}


def intent_of(text: str, intents: frozenset[str]) -> str:
    """The intent that fixed words about one's own data mean; "" where a text has none, or the version in
    force does not know it."""
    wish = wish_of(text)
    intent = INTENTS[wish] if wish else CORRECTS if correction_of(text) else ""
    return intent if intent in intents else ""


async def obey(
    tx: Tx, services: Services, contact: Contact, text: str, now: datetime
) -> tuple[str, tuple[Reply, ...]]:
    """A refusal of profiling, or an agreement to it, beside something else is done at once: (what the text
    says besides, what is said to it). By itself it is a turn of its own, as the dialogue has it."""
    wish, dialogue = wish_of(text), services.published.dialogue
    rest = besides_wish(text) if wish in _SETTLED else ""
    if wish is None or not rest or not dialogue.has(_SETTLED[wish]):
        return text, ()
    await profiles.lock(tx, contact.id)
    if wish == Wish.REFUSE:
        await refusal.refuse(tx, contact, now)
    else:
        await refusal.allow(tx, contact, dialogue, now)
    return rest, (dialogue.reply(_SETTLED[wish], contact.audience),)


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
    stated = heard.statements
    if await refusal.refusing(tx, [contact.person_id]):
        stated = tuple(one for one in stated if is_kept_after_refusal(one.name))
        if not stated:
            return text, ()
    ids = [number for number, words in messages if read_said(words).statements] or [
        number for number, _ in messages
    ]
    await tags.note_said(tx, contact, stated, [f"message:{number}" for number in ids], now)
    noted = noted_text(stated)
    return heard.rest, (dialogue.reply(RESPONSE, contact.audience, noted=noted),)
