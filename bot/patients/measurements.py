"""What a person measured, out of free text: LOINC code, value, UCUM unit.

Glucose: fasting 76629-5 (Fasting glucose [Moles/volume] in Blood), otherwise 15074-8 (Glucose
[Moles/volume] in Blood); the specimen is rarely said, so no capillary or plasma code is chosen. In mg/dL:
2339-0 (Glucose [Mass/volume] in Blood). eGFR: 62238-1 (CKD-EPI); the equation is rarely said. Implausible
figures are left out: a slip of the finger is no measurement. So are targets and bounds (130/80以下, 超过180).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from bot.patients.figure import (
    DIASTOLIC,
    FASTING_GLUCOSE,
    GLUCOSE,
    GLUCOSE_MASS,
    HEART_RATE,
    OXYGEN,
    SYSTOLIC,
    TEMPERATURE,
    WEIGHT,
    Figure,
    Measurement,
)
from bot.text.folding import fold
from bot.text.numerals import FIGURES, HAN, NUMBER, read, tidy


@dataclass(frozen=True, slots=True)
class Analyte:
    """Something measured: how it is called, in which unit, and between which values it is plausible."""

    code: str
    unit: str
    label: str
    low: float
    high: float


_SYSTOLIC = Analyte(SYSTOLIC, "mm[Hg]", "高压|收缩压|上压|sbp", 50, 300)
_DIASTOLIC = Analyte(DIASTOLIC, "mm[Hg]", "低压|舒张压|下压|dbp", 20, 200)
_LABELLED = (
    Analyte(HEART_RATE, "/min", "心率|脉搏|心跳|脉率|(?<![a-z])hr(?![a-z])", 25, 250),
    Analyte("4548-4", "%", "糖化血红蛋白|糖化|hba1c|(?<![a-z])a1c", 3, 20),
    Analyte("62238-1", "mL/min/{1.73_m2}", "egfr|肾小球滤过率|(?<![a-z])gfr", 1, 200),
    Analyte(OXYGEN, "%", "血氧饱和度|血氧|氧饱和度|氧饱|spo2", 40, 100),
    Analyte("14682-9", "umol/L", "血肌酐|肌酐|(?<![a-z])scr(?![a-z])", 10, 2500),
    Analyte("14933-6", "umol/L", "血?尿酸", 50, 1500),
    Analyte("22748-8", "mmol/L", "低密度脂蛋白胆固醇|低密度脂蛋白|低密度|ldl-?c?", 0.1, 20),
    Analyte("14646-4", "mmol/L", "高密度脂蛋白胆固醇|高密度脂蛋白|高密度|hdl-?c?", 0.1, 10),
    Analyte("14647-2", "mmol/L", "总胆固醇|(?<![低高蛋白])胆固醇", 0.5, 30),
    Analyte("14927-8", "mmol/L", "甘油三酯|甘油三脂", 0.1, 60),
    Analyte("1742-6", "U/L", "谷丙转氨酶|谷丙|丙氨酸氨基转移酶|(?<![a-z])alt(?![a-z])", 1, 10000),
    Analyte("1920-8", "U/L", "谷草转氨酶|谷草|(?<![a-z])ast(?![a-z])", 1, 10000),
    Analyte("2157-6", "U/L", "肌酸激酶|(?<![a-z])ck(?![a-z-])", 1, 500000),
    Analyte("2823-3", "mmol/L", "血钾", 1, 10),
)

# Between a name and its figure: anything short that is no figure, no end of a sentence and no other name.
_GAP = r"(?:(?!高压|低压|血压|收缩|舒张|血糖|心率|脉搏|体重|体温|糖化)[^\d.。;!?\n]){0,9}?"
_PAIR = r"\s?(?:/|over|比|和|,|、|~|-|到|至|\s|低压|下压)\s?"
_ABOVE = re.compile(r"(?:超过|高于|大于|高过|多于|[>≥]=?|不低于|不少于|超)[了过]?$")
_BELOW = re.compile(r"(?:低于|小于|少于|不到|不超过|不高于|不大于|[<≤]=?|未超过|未达到|没超过)$")
_TARGET = re.compile(
    r"(?:控制[在到]|控制目标|目标[值是为]?|达标[值是为]?|正常[值范围]{0,3}[是为在应该]{0,3}|标准[值是为]{0,2}|诊断"
    r"|降[到至](?!了)|维持在|保持在|应该?[在是为]|需要?[在]|要求|范围[是为在]?|上限|下限|如果|假如|要是)"
    r"[^\d,;。!?\n]{0,6}$"
)
_UNIT_AFTER = (
    r"\s?(?:mmhg|毫米汞柱|mmol/?l?|毫摩尔?|毫克|mg/?dl?|次/?分?钟?|%|公斤|千克|kg|斤|度|左右|umol/l)?\s?"
)
_AFTER_BELOW = re.compile(_UNIT_AFTER + r"[的]?(?:以下|以内|之内|之下|及以下)")
_AFTER_ABOVE = re.compile(_UNIT_AFTER + r"[的]?(?:以上|之上|及以上|往上|开外|多(?!少))")
_AFTER_TARGET = re.compile(
    _UNIT_AFTER + r"(?:达标|为(?:目标|标准|宜|佳)|是?(?:目标|标准|正常值|正常范围|上限)"
    r"|(?:的时候|时)(?:才|该|应)|才(?:能|可以|算|需要)|[到至~-]\s?\d{1,3}(?:\.\d)?(?!\d))"
)
_NOT_A_LEVEL = re.compile(
    r"\s?(?:片|粒|颗|丸|袋|支|天|日|周|星期|个|小时|h|点|分钟|年|月|岁|号|楼|床|元|块|mg(?!/dl)|毫克(?!/)|ug|单位|u(?![a-z])|次(?!/)|步|米(?!汞))"
)


_LONGEST = 2000


def parse_measurements(text: str) -> list[Measurement]:
    """The measurements in `text`, in order of appearance; targets and bounds are none.

    Only the first 2,000 characters are read: somebody who reports a measurement writes less.
    """
    found = sorted(readings(fold(text[:_LONGEST]).text), key=lambda reading: reading.start)
    return [Measurement(code=r.code, value=tidy(r.value), unit=r.unit) for r in found if not r.bound]


def readings(folded: str) -> list[Figure]:
    """All readings in folded text, bounds and targets included (and marked)."""
    if not _FIGURE(folded):
        return []
    claimed: set[int] = set()  # where a figure that has its meaning begins
    found = []
    for source in _SOURCES:
        for reading in source(folded):
            if reading.start not in claimed:
                claimed.add(reading.start)
                found.append(reading)
    return found


_FIGURE = re.compile(r"\d|[十百点]").search


def _reading(folded: str, match: re.Match[str], group: str, of: Analyte, factor: float = 1) -> Figure | None:
    """The figure in `group` as a measurement of `of`; None when it is implausible or something else."""
    value = read(match[group])
    start, end = match.span(group)
    if value is None or not of.low <= value * factor <= of.high:
        return None
    return Figure(of.code, value * factor, of.unit, start, end, _bound(folded, start, end))


def _bound(folded: str, start: int, end: int) -> str:
    before = folded[max(0, start - 14) : start]
    after = folded[end : end + 14]
    if _TARGET.search(before) or _AFTER_TARGET.match(after):
        return "target"
    if _BELOW.search(before) or _AFTER_BELOW.match(after):
        return "below"
    if _ABOVE.search(before) or _AFTER_ABOVE.match(after):
        return "above"
    return ""


# 145/92, 血压145 92, 血压一百四十五九十二, 高压和低压是145和92
_PAIRS = (
    re.compile(rf"(?P<high>{FIGURES})\s?/\s?(?P<low>{FIGURES})(?!\s?/)"),
    re.compile(
        rf"(?:高压.{{0,2}}低压|血压|(?<![a-z])bp(?![a-z])){_GAP}(?P<high>{FIGURES})\s?(?:mmhg)?{_PAIR}(?P<low>{FIGURES})"
    ),
    re.compile(
        rf"(?:血压|高压|(?<![a-z])bp(?![a-z])){_GAP}(?P<high>(?>{HAN}))(?:[/比和,、]|低压|下压)?(?P<low>{HAN}|{FIGURES})"
    ),
    re.compile(r"血压(?P<high>[12]\d\d)(?P<low>[5-9]\d|1[0-3]\d)(?!\d)"),  # as voice recognition writes it
)


def _pressure_pairs(folded: str) -> Iterator[Figure]:
    for pattern in _PAIRS:
        for match in pattern.finditer(folded):
            high = _reading(folded, match, "high", _SYSTOLIC)
            low = _reading(folded, match, "low", _DIASTOLIC)
            if high is None or low is None or high.value <= low.value or high.value < 70:
                continue
            bound = low.bound or _bound(folded, high.start, low.end)
            yield replace(high, bound=bound)
            yield replace(low, bound=bound)


_SINGLES = (
    (re.compile(rf"(?:{_SYSTOLIC.label}){_GAP}(?P<value>{NUMBER})"), _SYSTOLIC),
    (re.compile(rf"(?:{_DIASTOLIC.label}){_GAP}(?P<value>{NUMBER})"), _DIASTOLIC),
    (re.compile(rf"(?:血压|(?<![a-z])bp(?![a-z])){_GAP}(?P<value>{NUMBER})"), replace(_SYSTOLIC, low=70)),
    (re.compile(rf"(?P<value>{NUMBER})(?:mmhg)?的(?:高压|收缩压|血压)"), replace(_SYSTOLIC, low=70)),
    (re.compile(rf"(?P<value>{NUMBER})(?:mmhg)?的(?:低压|舒张压)"), _DIASTOLIC),
)


def _pressures(folded: str) -> Iterator[Figure]:
    for pattern, analyte in _SINGLES:
        yield from _simple(folded, pattern, analyte)


def _simple(folded: str, pattern: re.Pattern[str], analyte: Analyte) -> Iterator[Figure]:
    for match in pattern.finditer(folded):
        if _NOT_A_LEVEL.match(folded, match.end("value")):
            continue
        reading = _reading(folded, match, "value", analyte)
        if reading is not None:
            yield reading


_DIGIT = "[一二三四五六七八九](?![一二三四五六七八九十百点直些个下会般定天次周样起时切])"
_SUGAR = re.compile(
    rf"(?:(?:餐|饭)后(?:\d(?:\.5)?|[一二两半])?个?(?:小时|h|钟头)?|空腹|餐前|饭前|(?:早餐|早饭|睡|晚餐|午餐)前|随机|指尖|血糖|(?<![a-z])(?:glu|bg|fpg|fbg|ppg)(?![a-z]))"
    rf"(?:的?血糖)?{_GAP}(?P<value>{NUMBER}|{_DIGIT})(?P<mass>\s?mg/dl)?"
)
_SUGAR_AFTER = re.compile(rf"(?P<value>{NUMBER})(?:mmol/?l)?的(?:空腹|餐后)?血糖(?P<mass>)")
_FASTING = re.compile(r"空腹|餐前|饭前|早餐前|早饭前|fpg|fbg")
_AFTER_MEAL = re.compile(r"[餐饭]后")
_MOLAR = Analyte(GLUCOSE, "mmol/L", "", 0.5, 50)
_MASS = Analyte(GLUCOSE_MASS, "mg/dL", "", 15, 900)


def _glucose(folded: str) -> Iterator[Figure]:
    for pattern in (_SUGAR, _SUGAR_AFTER):
        for match in pattern.finditer(folded):
            reading = _reading(folded, match, "value", _MASS if match["mass"] else _MOLAR)
            if reading is None or _NOT_A_LEVEL.match(folded, match.end("value")):
                continue
            around = folded[max(0, match.start() - 8) : match.end()]
            if reading.code == GLUCOSE and _FASTING.search(around) and not _AFTER_MEAL.search(match[0]):
                reading = replace(reading, code=FASTING_GLUCOSE)
            yield reading


def _labelled(folded: str) -> Iterator[Figure]:
    for pattern, analyte in _LABELS:
        yield from _simple(folded, pattern, analyte)
    for match in _PER_MINUTE.finditer(folded):
        reading = _reading(folded, match, "value", _LABELLED[0])
        if reading is not None:
            yield reading


_LABELS = tuple((re.compile(rf"(?:{of.label}){_GAP}(?P<value>{NUMBER})"), of) for of in _LABELLED)
_PER_MINUTE = re.compile(rf"(?:心率|脉搏|心跳)(?:一|每|1)分钟[^\d,;。!?\n]{{0,4}}?(?P<value>{NUMBER})")


_KILOGRAMS = r"\s?(?:公斤|千克|kg(?![/a-z]))"
_JIN = r"\s?(?:市?斤)"
_WEIGHTS = (
    (re.compile(rf"体重{_GAP}(?P<value>{NUMBER}){_KILOGRAMS}"), 1.0),
    (re.compile(rf"体重{_GAP}(?P<value>{NUMBER}){_JIN}"), 0.5),
    (re.compile(rf"体重{_GAP}(?P<value>{NUMBER})(?!\s?(?:公|千|kg|斤|市|\d))"), 1.0),
    (
        re.compile(
            rf"(?:我|他|她|患者|病人|人|岁|cm|厘米)[^\d。;!?\n]{{0,6}}?(?P<value>{NUMBER}){_KILOGRAMS}"
        ),
        1.0,
    ),
    (re.compile(rf"(?:我|他|她|患者|病人|人|岁|cm|厘米)[^\d。;!?\n]{{0,6}}?(?P<value>{NUMBER}){_JIN}"), 0.5),
    (re.compile(rf"^\s?(?P<value>{NUMBER}){_KILOGRAMS}\s?[。.!]?$"), 1.0),
    (re.compile(rf"^\s?(?P<value>{NUMBER}){_JIN}\s?[。.!]?$"), 0.5),
)
_CHANGE = re.compile(r"(?:[瘦减降胖增掉长轻少多涨加][了掉加轻重少下]{0,2}|重了)$")
_BODY = Analyte(WEIGHT, "kg", "体重", 2, 300)
_BARE_BODY = replace(_BODY, high=120)  # beyond, a figure without unit may well be 斤


def _weights(folded: str) -> Iterator[Figure]:
    for i, (pattern, factor) in enumerate(_WEIGHTS):
        for match in pattern.finditer(folded):
            if _CHANGE.search(folded, max(0, match.start("value") - 4), match.start("value")):
                continue
            reading = _reading(folded, match, "value", _BARE_BODY if i == 2 else _BODY, factor)
            if reading is not None and not (i == 2 and _NOT_A_LEVEL.match(folded, match.end("value"))):
                yield reading


_DEGREES = (
    re.compile(
        rf"(?:体温|发烧|高烧|低烧|发热|烧[到了])?{_GAP}(?P<value>(?:3[4-9]|4[0-3])(?:\.\d)?)\s?(?:度(?:c(?![a-z]))?|·?c(?![a-z]))(?P<tenth>\d(?!\d))?"
    ),
    re.compile(
        rf"(?:体温|发烧|高烧|低烧|发热|烧[到了]){_GAP}(?P<value>(?:3[4-9]|4[0-3])(?:\.\d)?)(?P<tenth>(?!))?(?!\d)"
    ),
    re.compile(r"(?P<value>三十[四五六七八九]|四十[一二]?)度(?P<tenth>[一二三四五六七八九]?)(?!角)"),
    re.compile(
        r"体温[^\d。;!?\n]{0,6}?(?P<value>三十[四五六七八九](?:点[一二三四五六七八九零])?|四十[一二]?)(?P<tenth>(?!))?"
    ),
)
_BODY_HEAT = Analyte(TEMPERATURE, "Cel", "体温", 34, 43)
_OTHER_HEAT = re.compile(r"[水室气油](?:温)?[^,。;!?\n]{0,4}$|储存|保存|低于|不超过")


def _temperatures(folded: str) -> Iterator[Figure]:
    for pattern in _DEGREES:
        for match in pattern.finditer(folded):
            reading = _reading(folded, match, "value", _BODY_HEAT)
            before = folded[max(0, match.start("value") - 10) : match.start("value")]
            if reading is None or _OTHER_HEAT.search(before):
                continue
            tenth = read(match["tenth"]) if match["tenth"] else None
            yield replace(reading, value=reading.value + tenth / 10) if tenth else reading


_SOURCES = (_pressure_pairs, _pressures, _glucose, _labelled, _weights, _temperatures)
