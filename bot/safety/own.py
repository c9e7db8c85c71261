"""What of a message the person wrote, and what stands in it besides.

A platform puts a placeholder where it cannot show something, a code for a face, and the quoted lines above a
line of dashes; people also paste what we said. None of it is a wish, a sign or a question of theirs. It is
blanked and not cut out, so that positions in the text stay what they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from bot.text.patterns import read_rules

# The line under which WeChat shows the answer to a quotation. Nobody types one with spaces.
_DASHES = re.compile(r"^[ \t]*(?:(?:[-–—―─] ){4,40}[-–—―─]?|[-–—―─]{6,80})[ \t]*$", re.MULTILINE)
_OPENING = ("「", "“", "『", "[引用", "【引用", "引用")
_SENTENCE = re.compile(r"[^。!?！？;；\n]{1,400}[。!?！？;；]?")
_SHORTEST = 10  # characters of a sentence of ours that nobody else writes by chance
_SHORTEST_AROUND = 7
_BARE = re.compile(r"[\s。!?！？;；「」“”]")


@dataclass(frozen=True, slots=True)
class OwnWords:
    """`text` is as long as the message, what is not theirs blanked. Where nothing is left, `instead` says
    what the message was: unseen, place, face, ours, or "" for an empty one."""

    text: str
    instead: str = ""
    face: str = ""  # the picture that a face alone stands for

    @property
    def words(self) -> str:
        """What they wrote, and nothing else."""
        return _SPACES.sub(" ", self.text).strip()


_SPACES = re.compile(r"[ \t]{2,}")


@dataclass(frozen=True, slots=True)
class Ours:
    """Sentences of ours, without their marks; of those with a placeholder what stands before and after it."""

    whole: frozenset[str] = frozenset()
    around: tuple[tuple[str, str], ...] = ()

    def has(self, sentence: str) -> bool:
        bare = _BARE.sub("", sentence)
        if len(bare) < _SHORTEST:
            return False
        return bare in self.whole or any(
            bare.startswith(before) and bare.endswith(after) for before, after in self.around
        )


def sentences_of(texts: Iterable[str]) -> Ours:
    """What we say, to be known again when it is pasted back."""
    whole, around = set(), set()
    for text in texts:
        for match in _SENTENCE.finditer(text):
            bare = _BARE.sub("", match[0])
            before, found, rest = bare.partition("{")
            if not found:
                whole.add(bare)
                continue
            after = rest.rpartition("}")[2]
            if len(before) + len(after) >= _SHORTEST_AROUND:
                around.add((before, after))
    return Ours(frozenset(one for one in whole if len(one) >= _SHORTEST), tuple(sorted(around)))


NOTHING = Ours()


def own_words(text: str, ours: Ours = NOTHING) -> OwnWords:
    """The person's own words in a message. Linear in the text."""
    found: set[str] = set()

    def pasted(match: re.Match[str]) -> str:
        if not ours.has(match[0]):
            return match[0]
        found.add("ours")
        return " " * len(match[0])

    def sign(match: re.Match[str]) -> str:
        found.add(signs.kind_of[match[0].lower()])
        return " " * len(match[0])

    left = text
    if answer := _quotation(left):
        found.add("ours")
        left = " " * answer + left[answer:]
    if ours is not NOTHING:
        left = _SENTENCE.sub(pasted, left)
    signs = _signs()
    if signs.may_stand_in(left):
        left = signs.pattern.sub(sign, left)
    if left.strip() or not found:
        return OwnWords(left)
    instead = next((kind for kind in ("place", "unseen") if kind in found), "")
    face = next(iter(sorted(found - {"ours"})), "") if not instead else ""
    return OwnWords(left, instead or ("face" if face else "ours"), face)


def _quotation(text: str) -> int:
    """Where the answer begins under a quotation; 0: there is none."""
    line = _DASHES.search(text)
    if line is None:
        return 0
    spaced = " " in line[0].strip()
    if not spaced and not text.lstrip().startswith(_OPENING):
        return 0
    return line.end()


@dataclass(frozen=True, slots=True)
class _Signs:
    pattern: re.Pattern[str]
    kind_of: dict[str, str]

    def may_stand_in(self, text: str) -> bool:
        lower = text.lower()
        return any(mark in lower for mark in _MARKS)


_MARKS = ("[", "【", "/:", "/strong", "请升级", "手机上查看", "unsupported", "not supported")


@cache
def _signs() -> _Signs:
    rules = read_rules("safety", "own_words")
    kind_of = {sign.lower(): kind for kind in ("unseen", "place") for sign in rules[kind]}
    for face, names in rules["faces"].items():
        for name in names:
            sign = str(name)
            kind_of[(sign if sign.startswith("/") else f"[{sign}]").lower()] = face
    longest_first = sorted(kind_of, key=len, reverse=True)
    return _Signs(re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE), kind_of)
