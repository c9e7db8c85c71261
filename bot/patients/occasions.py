"""On which occasions of the day a medicine is taken, as FHIR R4 `when`: meals, parts of the day, sleep."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bot.patients.day import CODES, SAID
from bot.patients.pieces import cut, without
from bot.text.numerals import AMOUNT, read

AT_A_MEAL = frozenset({"AC", "PC", "C"})
WORDS = {
    "AC": "饭前", "PC": "饭后", "C": "随餐", "HS": "睡前", "WAKE": "起床后",
    "ACM": "早餐前", "ACD": "午餐前", "ACV": "晚餐前",
    "PCM": "早餐后", "PCD": "午餐后", "PCV": "晚餐后", "CM": "随早餐", "CD": "随午餐", "CV": "随晚餐",
    "MORN": "早上", "NOON": "中午", "AFT": "下午", "EVE": "晚上", "NIGHT": "夜里",
}  # fmt: skip
_MEAL_OF = {"MORN": "M", "NOON": "D", "EVE": "V"}


@dataclass(frozen=True, slots=True)
class Occasion:
    code: str
    start: int


@dataclass(frozen=True, slots=True)
class Offset:
    """Minutes before or after `codes`; `exact` is False for a range, which FHIR R4 cannot say."""

    minutes: int
    exact: bool
    codes: tuple[str, ...] = ()


_OFFSET = re.compile(
    rf"(?:约|大约|提前)?(?:{AMOUNT}\s?(?:[-~到至]\s?{AMOUNT}\s?)?"
    r"(?:分钟|分|mins?|个?小时|h(?:ours?)?(?![a-z])|个?钟头|刻钟)|半个?(?:小时|钟头?))"
)


def _meals() -> tuple[tuple[re.Pattern[str], tuple[str, ...]], ...]:
    joint = "(?:、|和|,|及|跟)?"
    which = (
        ("(?:[三3]顿?|[一每]日三|每|顿)", "MDV"),
        (f"早(?:[餐饭])?{joint}[中午](?:[餐饭])?{joint}晚", "MDV"),
        (f"早(?:[餐饭])?{joint}晚", "MV"),
        (f"[中午](?:[餐饭])?{joint}晚", "DV"),
        (f"早(?:[餐饭])?{joint}[中午]", "MD"),
        ("早", "M"),
        ("[午中]", "D"),
        ("晚", "V"),
    )
    rows: list[tuple[str, tuple[str, ...]]] = []
    for code, side in (("AC", "前"), ("PC", "后"), ("C", "(?:时|中|的时候)")):
        rows += [
            (f"{name}[餐饭](?:之|以)?{side}", tuple(code + meal for meal in meals)) for name, meals in which
        ]
    rows += [
        (rf"(?:随|和|跟|与)(?:着)?{name}[餐饭]", tuple("C" + meal for meal in meals)) for name, meals in which
    ]
    done = "(?:吃|食|用)(?:完|过|了|罢)"
    rows += [
        (rf"{done}{name}[餐饭](?:之|以)?后?", tuple("PC" + meal for meal in meals)) for name, meals in which
    ]
    rows += [
        (
            rf"{name}[餐饭]吃(?:(?:完|过|罢|好)了?(?:之?后)?|了(?:就|再|才|[以之]?后))",
            tuple("PC" + meal for meal in meals),
        )
        for name, meals in which
    ]
    rows += [
        (rf"{done}饭(?:之|以)?后?|[餐饭](?:之|以)?后|[餐饭](?:罢|毕|完)|食后", ("PC",)),
        (r"空腹|[餐饭](?:之|以)?前|[吃食]饭之?前|食前", ("AC",)),
        (
            r"随[餐饭]|[餐饭][中时]|进[餐食]时|[与和跟](?:食物|饭|餐)(?:一起|同服|同时)?|[吃食]饭(?:的)?时候?|跟着饭",
            ("C",),
        ),
        (
            r"睡(?:觉|着)?之?(?:前头?|以前)|临睡(?:觉)?前?头?|就寝前|入睡前|上床前|上床(?=[吃服打用])|[困瞓]觉之?前|(?<![a-z])hs(?![a-z])",
            ("HS",),
        ),
        (r"起床之?后?|睡醒后?|(?:一)?睁开?眼后?(?:就)?|醒来后?", ("WAKE",)),
        (r"(?<![a-z])ac(?![a-z])|before (?:meals|food)", ("AC",)),
        (r"(?<![a-z])pc(?![a-z])|after (?:meals|food)", ("PC",)),
        (r"with (?:meals|food)", ("C",)),
        (r"at (?:bedtime|night)", ("HS",)),
        (r"三(?:餐|顿饭?)(?=各|都|均)", ("CM", "CD", "CV")),
    ]
    return tuple((re.compile(pattern), codes) for pattern, codes in rows)


_MEALS = _meals()


def read_occasions(text: str) -> tuple[list[Occasion], list[Offset], str]:
    """The occasions in folded text, the minutes before or after them, and what is left of the text."""
    found: list[Occasion] = []
    offsets: list[Offset] = []
    for pattern, codes in _MEALS:
        for match in pattern.finditer(text):
            found += [Occasion(code, match.start()) for code in codes]
            after = _OFFSET.match(text, match.end())
            if after and (offset := _offset(after[0], codes)):
                offsets.append(offset)
            end = after.end() if after else match.end()
            text = without([(match.start(), end)], text)
    parts, text = cut(SAID, text)
    for match in parts:
        found += [Occasion(code, match.start()) for code in CODES[match[0]]]
    return sorted(found, key=lambda o: o.start), offsets, text


def _offset(text: str, codes: tuple[str, ...]) -> Offset | None:
    figures = re.findall(AMOUNT, text)
    value = read(figures[0]) if figures else None
    if value is None:
        return None
    minutes = value * (
        60 if re.search("时|钟头|h", text) or text.endswith("个钟") else 15 if "刻" in text else 1
    )
    if text.startswith("半个钟"):
        minutes = 30
    return Offset(int(minutes), exact=len(figures) == 1, codes=codes)


def merged(occasions: list[Occasion]) -> tuple[str, ...]:
    """The codes: 早上饭前 is before breakfast, 每晚睡前 one time and not two."""
    when = tuple(dict.fromkeys(o.code for o in occasions))
    if "HS" in when:
        when = tuple(code for code in when if code not in {"EVE", "NIGHT"})
    if "WAKE" in when:
        when = tuple(code for code in when if code != "MORN")
    meals = [code for code in when if code in AT_A_MEAL]
    parts = [code for code in when if code in _MEAL_OF]
    named = [code for code in when if len(code) > 1 and code[-1] in "MDV" and code[:-1] in AT_A_MEAL]
    if len(meals) == 1 and parts:
        when = tuple(
            meals[0] + _MEAL_OF[code] if code in _MEAL_OF else code for code in when if code != meals[0]
        )
    elif named:  # 早上早饭后, 早餐前空腹: said twice
        when = tuple(c for c in when if c not in {n[:-1] for n in named})
        when = tuple(c for c in when if not any(_MEAL_OF.get(c) == n[-1] for n in named))
    return tuple(dict.fromkeys(when))
