"""Folding: a text as it was meant, with a way back to the text as it was written.

People (and those who try to slip past a rule) write 胸 痛, 最*好, ＴＤ, 療效, 胸😭痛, or hide a zero-width
character in a word. Rules are written once, for folded text: half-width, lower case, simplified, without
what was inserted between Chinese characters. Sentence punctuation, and symbols and spaces that matter
beside figures (6.8, 145/92), stay.

Linear in the text: one `str.translate` and one pass of a regular expression.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import accumulate

import zhconv_rs

_INVISIBLE = "\0"  # zero-width, combining, control: dropped everywhere
_ORNAMENT = "\u00b7"  # ·, and what any symbol or emoji becomes
_FILLERS = "\u115f\u1160\u3164\uffa0\u2800"  # letters by category, blank to the eye
_SYMBOLS = r"\x00 \u00b7*_~^|#+\-/\\'\"`=<>.@$&%"  # dropped between two Chinese characters
_LOOSE = r"\x00 \u00b7*_~^|#"  # dropped also between a Chinese character and a figure or letter


@dataclass(frozen=True, slots=True)
class Folded:
    """`text` is folded; `source` is what was written. Positions are in characters.

    `breaks` holds the positions of `text` before which a visible separator was dropped: many people
    write a space where a comma belongs, so a rule about clauses may want to stop there.
    """

    source: str
    text: str
    breaks: frozenset[int]
    _starts: list[int]  # where each piece begins in `text`
    _origins: list[int]  # where it begins in `source`
    _kept: list[str]
    _written: list[str]

    def _origin(self, position: int) -> int:
        piece = bisect_right(self._starts, position) - 1
        if self._kept[piece] != self._written[piece]:
            return self._origins[piece]  # what stands for something else came from its first character
        return self._origins[piece] + position - self._starts[piece]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The span in `source` that `text[start:end]` (not empty) came from."""
        return self._origin(start), self._origin(end - 1) + 1


class _Characters(dict[int, str]):
    """One character to one character, learnt once per distinct character."""

    def __missing__(self, code: int) -> str:
        folded = _fold_character(chr(code))
        self[code] = folded
        return folded


def _fold_character(char: str) -> str:
    if char == "\n":
        return char
    if char.isspace() or char in "\u200b\u2028\u2029":
        return _INVISIBLE if char == "\u200b" else " "
    category = unicodedata.category(char)
    if char in "…⋯":
        return _ORNAMENT
    if category in {"Cf", "Cc", "Mn", "Me", "Cs"} or char in _FILLERS:
        return _INVISIBLE
    plain = unicodedata.normalize("NFKC", char).lower()
    if len(plain) != 1:
        return char  # expanded later, where positions are kept
    if category in {"So", "Sk", "Co", "Cn"} and not plain.isalnum():
        return _ORNAMENT
    if plain in "•‧∙⋅・※★☆●○◆◇■□▲△→←↑↓":
        return _ORNAMENT
    if plain in "‐‑‒–—―−":
        return "-"
    return _simplified().get(plain, plain)


def simplified(text: str) -> str:
    """Simplified for traditional characters, one for one."""
    return text if text.isascii() else "".join(_simplified().get(char, char) for char in text)


@cache
def _simplified() -> dict[str, str]:
    # Converted in one call, a line each, so that no phrase conversion changes a length.
    han = [chr(code) for code in range(0x4E00, 0xA000)]
    plain = zhconv_rs.zhconv("\n".join(han), "zh-hans").split("\n")
    return {a: b for a, b in zip(han, plain, strict=True) if a != b and len(b) == 1}


@cache
def _expansions() -> dict[str, str]:
    """Compatibility characters that stand for several: ㎎ ℃ ⑩ ½ …"""
    blocks = ((0xA0, 0x250), (0x2000, 0x2600), (0x3200, 0x3400), (0xFB00, 0xFB07), (0xFE10, 0xFE70))
    enclosed = (0x1F100, 0x1F252)
    found = {}
    for low, high in (*blocks, enclosed):
        for code in range(low, high):
            plain = unicodedata.normalize("NFKC", chr(code)).lower().strip()
            if len(plain) > 1 and unicodedata.category(chr(code)) not in {"Mn", "Sk", "Po"}:
                found[chr(code)] = plain.replace("\u2044", "/")
    found["℃"] = "度"
    found["℉"] = "华氏度"
    return found


@cache
def _special(pictures: tuple[str, ...], also: str) -> re.Pattern[str]:
    # One leading class, so that the regex engine skips ordinary text at the speed of a character search.
    wide = "".join(re.escape(char) for char in (*_expansions(), *pictures))
    symbols = _SYMBOLS + re.escape(also)
    return re.compile(f"([{symbols}{wide}][{symbols}]*+)")


_HAN = "\u3040"  # folded, a character beyond this is Chinese (or kana): punctuation lies before it
_LOOSE_ONLY = re.compile(f"[{_LOOSE}]+").fullmatch
_SPACES = re.compile(" +")


@lru_cache(maxsize=4096)
def _kept(run: str) -> tuple[str, str, str]:
    """What stays of a run of symbols and spaces: anywhere, beside a figure or letter, between Chinese."""
    anywhere = _SPACES.sub(" ", run.replace(_INVISIBLE, ""))
    return anywhere, "" if _LOOSE_ONLY(run) else anywhere, ""


_TABLES: dict[frozenset[str], _Characters] = {}


def _table(pictures: Mapping[str, str]) -> _Characters:
    key = frozenset(pictures)
    if key not in _TABLES:
        # A picture with a meaning stays itself until the pass gives it its words.
        _TABLES[key] = _Characters({ord(char): char for char in pictures})
    return _TABLES[key]


_NO_PICTURES: Mapping[str, str] = {}


def fold(text: str, pictures: Mapping[str, str] = _NO_PICTURES, also: str = "") -> Folded:
    """Fold `text`.

    `pictures`: single characters (emoji) that mean a word, 🤮 -> 呕吐. `also`: more characters, as folded, to
    drop between two Chinese characters: brackets, for somebody who would write 最（好）.
    """
    plain = text.translate(_table(pictures))
    words = {**_expansions(), **pictures} if pictures else _expansions()
    written = _special(tuple(sorted(pictures)), also).split(plain)  # ordinary text and special runs in turn
    kept = written.copy()
    spaced: list[int] = []
    for i in range(1, len(written), 2):
        run, before, after = written[i], written[i - 1][-1:], written[i + 1][:1]
        wide = ""
        if run[0] in words:
            wide = words[run[0]]
            run, before = run[1:], wide[-1]
        elif not before and i > 1:
            before = kept[i - 2][-1:]
        anywhere, beside_word, between_han = _kept(run)
        if before >= _HAN:
            stays = between_han if after >= _HAN else beside_word if after.isalnum() else anywhere
        else:
            stays = beside_word if after >= _HAN and before.isalnum() else anywhere
        kept[i] = wide + stays
        if not stays and run and run != _INVISIBLE:
            spaced.append(i + 1)
    starts = [0, *accumulate(map(len, kept))]
    origins = [0, *accumulate(map(len, written))]
    return Folded(text, "".join(kept), frozenset(starts[i] for i in spaced), starts, origins, kept, written)
