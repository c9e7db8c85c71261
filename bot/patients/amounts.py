"""Amounts of a medicine in free Chinese text: 一片半, 1/4片, 一两片 (one or two), 12个单位, 早12中10晚12单位.

Tablets, capsules and sachets have no UCUM unit: their quantity carries the word alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from bot.patients.pieces import blank, cut, many, span
from bot.text.numerals import AMOUNT, read, tidy

UCUM = "http://unitsofmeasure.org"
_MASSES = {
    "毫克": "mg", "mg": "mg", "微克": "ug", "ug": "ug", "mcg": "ug", "μg": "ug", "克": "g", "g": "g",
    "毫升": "mL", "ml": "mL", "cc": "mL", "滴": "[drp]",
    "单位": "[iU]", "国际单位": "[iU]", "iu": "[iU]", "u": "[iU]",
    "mmol": "mmol",
}  # fmt: skip
_COUNTED = "片|粒|颗|丸|袋|小?包|支|喷|揿|吸|贴|枚|瓶|小?勺|匙|格|剂|付|副|泡|泵"
# What is also counted where nobody takes a medicine: cigarettes, milk, boxes.
CONTAINERS = frozenset({"包", "袋", "瓶", "支", "克", "g", "毫升", "ml", "个"})
_MASS = rf"\s?个?(?:{'|'.join(sorted(_MASSES, key=len, reverse=True))})"
UNIT = rf"(?:{_COUNTED}|{_MASS[3:]}(?![a-z/]))"
_VERB = "(?:皮下注射|口服|含服|吸入|注射|吃|服用?|用|打|滴|喷|含|贴|喝|涂|抹|食|喂|冲|嚼|吸)"
_RANGE = span(f"{UNIT}?")
_EACH = (
    r"(?:每次|一次|1次|每回|一回|1回|每顿|一顿|1顿|每餐|[一每][遭道趟]|单次|(?:每次)?每(?:[侧边眼]|个?鼻孔|只眼)|(?:每次)?[一1]个鼻孔|[各均]|都(?=[是吃服打一两二\d])是?)"
    rf"(?:可|约|就|只)?{_VERB}?(?:各|约)?"
)
_NO_HALF = r"(?!个|小时|钟|分钟|刻|天(?!天)|日(?![服用一1两二三\d])|[年月周晌夜]|星期|礼拜)"  # 半小时, 半年
_DOSE = re.compile(
    rf"(?P<each>{_EACH})?\s?(?:{_RANGE}\s?(?P<unit>{UNIT})(?:儿)?(?P<half>(?<!半[片粒颗丸袋包])半{_NO_HALF})?(?P<of>的(?:一半|四分之一))?"
    rf"|(?<![一二两三四五六七八九十\d半每])(?P<bare>[片粒颗包袋])半{_NO_HALF}"
    rf"|(?P<each_thing>{_EACH}|(?<=[吃服])(?={AMOUNT}个半?\s?(?:$|[,。;药])))\s?(?P<things>{AMOUNT})个(?P<more>半)?(?![小月多单鼻]))(?P<after>\s?[/每]\s?次(?!\s?(?:可|约|就|只)?{_VERB}?(?:约|各)?{AMOUNT}))?"
)
_SERIES = re.compile(  # 早12中10晚12单位, 8-6-8u
    rf"(?P<all>(?:[早中午晚](?:上|午|饭前|餐前)?{AMOUNT}[,、\s]{{0,2}}){{2,3}}|{AMOUNT}-{AMOUNT}-{AMOUNT})\s?(?P<unit>{UNIT})"
)
_UNITS = re.compile(r"(?<=[早中午晚上下前])(\d{1,2})(?=$|[,。;])")  # of insulin: 早饭前12，晚饭前10
_BORROWED = re.compile(  # 一天三片，早二晚一
    rf"(?P<day>(?:[一1每][天日])(?:吃|服)?{AMOUNT}(?P<unit>{_COUNTED}),?)"
    rf"(?P<all>(?:[早中午晚](?:上|午|饭前|餐前)?{AMOUNT}[,、\s]{{0,2}}){{2,3}})(?=$|[,。;])"
)
_THINGS = re.compile(rf"({AMOUNT})个(?!半|单位|小时|钟|月|星期|礼拜|周|疗程)")  # of insulin: units
_PUFFS = re.compile(rf"([喷吸揿按])({AMOUNT})[下口]")
# 零点二五毫克, 一千五百毫克, 两万单位: as figures before all else, for 点 is the word of the clock, too.
_SPOKEN = re.compile(
    r"(?<![零〇一二两三四五六七八九十百千万\d点])(?P<whole>[零〇一二两三四五六七八九十百千]{1,7})(?P<many>万)?"
    rf"(?:点(?P<decimals>[零〇一二三四五六七八九]{{1,3}}))?(?={_MASS}(?![a-z/])|(?<=[零〇一二两]点五)(?:{_COUNTED}))"
)
_BEFORE_HOUR = re.compile("(?:早上?|晨|[上中下]午|晚上?|夜里?|每[天日])的?$")
_EARLY = re.compile("(?:下午|凌晨|半夜|夜里)的?$")
_TENS_OF_THOUSANDS = re.compile(rf"(?<![\d.])(\d{{1,3}}(?:\.\d)?)万(?={_MASS}(?![a-z/]))")
_HALVED = re.compile(  # 一粒掰两半，早晚各一半
    r"[一1](?P<unit>[片粒颗丸])药?(?:掰|切|分)(?:成|作|为|开)?(?:[两2二][半份瓣块])?(?P<between>[^。;!?]{0,12}?)(?P<each>各|每次|一次)(?:吃|服)?(?:一半(?!片)|半(?![片粒颗丸]))"
)
_CLAP = re.compile(rf"(?<=[^\d])({AMOUNT})下(?![午班来去面次周个])")  # of a spray: 一天不超过8下
_PACK = re.compile(  # what a pack or a tablet holds is no dose
    rf"{AMOUNT}\s?(?:毫克|mg|g|克|ug|微克|ml|毫升|iu|单位)\s?[*x×]\s?\d{{1,3}}\s?[片粒丸支袋贴s](?:/盒|\s?[*x×]\s?\d{{1,2}}盒)?"
    rf"|每[片粒支颗丸袋](?:装|含|有|是)?{AMOUNT}\s?(?:毫克|mg|g|克|ug|微克|ml|毫升)"
    rf"|(?<=,)[一1][片粒颗丸](?:是|有|含)?{AMOUNT}\s?(?:毫克|mg|g|克|ug|微克)(?=,)"
    rf"|(?<![天日一总])(?:一?共|总共|合计|开了?|领了?|拿了?|买了?){AMOUNT}[片粒盒瓶袋支丸](?!药)"
    rf"|(?:[一1]|每)[盒瓶板]{AMOUNT}[片粒丸支袋]|规格[是为:]?\s?{AMOUNT}\s?(?:毫克|mg|g|克|ml|毫升)"
)


@dataclass(frozen=True, slots=True)
class Dose:
    low: float
    high: float
    unit: str
    each: bool  # 每次: at every time, whatever else is said
    shared: bool  # 各: at each of the times named before it
    start: int
    end: int

    @property
    def amount(self) -> tuple[float, float, str]:
        return self.low, self.high, self.unit

    @property
    def counted(self) -> bool:
        return self.unit not in _MASSES


def spread(text: str) -> str:
    """早12中10晚12单位 with the unit at each figure; packs and strengths blanked."""
    text = _TENS_OF_THOUSANDS.sub(lambda match: str(tidy(float(match[1]) * 10_000)), text)
    text = _SPOKEN.sub(_figures, text)
    text = _HALVED.sub(r"\g<between>\g<each>半\g<unit>", text)
    text = blank(_PACK, text)
    if puff := _PUFFS.search(text):
        unit = "吸" if puff[1] == "吸" else "喷"
        text = _CLAP.sub(rf"\g<1>{unit}", _PUFFS.sub(rf"\g<1>\g<2>{unit}", text))
    if "胰岛素" in text:
        text = _UNITS.sub(r"\1单位", _THINGS.sub(r"\1单位", text))
    text = _BORROWED.sub(lambda match: match["day"] + _with_units(match), text)
    return _SERIES.sub(_with_units, text)


def _with_units(match: re.Match[str]) -> str:
    return re.sub(rf"({AMOUNT})(?!\d)", rf"\1{match['unit']}", match["all"]).replace("-", ",")


def _figures(match: re.Match[str]) -> str:
    """2.5 for 两点五; a figure of whole tens alone is read as it is, and 三点十 is an hour."""
    whole, decimals = read(match["whole"]), match["decimals"] or ""
    if whole is None or not (match["many"] or decimals or set(match["whole"]) & {"千", "百"}):
        return match[0]
    hour = decimals and whole in range(1, 25) and len(decimals) < 2
    if hour and (
        decimals != "五"
        or (whole > 4 and _BEFORE_HOUR.search(match.string[: match.start()]))
        or _EARLY.search(match.string[: match.start()])
    ):
        return match[0]  # 晚上八点三毫克; 晚上七点五毫克 may be either
    value = (whole + (read(f"零点{decimals}") or 0)) * (10_000 if match["many"] else 1)
    return str(tidy(value))


def read_doses(text: str) -> tuple[list[Dose], str]:
    """The amounts in folded text, and the text with blanks in their places."""
    found, text = cut(_DOSE, text)
    return [dose for match in found if (dose := _dose(match))], text


def _dose(match: re.Match[str]) -> Dose | None:
    each = bool(match["each"] or match["each_thing"] or match["after"])
    unit = match["bare"] or (match["unit"] or "个").removeprefix("个") or "个"
    low, high = _bounds(match)
    if low is None or high is None or low <= 0 or high < low:
        return None
    shared = bool(re.match("[各均都]", match["each"] or match["each_thing"] or ""))
    start = match.end() - len(match[0].lstrip())
    return Dose(low, high, unit, each and not shared, shared, start, match.end())


def _bounds(match: re.Match[str]) -> tuple[float | None, float | None]:
    if match["bare"]:
        return 1.5, 1.5
    low, high = (read(match["things"]),) * 2 if match["things"] else many(match)
    if low is None or high is None:
        return None, None
    more = 0.5 if match["half"] or match["more"] else 0.0
    part = {"的一半": 0.5, "的四分之一": 0.25}.get(match["of"] or "", 1.0)
    return (low + more) * part, (high + more) * part


def quantity(value: float, unit: str) -> dict[str, Any]:
    found: dict[str, Any] = {"value": tidy(value), "unit": unit}
    if unit in _MASSES:
        found |= {"system": UCUM, "code": _MASSES[unit]}
    return found


def amount(dose: Dose, parts: float) -> dict[str, Any]:
    """`doseAndRate` of a dose that is divided into `parts`."""
    low = quantity(dose.low / parts, dose.unit)
    if dose.high == dose.low:
        return {"doseQuantity": low}
    return {"doseRange": {"low": low, "high": quantity(dose.high / parts, dose.unit)}}
