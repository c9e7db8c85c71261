"""When a medicine is taken, out of free Chinese text: the parts of FHIR R4 `Timing.repeat`.

Each reader takes what it understands out of the text (blanked, so that positions stay), because 一次 means
"a time" in 一天一次 and "each time" in 一次两片.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from bot.text.numerals import COUNT, read, tidy

_UCUM = "http://unitsofmeasure.org"
_PERIODS = {
    "天": "d",
    "日": "d",
    "d": "d",
    "周": "wk",
    "星期": "wk",
    "礼拜": "wk",
    "月": "mo",
    "小时": "h",
    "h": "h",
    "钟头": "h",
}
_PERIOD = "|".join(_PERIODS)
_TAKE = r"(?:吃|服用?|口服|用|打|注射|滴|喷|各|共|吃药|服药|用药)?"
_LATIN = r"(?<![a-z])(?:{})(?![a-z])"


@dataclass(frozen=True, slots=True)
class Timing:
    """`frequency` times per `period` `unit`; `when`: FHIR codes; `clock`: hh:mm:ss; `offset`: minutes."""

    frequency: int | None = None
    period: float | None = None
    unit: str = ""
    when: tuple[str, ...] = ()
    clock: tuple[str, ...] = ()
    offset: int | None = None
    bounds: tuple[float, str] | None = None
    only_daily: bool = False  # said is "a day", and neither how often nor when

    @property
    def stated(self) -> bool:
        return self.period is not None or bool(self.when) or bool(self.clock)

    def repeat(self, frequency: int | None) -> dict[str, Any]:
        """`Timing.repeat` with this frequency (None: not known)."""
        repeat: dict[str, Any] = {}
        if self.bounds:
            value, code = self.bounds
            word = {"d": "天", "wk": "周", "mo": "月", "h": "小时"}[code]
            repeat["boundsDuration"] = {"value": tidy(value), "unit": word, "system": _UCUM, "code": code}
        if self.period is not None:
            if frequency:
                repeat["frequency"] = frequency
            repeat |= {"period": tidy(self.period), "periodUnit": self.unit}
        if self.clock:
            repeat["timeOfDay"] = list(self.clock)
        elif self.when:
            repeat["when"] = list(self.when)
            if self.offset is not None and not set(self.when) <= {"C", "CM", "CD", "CV"}:
                repeat["offset"] = self.offset
        return repeat


def cut(pattern: re.Pattern[str], text: str) -> tuple[list[re.Match[str]], str]:
    """All matches, and the text with blanks in their places."""
    return list(pattern.finditer(text)), pattern.sub(lambda match: " " * len(match[0]), text)


def read_timing(text: str) -> tuple[Timing, str]:
    """The timing in folded text, and what is left of it."""
    reader = _Reader()
    for pattern, (frequency, period, unit, when) in _ABBREVIATIONS:
        found, text = cut(pattern, text)
        if found:
            reader.every(frequency, period, unit)
            reader.when += when
    text = reader.read_bounds(text)
    text = reader.read_frequency(text)
    text = reader.read_clock(text)
    text = reader.read_when(text)
    return reader.timing(), text


_ABBREVIATIONS: tuple[tuple[re.Pattern[str], tuple[int, float, str, list[str]]], ...] = tuple(
    (re.compile(_LATIN.format(word)), meaning)
    for word, meaning in (
        ("qd", (1, 1, "d", [])),
        ("bid", (2, 1, "d", [])),
        ("tid", (3, 1, "d", [])),
        ("qid", (4, 1, "d", [])),
        ("qod", (1, 2, "d", [])),
        ("qn", (1, 1, "d", ["EVE"])),
        ("qm", (1, 1, "d", ["MORN"])),
        ("qw", (1, 1, "wk", [])),
        ("biw", (2, 1, "wk", [])),
        ("tiw", (3, 1, "wk", [])),
        ("q2w", (1, 2, "wk", [])),
    )
)
_BOUNDS = (
    re.compile(
        rf"(?:疗程|连服|连用|连吃|连续{_TAKE}|一共{_TAKE}|总共{_TAKE}|共{_TAKE}|服用?|吃|用|打)\s?(?:为|是|:)?\s?"
        rf"(?P<n>{COUNT})\s?个?(?P<unit>{_PERIOD})(?!一?\d?次|后|前|内)"
    ),
    re.compile(rf"(?:x|×|\*)\s?(?P<n>{COUNT})\s?个?(?P<unit>{_PERIOD})(?![a-z])"),
    re.compile(rf"(?P<n>{COUNT})\s?个?(?P<unit>{_PERIOD})(?:为|是)?(?:一|1)?个?疗程"),
)
_EVERY_OTHER = re.compile(rf"(?:每隔(?:一|1)?|隔)(?P<unit>天|日|周|星期|晚)(?:{_TAKE}(?:一|1)[次回])?")
_EVERY_N = re.compile(
    rf"(?:q(?P<latin>\d{{1,2}})h(?![a-z])|(?P<gap>每隔?|隔)?(?P<n>{COUNT})\s?个?(?P<unit>{_PERIOD}){_TAKE}(?P<times>{COUNT})[次回]"
    rf"|每(?P<gap2>隔)?(?P<n2>{COUNT})\s?个?(?P<unit2>{_PERIOD}){_TAKE})"
)
_N_TIMES = re.compile(rf"(?:每个?|一个?)?(?P<unit>{_PERIOD}|晚|早)\s?{_TAKE}\s?(?P<n>{COUNT})[次回]")
_N_TIMES_PER = re.compile(rf"(?P<n>{COUNT})[次回]\s?(?:/|每|一)\s?(?P<unit>{_PERIOD})(?![a-z])")
_DAILY = re.compile(
    r"每天|每日|天天|(?:一|1)(?:天|日)(?!次)|(?<![今明昨当次第节假生周])日(?=\s?\d)|每(?=[早晚晨夜])"
)


@dataclass(slots=True)
class _Reader:
    frequency: int | None = None
    period: float | None = None
    unit: str = ""
    when: list[str] = field(default_factory=list)
    clock: list[str] = field(default_factory=list)
    offset: int | None = None
    bounds: tuple[float, str] | None = None
    daily: bool = False

    def every(self, frequency: float | None, period: float | None, unit: str) -> None:
        if self.period is None and frequency and period and frequency == int(frequency):
            self.frequency, self.period, self.unit = int(frequency), period, unit

    def read_bounds(self, text: str) -> str:
        for pattern in _BOUNDS:
            found, text = cut(pattern, text)
            value = read(found[0]["n"]) if found else None
            if value and self.bounds is None:
                self.bounds = (value, _PERIODS[found[0]["unit"]])
        return text

    def read_frequency(self, text: str) -> str:
        found, text = cut(_EVERY_OTHER, text)
        for match in found:
            self.every(1, 2, "wk" if match["unit"] in {"周", "星期"} else "d")
            if match["unit"] == "晚":
                self.when.append("EVE")
        found, text = cut(_EVERY_N, text)
        for match in found:
            self._every_n(match)
        for pattern in (_N_TIMES_PER, _N_TIMES):
            found, text = cut(pattern, text)
            for match in found:
                self.every(read(match["n"]), 1, _PERIODS.get(match["unit"], "d"))
                self.when += {"晚": ["EVE"], "早": ["MORN"]}.get(match["unit"], [])
        found, text = cut(_DAILY, text)
        self.daily = bool(found)
        return text

    def _every_n(self, match: re.Match[str]) -> None:
        if match["latin"]:
            self.every(1, float(match["latin"]), "h")
            return
        period = read(match["n"] or match["n2"])
        unit = _PERIODS[match["unit"] or match["unit2"]]
        skipped = (match["gap"] or "").endswith("隔") or match["gap2"]
        if period and skipped and unit != "h":  # 每隔两天: two days free, the third with
            period += 1
        self.every(read(match["times"]) if match["times"] else 1, period, unit)

    def read_clock(self, text: str) -> str:
        found, text = cut(_CLOCK, text)
        for match in found:
            hour = read(match["hour"])
            if hour is None or hour > 24:
                continue
            minute = 30 if match["half"] else int(match["minute"] or match["minutes"] or 0)
            late = match["part"] in {"下午", "晚上", "晚", "傍晚"} or (match["part"] == "中午" and hour < 4)
            clock = int(hour) + (12 if late and hour < 12 else 0)
            self.clock.append(f"{clock % 24:02d}:{minute % 60:02d}:00")
        return text

    def read_when(self, text: str) -> str:
        for pattern, codes in _MEALS:
            found, text = cut(pattern, text)
            for match in found:
                self.when += codes
                minutes = match["minutes"]
                if minutes:
                    self.offset = {"半小时": 30, "半个小时": 30}.get(minutes) or _minutes(minutes)
        found, text = cut(_DAY_PARTS, text)
        for match in found:
            self.when += _DAY_PART_CODES.get(match[0], ())
        return text

    def timing(self) -> Timing:
        when = tuple(dict.fromkeys(self.when))
        if "HS" in when:  # 每晚睡前 is one time, not two
            when = tuple(code for code in when if code not in {"EVE", "NIGHT"})
        if set(when) & _AT_A_MEAL:  # 早上饭前: the part of the day says which meal
            when = _joined(when)
        only_daily = (
            self.daily and self.period is None and not self.clock and not set(when) - {"AC", "PC", "C"}
        )
        frequency, period, unit = self.frequency, self.period, self.unit
        if period is None and (self.daily or self.clock or set(when) - {"AC", "PC", "C"}):
            times = len(self.clock) or len([code for code in when if code not in {"AC", "PC", "C"}])
            frequency, period, unit = times or 1, 1, "d"
        return Timing(frequency, period, unit, when, tuple(self.clock), self.offset, self.bounds, only_daily)


_AT_A_MEAL = {"AC", "PC", "C"}
_MEAL_OF = {"MORN": "M", "NOON": "D", "EVE": "V"}


def _joined(when: tuple[str, ...]) -> tuple[str, ...]:
    meal = next(code for code in when if code in _AT_A_MEAL)
    parts = [code for code in when if code in _MEAL_OF]
    if not parts or len([code for code in when if code in _AT_A_MEAL]) > 1:
        return when
    return tuple(meal + _MEAL_OF[code] if code in _MEAL_OF else code for code in when if code != meal)


def _minutes(text: str) -> int | None:
    figure = re.match(COUNT, text)
    value = read(figure[0]) if figure else None
    if value is None:
        return None
    return int(value * 60) if "小时" in text else int(value)


_CLOCK = re.compile(
    r"(?P<part>早上|早晨|清晨|上午|中午|下午|傍晚|晚上|凌晨|早|晚)?\s?"
    r"(?P<hour>(?<!\d)\d{1,2}|十[一二]?|二十[一二三]?|[一二两三四五六七八九])"
    r"(?:(?:点钟?|时(?!候))(?:(?P<half>半)|(?P<minute>[0-5]\d)分?)?|:(?P<minutes>[0-5]\d))"
)
_OFFSET = rf"(?P<minutes>(?:{COUNT}\s?(?:分钟|个?小时)|半个?小时))?"


def _meals() -> tuple[tuple[re.Pattern[str], list[str]], ...]:
    sides = (("AC", "前"), ("PC", "后"), ("C", "(?:时|中)"))
    which = (
        ("(?:三|3|一日三|每日三|每)", "MDV"),
        ("早(?:、|和|,)?中(?:、|和|,)?晚", "MDV"),
        ("早(?:、|和|,)?晚", "MV"),
        ("早", "M"),
        ("[午中]", "D"),
        ("晚", "V"),
    )
    rows = []
    for code, side in sides:
        for name, meals in which:
            pattern = re.compile(rf"{name}[餐饭](?:之|以)?{side}" + _OFFSET)
            rows.append((pattern, [code + meal for meal in meals]))
    for name, meals in which:
        rows.append((re.compile(rf"随{name}餐" + _OFFSET), ["C" + meal for meal in meals]))
    rows += [
        (re.compile(r"(?:空腹|[餐饭](?:之|以)?前|吃饭前)" + _OFFSET), ["AC"]),
        (re.compile(r"(?:[餐饭](?:之|以)?后|吃完饭后?|吃了饭后?)" + _OFFSET), ["PC"]),
        (
            re.compile(r"(?:随[餐饭]|[餐饭][中时]|进[餐食]时|与[餐食](?:物)?同服|吃饭时|和饭一起)" + _OFFSET),
            ["C"],
        ),
        (re.compile(r"(?:睡觉?之?前|临睡前?|就寝前|入睡前|(?<![a-z])hs(?![a-z]))" + _OFFSET), ["HS"]),
        (re.compile(r"(?:起床后?)" + _OFFSET), ["WAKE"]),
        (re.compile(r"(?<![a-z])ac(?![a-z])" + _OFFSET), ["AC"]),
        (re.compile(r"(?<![a-z])pc(?![a-z])" + _OFFSET), ["PC"]),
    ]
    return tuple(rows)


_MEALS = _meals()
_MORNING, _NOON, _AFTERNOON, _EVENING, _NIGHT = "MORN", "NOON", "AFT", "EVE", "NIGHT"
_DAY_PART_CODES = {
    **dict.fromkeys(("早中晚", "早、中、晚"), (_MORNING, _NOON, _EVENING)),
    **dict.fromkeys(("早晚", "早、晚"), (_MORNING, _EVENING)),
    **dict.fromkeys(("早上", "早晨", "清晨", "晨起", "上午", "早", "晨", "am"), (_MORNING,)),
    **dict.fromkeys(("中午", "午", "中"), (_NOON,)),
    **dict.fromkeys(("下午", "pm"), (_AFTERNOON,)),
    **dict.fromkeys(("晚上", "傍晚", "晚"), (_EVENING,)),
    **dict.fromkeys(("夜里", "夜间"), (_NIGHT,)),
}
_DAY_PARTS = re.compile(
    "早中晚|早、中、晚|早晚|早、晚|早上|早晨|清晨|晨起|上午|中午|下午|傍晚|晚上|夜里|夜间"
    r"|(?<![a-z])[ap]m(?![a-z])|早(?!期|搏)|晚(?!期)|晨|午|中(?=\s?[\d一二两三四半]|各)"
)
