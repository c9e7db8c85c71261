"""What a doctor says of themselves: 别给我发长文, 我主要看糖尿病, 我现在在心内科坐诊, 以后周五下午联系我.

Fixed words (`data/profiles/said.yaml`), clause by clause: no guess makes a tag. Pure, linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from bot.profiles import vocabulary
from bot.text.clauses import clause_spans
from bot.text.folding import Folded, fold
from bot.text.numerals import read
from bot.text.patterns import compile_patterns, read_rules

_LONGEST = 1000  # characters that are read
_TOGETHER = 3  # clauses that may make one statement
_QUOTE = re.compile(r"[「」『』“”\"]")
_FIRST_PERSON = re.compile(r"[我俺]|本人")
_HIMSELF = re.compile(r"(?:[我俺]|本人)(?:是|叫|姓)|[我俺]这?(?:边|儿|里)")
_ASKED = re.compile(r"[吗么呢]\W?$|\?")
_KINDS = {"interest": "areas", "department": "departments", "title": "titles"}
_DAY = re.compile(r"(?:周|星期|礼拜)([一二三四五六日天末]|[1-7])")
_CLOCK = re.compile(r"([0-9]{1,2}|[一二三四五六七八九十两]{1,3})(?:点|:)")
_PARTS = {
    "morning": re.compile(r"早上|早晨|上午"),
    "noon": re.compile(r"中午|午休"),
    "afternoon": re.compile(r"下午|门诊后|门诊结束"),
    "evening": re.compile(r"傍晚|晚|夜里|下班|下了班"),
}
_WEEK = "一二三四五六日"


@dataclass(frozen=True, slots=True)
class Statement:
    """A tag that somebody states of themselves."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Heard:
    """What was stated, and what the text says besides, as written ("" when that is nothing)."""

    statements: tuple[Statement, ...]
    rest: str


def read_said(text: str) -> Heard:
    """What the writer of a text states of themselves. Nothing is read of what stands in quotes."""
    if _QUOTE.search(text[:_LONGEST]):
        return Heard((), text)
    found: list[Statement] = []
    rests = []
    for line in text[:_LONGEST].splitlines():
        statements, rest = _read_line(line)
        found += statements
        rests.append(rest)
    if not found:
        return Heard((), text)
    rests.append(text[_LONGEST:])
    return Heard(_newest(found), "\n".join(rest for rest in rests if rest.strip()))


def _newest(found: Sequence[Statement]) -> tuple[Statement, ...]:
    """Of a name with one value the last that was stated."""
    last = {(one.name, one.value if vocabulary.names()[one.name].many else ""): one for one in found}
    return tuple(last.values())


def _read_line(line: str) -> tuple[list[Statement], str]:
    folded = fold(line)
    spans = list(clause_spans(folded))
    found: list[Statement] = []
    left: list[tuple[int, int]] = []
    place = 0
    while place < len(spans):
        taken = next(_statements(folded, spans, place), None)
        if taken is None:
            left.append(spans[place])
            place += 1
        else:
            statements, place = taken
            found += statements
    if not found:
        return [], line
    polite = courtesy()
    meant = [span for span in left if not polite.fullmatch(folded.text[slice(*span)])]
    return found, _written(line, folded, meant)


def _written(line: str, folded: Folded, spans: Sequence[tuple[int, int]]) -> str:
    """These clauses as they were written, with what separates them where they follow one another."""
    pieces: list[str] = []
    for start, end in spans:
        low, high = folded.span(start, end)
        following = line[high : high + 1]
        pieces.append(line[low:high] + (following if following and following in "?？。！!;；" else "，"))
    return "".join(pieces).rstrip("，")


def _statements(
    folded: Folded, spans: Sequence[tuple[int, int]], place: int
) -> Iterator[tuple[list[Statement], int]]:
    """What the clauses from `place` on state, and the clause after them; the longest statement first."""
    text = folded.text
    before: list[str] = []
    for start, end in spans[:place]:
        before.append(text[start:end])
        if _ASKED.search(text, start, end + 1):
            before.clear()  # what was asked is asked of us, and what follows is about us
    for end in range(min(len(spans), place + _TOGETHER), place, -1):
        joined = "".join(text[slice(*span)] for span in spans[place:end])
        if len(joined) > 60 or _reported(before, joined):
            continue
        if statements := _of_clause(joined):
            yield statements, end


def _reported(before: Sequence[str], clause: str) -> bool:
    """Whether somebody else's words or practice are told. A clause without a subject goes on with whoever was
    spoken of: 65岁男性，胸痛，现在在心内科."""
    rules = read_rules("profiles", "said")
    if before and before[-1].endswith(tuple(rules["telling"])):
        return True
    if _FIRST_PERSON.search(clause):
        return False
    others = (one for one in before if not _HIMSELF.match(one))
    return any(word in one for one in others for word in rules["others"])


def _of_clause(clause: str) -> list[Statement]:
    bare = _leads().sub("", clause)
    for kind, pattern in _patterns():
        if not (pattern.fullmatch(clause) or (bare != clause and pattern.fullmatch(bare))):
            continue
        name, _, value = kind.partition(":")
        values = [value] if value else _values(name, clause)
        if statements := [Statement(name, one) for one in values if one]:
            return statements
    return []


def _values(name: str, clause: str) -> list[str]:
    if name == "best_time":
        return [_time(clause)]
    found: dict[int, str] = {}
    rest = clause
    for word, kept in vocabulary.synonyms(_KINDS[name]).items():
        while (start := rest.find(word)) >= 0:
            found[start] = kept
            rest = rest.replace(word, " " * len(word), 1)
    return list(dict.fromkeys(found[start] for start in sorted(found)))[: 3 if name == "interest" else 1]


def _time(clause: str) -> str:
    """A value of `best_time`; "" when no time is named."""
    part = next((name for name, word in _PARTS.items() if word.search(clause)), "any")
    hour = _hour(clause, part)
    if part == "any" and hour is not None:
        hours = vocabulary.rules()["times"]["hours"].items()
        part = next((name for name, (low, high) in hours if low <= hour < high), "any")
    day = _day(clause)
    if (day, part) == ("any", "any"):
        return ""
    return f"{day}:{part}" if hour is None else f"{day}:{part}:{hour}"


def _day(clause: str) -> str:
    if match := _DAY.search(clause):
        if match[1] == "末":
            return "weekend"
        digit = _WEEK.find(match[1].replace("天", "日"))
        return vocabulary.WEEKDAYS[digit if digit >= 0 else int(match[1]) - 1]
    return "workday" if "工作日" in clause else "any"


def _hour(clause: str, part: str) -> int | None:
    """The hour of the day that a clock time in the clause means. 八点 in the evening is 20."""
    match = _CLOCK.search(clause)
    value = read(match[1]) if match else None
    if value is None or not 0 <= value < 24:
        return None
    hour = int(value)
    return hour + 12 if part in ("afternoon", "evening") and hour < 12 else hour


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    rules = read_rules("profiles", "said")
    words = rules["words"] | {
        "department": list(vocabulary.synonyms("departments")),
        "title": list(vocabulary.synonyms("titles")),
        "area": list(vocabulary.synonyms("areas")),
    }
    return tuple((kind, compile_patterns(patterns, words)) for kind, patterns in rules["statements"].items())


@cache
def _leads() -> re.Pattern[str]:
    return re.compile(read_rules("profiles", "said")["leads"])


@cache
def courtesy() -> re.Pattern[str]:
    """Clauses that say nothing beside a statement."""
    return compile_patterns(read_rules("profiles", "said")["courtesy"], {})
