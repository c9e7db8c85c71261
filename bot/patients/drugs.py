"""The medicines that a text names, by the lexicon that the engine knows them from."""

from __future__ import annotations

import re
from functools import cache

from bot.settings import ROOT
from bot.text.folding import fold


def drugs(folded: str) -> set[str]:
    """The preferred names of the medicines in folded text."""
    pattern, names = _lexicon()
    return {names[match[0]] for match in pattern.finditer(folded)}


def without_names(folded: str) -> str:
    """The text without the medicines that it names, whose figures (二甲双胍, 诺和锐30) count nothing."""
    return _lexicon()[0].sub("", folded)


def classes(folded: str) -> set[str]:
    """The preferred names of the classes (降压药, 他汀) that folded text names."""
    pattern, names = _lexicon("drug_class.txt")
    return {names[match[0]] for match in pattern.finditer(folded)}


@cache
def _lexicon(file: str = "drug.txt") -> tuple[re.Pattern[str], dict[str, str]]:
    names: dict[str, str] = {}
    for line in (ROOT / "data" / "lexicon" / file).read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            said = [fold(name.strip()).text for name in line.split("|")]
            names |= {name: said[0] for name in said if len(name) > 1}
    longest_first = sorted(names, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first))), names
