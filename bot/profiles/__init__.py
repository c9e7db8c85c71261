"""What is known of a doctor, from where, how sure; what to do next for them; and their say in it."""

from bot.profiles.affiliations import add as add_affiliation
from bot.profiles.affiliations import end as end_affiliation
from bot.profiles.behaviour import Deed, derive, derive_of, note_deed
from bot.profiles.changes import Change
from bot.profiles.changes import decide as decide_change
from bot.profiles.changes import read as read_changes
from bot.profiles.changes import request as request_change
from bot.profiles.hearing import hear, intent_of, obey
from bot.profiles.refusal import TERMS, allow, refuse, refusing
from bot.profiles.respect import Wish, correction_of, wish_of
from bot.profiles.showing import FIELDS, HELD, NOTED, held_text, profile_of
from bot.profiles.suggestions import Suggestion, decision_words, dismiss, settle
from bot.profiles.suggestions import make as make_suggestions
from bot.profiles.suggestions import read as read_suggestions
from bot.profiles.tags import (
    Tag,
    may_be_segmented,
    note_by_colleague,
    tags_of,
    wish_format,
    withdraw_tag,
)
from bot.profiles.vocabulary import Source, span

__all__ = [
    "FIELDS",
    "HELD",
    "NOTED",
    "TERMS",
    "Change",
    "Deed",
    "Source",
    "Suggestion",
    "Tag",
    "Wish",
    "add_affiliation",
    "allow",
    "correction_of",
    "decide_change",
    "decision_words",
    "derive",
    "derive_of",
    "dismiss",
    "end_affiliation",
    "hear",
    "held_text",
    "intent_of",
    "make_suggestions",
    "may_be_segmented",
    "note_by_colleague",
    "note_deed",
    "obey",
    "profile_of",
    "read_changes",
    "read_suggestions",
    "refuse",
    "refusing",
    "request_change",
    "settle",
    "span",
    "tags_of",
    "wish_format",
    "wish_of",
    "withdraw_tag",
]
