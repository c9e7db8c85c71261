"""Whether a sentence says only what the turns say that it cites.

No model judges that. Each figure and each Latin word of the sentence stands in the turns as well; each run
of Chinese is put together from pieces of at least two characters of the turns, with the same negation before
them, and from words that say nothing by themselves (`data/visits/assistant.yaml`). What is quoted is quoted
to the letter; no figure and no denial of the rules' own sentence is lost.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from bot.assistant.pseudonyms import MARK
from bot.compliance import check_text
from bot.model import Audience
from bot.safety import screen
from bot.text.folding import fold
from bot.text.patterns import read_rules

LONGEST = 300  # characters of a sentence
_SHORTEST = 2  # characters of a piece
_REACH = 4  # characters before a piece in which a negation belongs to it
_FIGURE = re.compile(r"\d+(?:[.:/]\d+)*%?")
_COUNTED = re.compile(r"[零〇一二两三四五六七八九十百千万亿半几]+")
_LATIN = re.compile(r"[a-zα-ω][a-z0-9α-ω-]*")
_HAN = re.compile(r"[\u3400-\u9fff]+")
_QUOTED = re.compile(r"[「『“\"]([^」』”\"]*)[」』”\"]")
_NEVER = re.compile(
    r"[<>&{}\[\]`|\\\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\ufeff]|https?:|www\.", re.IGNORECASE
)
_CLAUSE = re.compile(r"[，。；！？,;!?\n]")


@dataclass(frozen=True, slots=True)
class Support:
    """What a sentence stands on: the rules' own sentence, and the words of the turns that it may cite."""

    own: str
    turns: tuple[str, ...]

    @property
    def text(self) -> str:
        return "\n".join((self.own, *self.turns))


def fault_of(sentence: str, support: Support) -> str | None:
    """Why the sentence does not stand, or None: unreadable | figure | word | quotation | negation | lost |
    refused."""
    if not sentence.strip() or len(sentence) > LONGEST or _NEVER.search(sentence) or MARK.search(sentence):
        return "unreadable"
    said, known, own = (_folded(text) for text in (sentence, support.text, support.own))
    if not _figures(said) <= _figures(known) or not set(_LATIN.findall(said)) <= set(_LATIN.findall(known)):
        return "figure"
    if not all(_folded(words) in known for words in _QUOTED.findall(sentence) if words):
        return "quotation"
    if not set(_FIGURE.findall(own)) <= set(_FIGURE.findall(said)):
        return "lost"
    if _denies(own) and not _denies(said):
        return "negation"
    if not all(_made_of(said, run.start(), run.end(), known) for run in _HAN.finditer(said)):
        return "word"
    found = screen(sentence, Audience.DOCTOR)
    if check_text(sentence, Audience.DOCTOR) or found.adverse_event or found.red_flag:
        return "refused"
    return None


def _folded(text: str) -> str:
    return fold(text).text


def _figures(text: str) -> set[str]:
    """Numbers in figures and in Chinese."""
    return {*_FIGURE.findall(text), *_COUNTED.findall(text)}


def _denies(text: str) -> bool:
    """Words that hold such a character and deny nothing (肾功能不全) aside."""
    return bool(_negation().search(_affirming().sub("", text)))


@cache
def _negation() -> re.Pattern[str]:
    return re.compile("[" + "".join(read_rules("visits", "assistant")["negations"]) + "]")


@cache
def _affirming() -> re.Pattern[str]:
    return re.compile("|".join(read_rules("visits", "assistant")["affirm"]))


@cache
def _empty() -> frozenset[str]:
    return frozenset(read_rules("visits", "assistant")["words"])


def _made_of(said: str, start: int, end: int, known: str) -> bool:
    """Whether the run said[start:end] can be put together: from each place that is reached on to the next."""
    reached = {start}
    for at in range(start, end):
        if at in reached:
            reached.update(_pieces(said, at, end, known))
    return end in reached


def _pieces(said: str, at: int, end: int, known: str) -> Iterator[int]:
    """Where a piece that begins here may end."""
    for stop in range(at + 1, end + 1):
        if said[at:stop] in _empty():
            yield stop
    if at and said[at - 1].isdigit() and said[at - 1 : at + 1] in known:
        yield at + 1  # the unit of a figure (30日)
    denied = _denied(said, at)
    for stop in range(at + _SHORTEST, end + 1):
        places = list(_places(known, said[at:stop]))
        if not places:
            return  # nor is there a longer one
        if any(_denied(known, place) == denied for place in places):
            yield stop


def _places(text: str, words: str) -> Iterator[int]:
    place = text.find(words)
    while place >= 0:
        yield place
        place = text.find(words, place + 1)


def _denied(text: str, at: int) -> bool:
    """Whether a negation stands shortly before, in the same clause."""
    before = _CLAUSE.split(text[max(0, at - _REACH) : at])[-1]
    return _denies(before)
