"""Figures that are dangerous by themselves, or beside a symptom; the limits are data (`bot.safety.signs`).

What `bot.patients.readings` takes for implausible (a pressure of 50/30) or does not know (potassium, tablets
at once, joined figures) is read here, since in an emergency the implausible is the point.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from bot.patients import DIASTOLIC, FASTING_GLUCOSE, GLUCOSE, GLUCOSE_MASS, OXYGEN, SYSTOLIC, readings
from bot.safety import context
from bot.safety.context import Window
from bot.safety.mentions import Mention
from bot.safety.signs import Limit, limits
from bot.text.folding import Folded
from bot.text.numerals import NUMBER, read
from bot.text.patterns import compile_patterns, read_rules

_MG_PER_MMOL = 18.0  # glucose
_NAMES = {
    SYSTOLIC: "systolic",
    DIASTOLIC: "diastolic",
    GLUCOSE: "glucose",
    FASTING_GLUCOSE: "glucose",
    GLUCOSE_MASS: "glucose",
    OXYGEN: "oxygen",
}
_BEFORE, _AFTER = 40, 45  # characters around a label in which its figures, and what goes with them, stand


@dataclass(frozen=True, slots=True)
class _Read:
    """One figure: what it measures, and where it stands."""

    measure: str
    value: float
    start: int
    end: int
    kind: str = "figure"  # or "bound": 180以上


def find(folded: Folded) -> list[Mention]:
    """The figures that reach a limit."""
    found = []
    done = -1
    seen: set[str] = set()
    for match in _patterns().worth.finditer(folded.text):
        if match.start() < done:
            continue
        low, done = max(0, match.start() - _BEFORE), match.end() + _AFTER
        around = folded.text[low:done]
        if around in seen:
            continue
        seen.add(around)
        for figure, category in _dangers(around):
            tail = _TAIL.match(around, figure.end)
            start, end = low + figure.start, low + (tail.end() if tail else figure.end)
            at = Window(*context.surroundings(folded, start, end))
            found.append(Mention(category, figure.kind, start, end, at))
    return found


_TAIL = re.compile(r"(?:\s?/\s?\d{2,3})?\s?(?:mmhg|mmol/?l|毫米汞柱|次/?分?|%)?(?:多|以上|左右|上下|几)?")


def _dangers(text: str) -> Iterator[tuple[_Read, str]]:
    for figure in (*_measured(text), *_extreme(text), *_tablets(text)):
        for limit in limits()[figure.measure]:
            if limit.reached(figure.value) and _beside(text, figure, limit):
                yield figure, limit.category
                break


def _beside(text: str, figure: _Read, limit: Limit) -> bool:
    """Whether the symptom that the limit asks for stands near and is not denied."""
    if limit.symptoms is None:
        return True
    matches = limit.symptoms.finditer(text)
    return any(not context.denied(Window(text, match.start(), match.end())) for match in matches)


_WEIGHT = re.compile(r"\s?(?:公斤|千克|kg|斤)")


def _measured(text: str) -> Iterator[_Read]:
    for reading in readings(text):
        measure = _NAMES.get(reading.code)
        if measure is None or reading.bound not in {"", "above"} or _WEIGHT.match(text, reading.end):
            continue
        value = reading.value / _MG_PER_MMOL if reading.code == GLUCOSE_MASS else reading.value
        # "above" gives no upper bound, so nothing below follows from it.
        if reading.bound == "above" and any(
            limit.below and value < limit.below for limit in limits()[measure]
        ):
            continue
        kind = "bound" if reading.bound else "figure"
        yield _Read(measure, value, reading.start, reading.end, kind)


# between a label and its figure: within the clause, and no other figure or label
_SHORT = r"[^\d,。;!?\n百低舒下心脉糖]{0,7}?"
# 血压昨天是120，现在200: the second figure has no label of its own
_SINCE = (
    r"[^。;!?\n]{0,12}\d[^。;!?\n\d]{0,3}[,\s](?:现在|今天|今早|今晚|刚才|这会儿?)(?:就|又|都|已经?)?"
    "(?:量|测)?(?:是|成|到|升到|涨到|变成)?"
)
_EXTREMES = (
    ("systolic", re.compile(rf"(?:血压|高压|收缩压){_SINCE}(?P<value>[12]\d\d)(?![\d/.])")),
    ("glucose", re.compile(rf"血糖{_SINCE}(?P<value>\d{{1,2}}(?:\.\d)?)(?![\d/.])")),
    ("heart_rate", re.compile(rf"(?:心率|脉搏|心跳){_SINCE}(?P<value>\d{{2,3}})(?![\d/.])")),
    (
        "systolic",
        re.compile(
            r"(?:[量测压]|(?<![a-z])bp(?![a-z]))[^\d,。;!?\n]{0,7}(?P<value>[3-8]\d)\s?/\s?[1-6]\d(?![\d/])"
        ),
    ),
    (
        "systolic",
        re.compile(
            rf"(?:血压|高压|收缩压|上压|上面的?压|(?<![a-z])s?bp(?![a-z])){_SHORT}(?P<value>[3-8]\d|(?<![百零])[三四五六七八]十[一二三四五六七八九]?)(?![\d.])"
        ),
    ),
    (
        "systolic",
        re.compile(
            r"(?:血压|高压|(?<![a-z])bp(?![a-z])|[测量][的了是]|^(?=\s?\d{5,6}\s?$))[^\d,。;!?\n]{0,4}(?P<value>[12]\d\d)(?:[5-9]\d|1\d\d)(?!\d)(?:mmhg)?"
        ),
    ),
    (
        "glucose",
        re.compile(
            r"(?<![低高降尿果蔗喝吃含加无半乳])糖(?:是|只有|才|就|到|测|了|的){0,2}\s?(?P<value>[1-3]\.\d)(?!\d)"
        ),
    ),
    (
        "heart_rate",
        re.compile(
            rf"(?:心率|脉搏|心跳|脉率|(?<![a-z])hr(?![a-z]))(?:一|每|1)?分?钟?{_SHORT}(?P<value>{NUMBER})"
        ),
    ),
    (
        "potassium",
        re.compile(
            r"(?:血清?钾|钾离子)[^\d,。;!?\n]{0,7}?(?P<value>[6-9](?=点?[多几])|[1-9](?:\.\d{1,2})?|[一二五六七八九]点[零一二三四五六七八九])(?![\d.])"
        ),
    ),
    (
        "potassium",
        re.compile(
            r"(?:(?<![氯化橼酸补含保排])钾(?!片|缓释|盐|剂|颗粒)|(?<![a-z])k\+?(?![a-z]))[^\d,。;!?\n]{0,7}?(?P<value>[6-9](?=点?[多几])|[1-9]\.\d{1,2}|[一二五六七八九]点[零一二三四五六七八九])(?![\d.])"
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class _Patterns:
    worth: re.Pattern[str]  # only where one of these stands are figures read
    bound: re.Pattern[str]
    changed: re.Pattern[str]
    other_unit: re.Pattern[str]
    not_at_rest: re.Pattern[str]
    food: re.Pattern[str]
    at_once: re.Pattern[str]
    no_dose: re.Pattern[str]


@cache
def _patterns() -> _Patterns:
    rules = read_rules("safety", "red_flags")["figures"]
    return _Patterns(**{name: compile_patterns(rules[name], {}) for name in _Patterns.__dataclass_fields__})


def _extreme(text: str) -> Iterator[_Read]:
    rules = _patterns()
    for measure, pattern in _EXTREMES:
        for match in pattern.finditer(text):
            value = read(match["value"])
            before = text[max(0, match.start("value") - 10) : match.start("value")]
            if (
                value is None
                or rules.bound.search(before)
                or rules.other_unit.match(text, match.end("value"))
            ):
                continue
            if measure == "systolic" and rules.changed.search(before):
                continue
            if measure == "heart_rate" and (not 10 <= value <= 260 or rules.not_at_rest.search(text)):
                continue
            yield _Read(measure, value, *match.span("value"))


# ------------------------------------------------------------------ tablets

_PIECES = r"[片粒颗丸]"
_SWALLOWED = r"(?:吃|服|吞|喝|咽|含|嚼|灌)"
_TABLETS = (
    re.compile(
        r"(?:took|taken|swallow(?:ed)?|ingest(?:ed)?)[^,。;!?\n]{0,20}?(?P<value>\d{2,3})\s?(?:tab|pill|cap)"
    ),
    re.compile(r"(?P<value>\d{2,3})\s?(?:tab(?:let)?s?|pills?|caps?)\s?(?:at once|in one go|together)"),
    re.compile(
        rf"{_SWALLOWED}[^,。;!?\n]{{0,10}}?(?P<value>{NUMBER}|[五六七八九])(?P<more>[来多几余])?\s?{_PIECES}"
    ),
    re.compile(
        rf"(?P<value>{NUMBER}|[五六七八九])(?P<more>[来多几余])?\s?{_PIECES}[^,。;!?\n]{{0,8}}?{_SWALLOWED}(?:了|下|掉|光|进)"
    ),
    re.compile(
        rf"(?P<value>十|几十|好几十)(?P<more>[来多几余])?\s?{_PIECES}[^,。;!?\n]{{0,8}}?{_SWALLOWED}(?:了|下|掉|光|进)"
    ),
)


def _tablets(text: str) -> Iterator[_Read]:
    """Tablets swallowed: not what is taken each time or over days, nor food."""
    rules = _patterns()
    for pattern in _TABLETS:
        for match in pattern.finditer(text):
            value = 20.0 if match["value"].endswith("几十") else read(match["value"])
            clauses = text[max(0, match.start() - 12) : match.end() + 16]
            if value is None or rules.food.search(clauses):
                continue
            if rules.no_dose.search(clauses) and not rules.at_once.search(clauses):
                continue
            yield _Read("tablets", value, match.start(), match.end())
