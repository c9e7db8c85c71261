"""The pattern language of `data/safety` and `data/compliance`, compiled once.

A pattern is a regular expression over folded text (`bot.text.folding`) in which `{name}` stands for a list of
words, `…` for up to six characters of the same clause and `……` for up to sixteen of the same sentence. It
begins with a definite character and every repetition is bounded: so a scan looks only where one of the
first characters stands, and is linear in the text. A pattern that breaks this is refused when it is read.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from re import _constants as ops  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

import yaml

from bot.model import Fault, MedrepError
from bot.settings import ROOT
from bot.text.yaml_loader import Loader

Words = Mapping[str, Iterable[str]]
Matcher = Callable[[str, int], re.Match[str] | None]

_NAME = re.compile(r"\{([a-z_]+)\}")
_CLAUSE_GAP = "[^,。;!?:\n]{0,6}?"
_SENTENCE_GAP = "[^。;!?\n]{0,16}?"
_LONGEST_REPEAT = 60
_DIGITS = frozenset("0123456789")


@cache
def read_rules(folder: str, name: str) -> Any:
    """One file of rules. Raises MedrepError(CONFIGURATION)."""
    path: Path = ROOT / "data" / folder / f"{name}.yaml"
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader)  # noqa: S506 - it is safe
    except (OSError, yaml.YAMLError) as error:
        raise MedrepError(Fault.CONFIGURATION, f"{folder}/{path.name}: {error}") from None


class Scanner:
    """Finds where patterns of several labels match, overlapping ones included."""

    def __init__(self, patterns: Mapping[str, Iterable[str]], words: Words) -> None:
        by_first: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for label, group in patterns.items():
            for pattern in group:
                for branch, chars in _starts(expand(pattern, words)):
                    for char in chars:
                        by_first[char][label].append(branch)
        self._by_first = {char: dict(groups) for char, groups in by_first.items()}
        self._any: dict[str, Matcher] = {}
        self._each: dict[str, tuple[tuple[str, Matcher], ...]] = {}
        self._candidates = re.compile("[" + "".join(map(re.escape, by_first)) + "]" if by_first else "(?!)")

    def scan(self, text: str) -> Iterator[tuple[str, int, int]]:
        """Every match (label, start, end), by where it begins; per label the first alternative that fits."""
        compiled = self._any
        for candidate in self._candidates.finditer(text):
            start = candidate.start()
            any_of = compiled.get(text[start]) or self._compile_any(text[start])
            if not any_of(text, start):  # one look decides for nearly all
                continue
            for label, matches in self._each.get(text[start]) or self._compile_each(text[start]):
                match = matches(text, start)
                if match:
                    yield label, start, match.end()

    def _compile_any(self, char: str) -> Matcher:
        groups = self._by_first[char].values()
        self._any[char] = _either(tuple(branch for branches in groups for branch in branches)).match
        return self._any[char]

    def _compile_each(self, char: str) -> tuple[tuple[str, Matcher], ...]:
        groups = self._by_first[char].items()
        self._each[char] = tuple((label, _either(tuple(branches)).match) for label, branches in groups)
        return self._each[char]


def compile_patterns(patterns: Iterable[str], words: Words) -> re.Pattern[str]:
    """One pattern for all of them, for short texts. Raises MedrepError(CONFIGURATION)."""
    expanded = [expand(pattern, words) for pattern in patterns]
    for pattern in expanded:
        _tree(pattern)
    return _either(tuple(expanded))


@cache  # most rules hold for every audience, and to compile them is most of a start
def _either(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns) or "(?!)")


@cache
def _starts(pattern: str) -> tuple[tuple[str, frozenset[str]], ...]:
    """Its alternatives, each with the characters it can begin with. Raises MedrepError(CONFIGURATION)."""
    whole, branches = _tree(pattern), _branches(pattern)
    trees = [whole] if branches == [pattern] else map(parser.parse, branches)
    return tuple((branch, _first(tree, branch)) for branch, tree in zip(branches, trees, strict=True))


def _branches(pattern: str, depth: int = 0) -> list[str]:
    """The pattern as alternatives that each begin differently: (?:a|b)c -> ac, bc."""
    pieces = _split(pattern)
    if len(pieces) > 1:
        return [branch for piece in pieces for branch in _branches(piece, depth)]
    group = _leading_group(pattern)
    if group is None or depth > 2:
        return [pattern]
    inner, rest = group
    return [branch for piece in _split(inner) for branch in _branches(f"{piece}{rest}", depth + 1)]


_PART = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]|[()|]|[^\\\[()|]+", re.DOTALL)


def _split(pattern: str) -> list[str]:
    """Cut at the `|` that stand in no group."""
    pieces, level = [""], 0
    for part in _PART.findall(pattern):
        level += (part == "(") - (part == ")")
        if part == "|" and level == 0:
            pieces.append("")
        else:
            pieces[-1] += part
    return pieces


def _leading_group(pattern: str) -> tuple[str, str] | None:
    """(inner, rest) of a pattern that begins with a plain group without a quantifier."""
    if not pattern.startswith("(?:"):
        return None
    level = position = 0
    for part in _PART.findall(pattern):
        level += (part == "(") - (part == ")")
        position += len(part)
        if level == 0:
            break
    rest = pattern[position:]
    return None if rest[:1] in {"?", "{", "*", "+"} else (pattern[3 : position - 1], rest)


def expand(pattern: str, words: Words) -> str:
    def named(match: re.Match[str]) -> str:
        if match[1] not in words:
            raise MedrepError(Fault.CONFIGURATION, f"no word list {match[1]}")
        # Longest first: an alternation takes what stands first.
        return "(?:" + "|".join(sorted(words[match[1]], key=len, reverse=True)) + ")"

    plain = _NAME.sub(named, _NAME.sub(named, pattern))  # a list may name lists
    plain = plain.replace("…?", "…")  # a gap may be empty as it is
    return plain.replace("……", _SENTENCE_GAP).replace("…", _CLAUSE_GAP)


def _tree(pattern: str) -> Any:
    try:
        tree = parser.parse(pattern)
    except re.error as error:
        raise MedrepError(Fault.CONFIGURATION, f"pattern {pattern[:60]}: {error}") from None
    if _reach(tree) > _LONGEST_REPEAT:
        raise MedrepError(Fault.CONFIGURATION, f"pattern repeats without bound: {pattern[:60]}")
    return tree


def _reach(node: Any) -> int:
    """The highest upper bound of a repetition anywhere below `node`."""
    worst = 0
    for item in node if isinstance(node, (list, tuple, parser.SubPattern)) else ():
        if isinstance(item, tuple) and item and item[0] in (ops.MAX_REPEAT, ops.MIN_REPEAT):
            worst = max(worst, int(item[1][1]))
        worst = max(worst, _reach(item))
    return worst


def _first(tree: Any, pattern: str) -> frozenset[str]:
    """The characters a match can begin with. Raises MedrepError(CONFIGURATION) when it can be any."""
    found, empty = _first_of(list(tree), pattern)
    if empty or not found:
        raise MedrepError(Fault.CONFIGURATION, f"pattern has no first character: {pattern[:60]}")
    return found


def _first_of(items: list[Any], pattern: str) -> tuple[frozenset[str], bool]:
    """First characters of a sequence, and whether it can match nothing."""
    found: frozenset[str] = frozenset()
    for item in items:
        more, empty = _first_of_one(item, pattern)
        found |= more
        if not empty:
            return found, False
    return found, True


def _first_of_one(item: Any, pattern: str) -> tuple[frozenset[str], bool]:
    kind, value = item
    if kind is ops.LITERAL:
        return frozenset(chr(value)), False
    if kind is ops.IN:
        return _members(value, pattern), False
    if kind is ops.BRANCH:
        branches = [_first_of(list(branch), pattern) for branch in value[1]]
        return frozenset().union(*(found for found, _ in branches)), any(empty for _, empty in branches)
    if kind is ops.SUBPATTERN:
        return _first_of(list(value[-1]), pattern)
    if kind in (ops.MAX_REPEAT, ops.MIN_REPEAT):
        found, empty = _first_of(list(value[2]), pattern)
        return found, empty or value[0] == 0
    if kind in (ops.ASSERT, ops.ASSERT_NOT, ops.AT):
        return frozenset(), True
    raise MedrepError(Fault.CONFIGURATION, f"pattern begins with any character: {pattern[:60]}")


def _members(items: list[Any], pattern: str) -> frozenset[str]:
    found: set[str] = set()
    for kind, value in items:
        if kind is ops.LITERAL:
            found.add(chr(value))
        elif kind is ops.RANGE:
            found |= {chr(code) for code in range(value[0], value[1] + 1)}
        elif kind is ops.CATEGORY and value is ops.CATEGORY_DIGIT:
            found |= _DIGITS
        else:
            raise MedrepError(Fault.CONFIGURATION, f"pattern begins with any character: {pattern[:60]}")
    return frozenset(found)
