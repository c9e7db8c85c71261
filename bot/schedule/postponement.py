"""What is answered when a visit asks for a moment: it may begin, it is put off, or it is not wanted.

Fixed words, clause by clause (`data/schedule/postponement.yaml`); a question, and what else is told, is none
of these and is for the conversation. A stop is read before, at acceptance (`bot.safety`).
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from zoneinfo import ZoneInfo

from bot.clock import CHINA
from bot.schedule.said_times import Ambiguous, SaidTime, read_time
from bot.text.folding import fold
from bot.text.patterns import compile_patterns, read_rules

_LONGEST = 60  # characters; a longer text says more than yes, no or later
_ANSWERS = ("refuse", "busy", "later", "accept", "invite")
_BESIDE = ("courtesy", "wonders")  # say nothing beside a yes
_SPEAK = re.compile("[说讲聊放]|介绍|继续|接着")  # 快点 and 发来看看 may mean another thing
_CLAUSES = re.compile(r"[,。;!?:\n、~… ]")


class VisitAnswer(StrEnum):
    ACCEPT = "accept"
    PUT_OFF = "put_off"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Postponement:
    """`time`: when it suits them, with PUT_OFF alone; None: they did not say."""

    answer: VisitAnswer
    time: SaidTime | Ambiguous | None = None


def read_postponement(text: str, now: datetime, zone: ZoneInfo = CHINA) -> Postponement | None:
    """What they answer; None: none of these, a question above all.

    A time wins over all else (可以，明天下午; 今天别来了，周五吧), a no over busy, busy over a yes, and a
    yes over wondering what it is about (啥事 你说).
    """
    if len(text) > _LONGEST:
        return None
    if (found := read_time(text, now, zone)) is not None:
        return Postponement(VisitAnswer.PUT_OFF, found)
    read = [_said(clause) for clause in _clauses(text)]
    said = {what for clause in read for what in clause}
    if "asks" in said or ("wonders" in said and "accept" not in said):
        return None
    if "refuse" in said:
        return Postponement(VisitAnswer.REFUSE)
    if said & {"busy", "later"}:
        return Postponement(VisitAnswer.PUT_OFF)
    # A yes beside anything else is for the conversation: 代文停不停 你说.
    return Postponement(VisitAnswer.ACCEPT) if "accept" in said and all(read) else None


def bids_speak(text: str) -> bool:
    """They have us speak (你说吧), and say nothing else."""
    if len(text) > _LONGEST:
        return False
    read = [_said(clause) for clause in _clauses(text)]
    said = {what for clause in read for what in clause}
    plain = "invite" in said and all(read) and not said & {"asks", "refuse", "busy", "later"}
    return plain and bool(_SPEAK.search(text))


def _said(clause: str) -> list[str]:
    found = [what for what in (*_ANSWERS, *_BESIDE) if _pattern(what).fullmatch(clause)]
    if "invite" in found:
        found.append("accept")
    # 忙着呢 ends as a question may end, and is none.
    return found or (["asks"] if _pattern("asks").search(clause) else [])


def _clauses(text: str) -> list[str]:
    folded = fold(text)
    cuts = sorted(
        {0, *folded.breaks, *(match.end() for match in _CLAUSES.finditer(folded.text)), len(folded.text)}
    )
    pieces = [folded.text[start:end] for start, end in itertools.pairwise(cuts)]
    # A question mark stays with its clause: 忙? asks.
    return [piece if "?" in piece else _CLAUSES.sub("", piece) for piece in pieces if _CLAUSES.sub("", piece)]


@cache
def _pattern(what: str) -> re.Pattern[str]:
    rules = read_rules("schedule", "postponement")
    return compile_patterns(rules[what], rules["words"])
