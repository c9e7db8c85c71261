"""Whether a text goes on: many people send a question a piece at a time.

Three kinds. An opening, a product's name, a patient or a finding alone says nothing, and its continuation
is worth a short wait. A question, a request or a long text is whole and waits for nothing. All else is
answered at once when it stands alone; after a piece it is likely the next one.
"""

from __future__ import annotations

import re
from enum import Enum
from functools import cache

from bot.inbound.open_requests import asked_for
from bot.text.patterns import read_rules

_LONGEST = 20  # characters; what is longer says enough
_DOSE = re.compile(r"\d{1,4}(?:\.\d)? ?(?:mg|毫克|g|克|片|粒)(?: ?(?:bid|qd|qn|tid))?$", re.I)
_ASKS = re.compile(
    r"[?？!！。]|[吗么呢吧嘛]|多少|多久|多大|几|怎|咋|如何|什么|啥|哪|谁|是否|有没有|会不会|要不要|行不行|好不好|能不能"
    r"|可不可以|可以|能用|能吃|可用|禁用|慎用|为何|区别|谢|转人工|投诉|退订"
)


class Piece(Enum):
    OPENING = "opening"
    PART = "part"
    WHOLE = "whole"


def piece_of(text: str, *, is_name: bool) -> Piece:
    """What a text is. `is_name`: what `bare` leaves of it is the name of a product."""
    if len(text) > _LONGEST:
        return Piece.WHOLE
    rest = bare(text)
    if rest in _openings() or is_name or text.rstrip().endswith(("，", ",", "、")):
        return Piece.OPENING
    if _ASKS.search(text) or asked_for(text):
        return Piece.WHOLE
    return Piece.OPENING if _subject().fullmatch(rest) else Piece.PART


def bare(text: str) -> str:
    """The text without a dose and the punctuation at its end."""
    return _DOSE.sub("", text[: _LONGEST + 1].strip().rstrip("，,、…. ")).rstrip()


@cache
def _openings() -> frozenset[str]:
    return frozenset(read_rules("talk", "fragments")["openings"])


@cache
def _subject() -> re.Pattern[str]:
    """A patient, with an age or a finding: 我有个病人, 72岁 女, 老人肾功能不好."""
    words = read_rules("talk", "fragments")
    people, conditions = ("|".join(map(re.escape, words[name])) for name in ("people", "conditions"))
    where = r"(?:我|我们|我这|这边|这里|这|科里|门诊)?(?:今天|刚)?(?:有|来了|来|收了|收)?(?:一?[个位名])?"
    one = rf"(?:\d{{1,3}} ?岁(?:的)?|(?:{people})|(?:{conditions})(?:的)?)"
    return re.compile(rf"{where}(?:{one}[ ，,、]?){{1,4}}")
