"""What the readers of a plan share: a piece is read and leaves blanks in its place, so that nothing moves."""

from __future__ import annotations

import re
from collections.abc import Iterable

from bot.text.numerals import AMOUNT, read

_HAN = "一两二三四五六七八"
#: 三四, two numerals that are one span; 十 after them would make one number (三四十 is no dose and no rate).
PAIR = f"(?P<pair>[{_HAN}][两二三四五六七八九](?!十))"


def many(match: re.Match[str]) -> tuple[float | None, float | None]:
    """The groups `pair`, `low` and `high`: 3, 3-4, 三到四, 三四 -> (3, 4)."""
    if match["pair"]:
        return read(match["pair"][0]), read(match["pair"][1])
    low = read(match["low"])
    return low, (read(match["high"]) if match["high"] else low)


def span(between: str = "") -> str:
    """A pattern of one number or two, with the groups of `many`; `between` may stand after the first."""
    return rf"(?:{PAIR}|(?P<low>{AMOUNT})(?:{between}\s?(?:[-~到至或]|或者)\s?(?P<high>{AMOUNT}))?)"


def blank(pattern: re.Pattern[str], text: str) -> str:
    return pattern.sub(lambda match: " " * len(match[0]), text)


def cut(pattern: re.Pattern[str], text: str) -> tuple[list[re.Match[str]], str]:
    """All matches, and the text with blanks in their places."""
    found = list(pattern.finditer(text))
    return found, blank(pattern, text) if found else text


def without(spans: Iterable[tuple[int, int]], text: str) -> str:
    """The text with blanks in these places."""
    for start, end in spans:
        text = text[:start] + " " * (end - start) + text[end:]
    return text
