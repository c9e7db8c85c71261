"""What a doctor answers to an invitation: fixed words, clause by clause (`data/meetings/answers.yaml`)."""

from __future__ import annotations

import re
from enum import StrEnum
from functools import cache

from bot.text.clauses import clause_spans
from bot.text.folding import fold
from bot.text.patterns import compile_patterns, read_rules

_LONGEST = 60  # characters; a longer text says more than yes, no or perhaps


class Answer(StrEnum):
    ACCEPTED = "accepted"
    DECLINED = "declined"
    UNSURE = "unsure"


_ORDER = (("decline", Answer.DECLINED), ("unsure", Answer.UNSURE), ("accept", Answer.ACCEPTED))


def read_answer(text: str) -> Answer | None:
    """None: neither yes, no nor perhaps, or a question stands beside it."""
    if len(text) > _LONGEST:
        return None
    folded = fold(text)
    clauses = [folded.text[start:end].strip() for start, end in clause_spans(folded)]
    said = set()
    for clause in filter(None, clauses):
        found = next((what for what, _ in _ORDER if _pattern(what).fullmatch(clause)), "")
        if not found and _pattern("asks").search(clause):
            return None
        said.add(found)
    if "?" in folded.text:
        return None
    return next((answer for what, answer in _ORDER if what in said), None)


@cache
def _pattern(what: str) -> re.Pattern[str]:
    rules = read_rules("meetings", "answers")
    return compile_patterns(rules[what], rules["words"])
