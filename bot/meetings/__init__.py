"""Meetings: who is invited to which, what they answer, and what they are told of it afterwards.

The meetings themselves are approved content (`bot.content`).
"""

from bot.meetings.invitations import (
    ASK,
    SELF,
    Answer,
    Offered,
    answer,
    ask,
    invite,
    join,
    offered,
    to_ask,
    withdraw,
)
from bot.meetings.programme import facts, says, upcoming
from bot.store.meetings import InvitationRow

__all__ = [
    "ASK",
    "SELF",
    "Answer",
    "InvitationRow",
    "Offered",
    "answer",
    "ask",
    "facts",
    "invite",
    "join",
    "offered",
    "says",
    "to_ask",
    "upcoming",
    "withdraw",
]
