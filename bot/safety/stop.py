"""Whether somebody asks us to stop writing, or to begin again."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from functools import cache

from bot.text.folding import Folded
from bot.text.patterns import compile_patterns, read_rules

_LONGEST = 200  # a request to stop is short; in a longer text the word has another meaning
_CLAUSES = re.compile(r"[,。;!?:\n、….~\"“”‘’()\[\]【】<>《》 ]")


@dataclass(frozen=True, slots=True)
class _Requests:
    stop: re.Pattern[str]
    resume: re.Pattern[str]
    polite: re.Pattern[str]
    other: re.Pattern[str]


@cache
def _requests() -> _Requests:
    rules = read_rules("safety", "stop")
    names = _Requests.__dataclass_fields__
    return _Requests(**{name: compile_patterns(rules[name], rules["words"]) for name in names})


def read_request(folded: Folded) -> str:
    """ "stop", "resume" or "": a clause of the text that is nothing but the request."""
    if len(folded.text) > _LONGEST:
        return ""
    rules = _requests()
    whole = folded.text.strip().replace(" ", "")
    clauses = [clause for clause in (whole, *_clauses(folded)) if clause]
    if any(rules.resume.fullmatch(clause) for clause in clauses):
        return "resume"
    if rules.other.search(folded.text):
        return ""
    plain = [_plain(clause) for clause in clauses]
    if any(rules.stop.fullmatch(clause) for clause in plain):
        return "stop"
    if any(rules.resume.fullmatch(clause) for clause in plain):
        return "resume"
    return ""


def _clauses(folded: Folded) -> list[str]:
    """The text cut at punctuation and where a space stood: 不收了 退订."""
    cuts = [0, *sorted(folded.breaks), len(folded.text)]
    pieces = [folded.text[a:b] for a, b in itertools.pairwise(cuts)]
    return [clause for piece in pieces for clause in _CLAUSES.split(piece)]


def _plain(clause: str) -> str:
    """The clause without its politeness: 请帮我退订一下吧 -> 退订."""
    for _ in range(5):
        shorter = _requests().polite.sub("", clause)
        if not shorter or shorter == clause:
            break
        clause = shorter
    return clause
