"""What the platform has understood of a voice is read back, so that a wrong word is noticed.

The words are the person's and not ours: the exit lets them leave as the words of just this turn's voice, and
words that we may not say in any case are not read back.
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.compliance import check_text
from bot.dialogue.version import Dialogue
from bot.model import Audience, InboundKind, Reply
from bot.outbound.release import LONGEST_HEARD
from bot.store.inbox import StoredMessage, voice_words

RESPONSE = "utter_heard"


def read_back(messages: Sequence[StoredMessage], dialogue: Dialogue, audience: Audience) -> tuple[Reply, ...]:
    """「您说的是：…」; nothing where nobody spoke."""
    spoken = [message for message in messages if message.kind == InboundKind.TEXT]
    words = "\n".join(text for message in spoken if (text := voice_words(message.body)))
    if not words or not dialogue.has(RESPONSE):
        return ()
    shown = words if len(words) <= LONGEST_HEARD else words[:LONGEST_HEARD] + "…"
    reply = dialogue.reply(RESPONSE, audience, heard=shown)
    return () if check_text(reply.text, audience) else (reply,)
