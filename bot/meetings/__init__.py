"""Meetings: who is invited to which, what they answer, and what they are told of it afterwards.

The meetings themselves are approved content (`bot.content`).
"""

from bot.meetings.answers import Answer, read_answer
from bot.meetings.following import EVERY, look_after
from bot.meetings.invitations import (
    SELF,
    Invited,
    Offered,
    answer,
    ask,
    invite,
    join,
    offered,
    spoken_of,
    to_ask,
    too_late,
    wants,
    withdraw,
)
from bot.meetings.programme import FACTS, facts, says, upcoming
from bot.meetings.reminders import ASK, WORDED
from bot.meetings.wording import TEMPLATE, worded
from bot.store.meetings import InvitationRow

__all__ = [
    "ASK",
    "EVERY",
    "FACTS",
    "SELF",
    "TEMPLATE",
    "WORDED",
    "Answer",
    "InvitationRow",
    "Invited",
    "Offered",
    "answer",
    "ask",
    "facts",
    "invite",
    "join",
    "look_after",
    "offered",
    "read_answer",
    "says",
    "spoken_of",
    "to_ask",
    "too_late",
    "upcoming",
    "wants",
    "withdraw",
    "worded",
]
