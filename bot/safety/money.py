"""Whether somebody hints at money, gifts or counting: fees for prescriptions, what an employee gave, whose
boxes were how many. Answered with one refusal, and compliance's to look into.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from bot.model import Audience
from bot.text.folding import Folded
from bot.text.patterns import Scanner, compile_patterns, read_rules

_AROUND = 24  # characters in which other wording may begin before, or end after, what was found


@dataclass(frozen=True, slots=True)
class Hint:
    """`kind`: benefit, employee or counting; `text[start:end]` of the folded text says so."""

    kind: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Money:
    scanner: Scanner
    unless: re.Pattern[str]


@cache
def _rules(audience: Audience) -> _Money:
    rules = read_rules("safety", "money")
    groups = {kind: group["patterns"] for kind, group in rules["groups"].items()}
    if audience == Audience.PATIENT:
        groups = {"benefit": rules["patient"]}
    return _Money(Scanner(groups, rules["words"]), compile_patterns(rules["unless"], rules["words"]))


def find(folded: Folded, audience: Audience) -> Hint | None:
    """The first hint. Linear in the text."""
    rules, text = _rules(audience), folded.text
    judged: set[tuple[str, int, int]] = set()  # a repetitive text costs no more than a short one
    for kind, start, end in rules.scanner.scan(text):
        low = max(0, start - _AROUND)
        around = (text[low : end + _AROUND], start - low, end - low)
        if around in judged:
            continue
        judged.add(around)
        if not _something_else(rules.unless, *around):
            return Hint(kind, start, end)
    return None


def _something_else(unless: re.Pattern[str], around: str, start: int, end: int) -> bool:
    """Whether wording that means something else touches what was found."""
    position = 0
    while match := unless.search(around, position):
        if match.start() >= end:
            return False
        if match.end() > start:
            return True
        position = match.start() + 1
    return False
