"""Questions that no approved text answers: a request, the answer of a colleague of medical, the review of a
second one, and its way back into the same chat."""

from bot.medical_information.answering import (
    ANSWERERS,
    LONGEST_REASON,
    REVIEWERS,
    assign,
    correct,
    quote,
    save,
    submit,
    told,
)
from bot.medical_information.offering import OFFERED, EntryDraft, offer
from bot.medical_information.request import (
    DECIDED,
    WRITABLE,
    RequestState,
    open_request,
    set_wish,
    standing_of,
    urge,
)
from bot.medical_information.reviewing import EVERY, approve, says, send_again, send_back, settle
from bot.medical_information.wish import CHOICE, WISHES, answers, heard
from bot.medical_information.wording import (
    LONGEST_SECTION,
    LONGEST_TEXT,
    MOST_REFERENCES,
    OFF_LABEL,
    Answer,
    Reference,
    answer_message,
)

__all__ = [
    "ANSWERERS",
    "CHOICE",
    "DECIDED",
    "EVERY",
    "LONGEST_REASON",
    "LONGEST_SECTION",
    "LONGEST_TEXT",
    "MOST_REFERENCES",
    "OFFERED",
    "OFF_LABEL",
    "REVIEWERS",
    "WISHES",
    "WRITABLE",
    "Answer",
    "EntryDraft",
    "Reference",
    "RequestState",
    "answer_message",
    "answers",
    "approve",
    "assign",
    "correct",
    "heard",
    "offer",
    "open_request",
    "quote",
    "save",
    "says",
    "send_again",
    "send_back",
    "set_wish",
    "settle",
    "standing_of",
    "submit",
    "told",
    "urge",
]
