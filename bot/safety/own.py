"""What of a message the person wrote, and what stands in it besides.

A platform puts a placeholder where it cannot show something, a code for a face, and the quoted lines above a
line of dashes; people also paste what we said. None of it is a wish, a sign or a question of theirs. It is
blanked and not cut out, so that positions in the text stay what they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from bot.text.patterns import read_rules

# The line under which WeChat shows the answer to a quotation; people draw such lines below a table, too, so
# only what opens like a quotation is one.
_DASHES = re.compile(r"^[ \t]*(?:(?:[-–—―─] ){4,40}[-–—―─]?|[-–—―─]{6,80})[ \t]*$", re.MULTILINE)
_OPENING = ("「", "“", "『", "[引用", "【引用", "引用")
_SENTENCE = re.compile(r"[^。!?！？;；\n]{1,400}[。!?！？;；]?")
_SHORTEST = 10  # characters of a sentence of ours that nobody else writes by chance
_SHORTEST_AROUND = 7
_BARE = re.compile(r"[\s。!！;；「」“”]")  # not the question mark: 血压过低是急症？ is a question of theirs


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
    """Sentences of ours, without their marks; those with a placeholder as a pattern, behind what they begin
    with."""

    whole: frozenset[str] = frozenset()
    filled: tuple[tuple[str, re.Pattern[str]], ...] = ()

    def has(self, sentence: str) -> bool:
        words = bare(sentence)
        if len(words) < _SHORTEST:
            return False
        return words in self.whole or any(
            words.startswith(before) and pattern.fullmatch(words) for before, pattern in self.filled
        )


def sentences_of(texts: Iterable[str], placeholders: Mapping[str, str]) -> Ours:
    """What we say, to be known again when it is pasted back. `placeholders`: what may stand in each, so that
    a reply to 方便的话请补充：… is not taken for ours."""
    whole, filled = set(), dict[str, str]()
    for text in texts:
        for match in _SENTENCE.finditer(text):
            fixed, *rest = _PLACEHOLDER.split(bare(match[0]))
            if not rest:
                whole.add(fixed)
                continue
            if len(fixed) + sum(map(len, rest[1::2])) < _SHORTEST_AROUND:
                continue
            made = re.escape(fixed)
            for name, after in zip(rest[::2], rest[1::2], strict=True):
                made += f"(?:{placeholders.get(name, '(?!)')}){re.escape(after)}"
            filled[made] = fixed
    patterns = tuple((before, re.compile(made)) for made, before in sorted(filled.items()))
    return Ours(frozenset(one for one in whole if len(one) >= _SHORTEST), patterns)


_PLACEHOLDER = re.compile(r"\{(\w{1,30})\}")


def bare(sentence: str) -> str:
    """Without its spaces and marks, so that it is known again however it was copied."""
    return _BARE.sub("", sentence).replace("?", "？")


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
    if not text.lstrip().startswith(_OPENING):
        return 0
    line = _DASHES.search(text)
    return line.end() if line else 0


@dataclass(frozen=True, slots=True)
class _Signs:
    pattern: re.Pattern[str]
    kind_of: dict[str, str]
    beginnings: frozenset[str]  # a cheap look before the pattern is tried

    def may_stand_in(self, text: str) -> bool:
        lower = text.lower()
        return any(beginning in lower for beginning in self.beginnings)


@cache
def _signs() -> _Signs:
    rules = read_rules("safety", "own_words")
    kind_of = {sign.lower(): kind for kind in ("unseen", "place") for sign in rules[kind]}
    for face, names in rules["faces"].items():
        for name in names:
            sign = str(name)
            kind_of[(sign if sign.startswith("/") else f"[{sign}]").lower()] = face
    longest_first = sorted(kind_of, key=len, reverse=True)
    # ASCII: else [ſmile] matches, whose lower case is no sign
    pattern = re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE | re.ASCII)
    beginnings = frozenset(sign[: 5 if sign[0].isalnum() else 1 + (sign[0] == "/")] for sign in kind_of)
    return _Signs(pattern, kind_of, beginnings)
