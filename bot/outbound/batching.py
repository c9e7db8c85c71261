"""From the replies of a turn to the messages that carry them."""

from __future__ import annotations

from bot.model import Reply
from bot.store.outbox import Draft, Part

LONGEST_MESSAGE = 620  # characters that several replies may have together in one message


def together(replies: tuple[Reply, ...]) -> list[Draft]:
    """As few messages as fit: the platform counts them, and a passive reply is only one."""
    drafts: list[Draft] = []
    for reply in replies:
        part = Part(reply.text, reply.basis)
        last = drafts[-1] if drafts else None
        if (
            last is not None
            and reply.attachment is last.attachment is None  # a picture goes alone
            and not last.choices
            and last.purpose == reply.purpose
            and sum(len(p.text) + 2 for p in last.parts) + len(reply.text) <= LONGEST_MESSAGE
        ):
            drafts[-1] = Draft((*last.parts, part), last.purpose, reply.choices)
        else:
            drafts.append(Draft.of(reply))
    return drafts
