"""A dosage in free Chinese text -> FHIR R4 `Dosage` (JSON), or None when the text states none.

What is certain is structured, what is not stays words:
- different amounts at different times (早2片晚1片) cannot be one `Dosage`: the times of day are structured,
  the amounts stand in `patientInstruction`, and no `doseAndRate` lets anybody take too much;
- a daily amount without its division (一天两片) is `maxDosePerPeriod`, never a single dose;
- FHIR allows clock times or `when`, not both: beside clock times, 饭后 goes to `additionalInstruction`.
Tablets, capsules and sachets have no UCUM unit: their quantity carries the word alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from bot.patients.timing import Timing, cut, read_timing
from bot.text.folding import fold
from bot.text.numerals import COUNT, read, tidy

UCUM = "http://unitsofmeasure.org"
SNOMED = "http://snomed.info/sct"
_LONGEST = 500  # a dosage is one line; what is longer is something else
_OTHER_WORDS = 18  # this much else may stand beside it: the medicine's name, 医生让我

_MASSES = {
    "毫克": "mg", "mg": "mg", "微克": "ug", "ug": "ug", "mcg": "ug", "μg": "ug", "克": "g", "g": "g",
    "毫升": "mL", "ml": "mL", "滴": "[drp]", "单位": "[iU]", "iu": "[iU]", "u": "[iU]", "mmol": "mmol",
}  # fmt: skip
_COUNTED = "片|粒|颗|丸|袋|包|支|喷|揿|吸|贴|枚|瓶|勺|匙"
_UNIT = rf"(?:{_COUNTED}|{'|'.join(_MASSES)})(?![a-z/])"
_VERB = "(?:吃|服用?|口服|用|打|注射|滴|喷|吸入?|含服?|贴|喝|涂|皮下注射)"
_DOSE = re.compile(
    rf"(?P<each>(?:每次|一次|1次|每回|一回|1回|每顿|一顿|单次|各)\s?{_VERB}?(?:各|约)?)?\s?"
    rf"(?P<low>{COUNT})(?:\s?[-~到至]\s?(?P<high>{COUNT}))?\s?(?P<unit>{_UNIT})(?P<half>半)?"
)
_DIVIDED = re.compile(rf"分(?:成|为)?(?P<n>{COUNT})次(?:吃|服用?|口服)?")
_AS_NEEDED = re.compile(
    r"必要时|需要时|需要的时候|按需|(?<![a-z])(?:prn|sos)(?![a-z])|[疼痛](?:的)?时(?:候)?|发作时|发[烧热]时"
    r"|不舒服时|难受时|不舒服的时候|难受的时候|疼的时候|痛的时候|睡不着时|睡不着的时候"
)
_ROUTES = (
    (re.compile(r"皮下(?:注射)?|(?<![a-z])(?:ih|sc)(?![a-z])"), "34206005", "皮下注射"),
    (re.compile(r"肌肉?注射?|(?<![a-z])im(?![a-z])"), "78421000", "肌内注射"),
    (re.compile(r"静脉(?:滴注|注射)?|静滴|静注|(?<![a-z])iv(?:gtt)?(?![a-z])"), "47625008", "静脉"),
    (re.compile(r"舌下(?:含服)?"), "37839007", "舌下含服"),
    (re.compile(r"吸入"), "447694001", "吸入"),
    (re.compile(r"滴眼|点眼"), "54485002", "滴眼"),
    (re.compile(r"外用|外涂|涂抹|涂"), "6064005", "外用"),
    (re.compile(r"塞肛|直肠"), "37161004", "直肠给药"),
    (re.compile(r"口服|(?<![a-z])po(?![a-z])|吃|服用?|含"), "26643006", "口服"),
)
# What somebody asks, reports or does otherwise is no instruction for taking a medicine.
_NO_DOSAGE = re.compile(
    r"[?吗呢]|什么|怎么|多少|几[片粒次颗天]|如何|能不能|可不可以|要不要|能否|是否|是不是|最[大高低小多]|上限|不(?:能|得)?超过|过量"
    r"|[漏多错误][服吃]|忘[了记]|没[吃服]|(?:吃|服用?|喝|打|用)[了过](?!饭)|已经?[吃服]|在吃|效果|副作用|不良反应|停药|停用"
    r"|发生率|适应症|能吃|可以[吃用服加]|测|监测|量[了血一]|散步|运动|锻炼|走路|大便|小便|起夜|抽|烟|酒|鸡|蛋|奶|盐|水果|米饭|面条|咖啡"
    r"|喝水|步(?!长)|公里|分钟(?!后?[服吃])|回访|复查|随访|更新|发[消信]|提醒|不舒服(?!时|的时)|头晕|头疼(?!时)|恶心|腹泻|拉肚子"
)
_MEDICINE = re.compile(
    r"吃|服|药|片|胶囊|注射|打针|胰岛素|沙坦|他汀|地平|普利|洛尔|列净|列汀|格列|双胍|阿司匹林|滴眼|软膏|颗粒"
)


@dataclass(frozen=True, slots=True)
class _Dose:
    low: float
    high: float
    unit: str
    each: bool
    start: int
    text: str

    @property
    def amount(self) -> tuple[float, float, str]:
        return self.low, self.high, self.unit


@dataclass(frozen=True, slots=True)
class _Phrase:
    """What of a dosage the text says; `rest` is what is left of it."""

    timing: Timing
    doses: list[_Dose] = field(default_factory=list)
    divided: int = 0
    as_needed: bool = False
    rest: str = ""


def parse_dosage(text: str) -> dict[str, Any] | None:
    """The FHIR R4 Dosage that `text` states, or None."""
    if len(text) > _LONGEST:
        return None
    folded = fold(text).text.strip()
    if not folded or _NO_DOSAGE.search(folded):
        return None
    phrase = _read(folded)
    if not _states_dosage(phrase, folded):
        return None
    return _dosage(text.strip(), folded, phrase)


def _read(folded: str) -> _Phrase:
    timing, rest = read_timing(folded)
    as_needed, rest = cut(_AS_NEEDED, rest)
    divided, rest = cut(_DIVIDED, rest)
    doses = [dose for match in _DOSE.finditer(rest) if (dose := _dose(match))]
    rest = _DOSE.sub(lambda match: " " * len(match[0]), rest)
    parts = int(read(divided[0]["n"]) or 0) if divided else 0
    return _Phrase(timing, doses, parts, bool(as_needed), rest)


def _dose(match: re.Match[str]) -> _Dose | None:
    low = read(match["low"])
    high = read(match["high"]) if match["high"] else low
    if low is None or high is None or low <= 0 or high < low:
        return None
    half = 0.5 if match["half"] else 0.0
    return _Dose(low + half, high + half, match["unit"], bool(match["each"]), match.start(), match[0])


def _states_dosage(phrase: _Phrase, folded: str) -> bool:
    words = re.sub(r"[\W\d_]", "", phrase.rest)
    if len(words) > _OTHER_WORDS:
        return False
    timed = phrase.timing.stated
    if phrase.doses:
        return timed or phrase.as_needed or any(dose.each for dose in phrase.doses)
    return timed and (bool(_MEDICINE.search(folded)) or not words)


def _dosage(source: str, folded: str, phrase: _Phrase) -> dict[str, Any]:
    dosage: dict[str, Any] = {"text": source}
    timing, doses = phrase.timing, _of_interest(phrase.doses)
    uniform = len({dose.amount for dose in doses}) == 1
    if timing.clock and timing.when:
        words = "、".join(_WHEN_WORDS.get(code, code) for code in timing.when)
        dosage["additionalInstruction"] = [{"text": words}]
    if doses and not uniform:
        dosage["patientInstruction"] = folded
    frequency = timing.frequency
    daily = uniform and _daily_amount(phrase, doses)
    if daily and phrase.divided:
        frequency = phrase.divided
    repeat = timing.repeat(None if daily and not phrase.divided else frequency)
    if repeat:
        dosage["timing"] = {"repeat": repeat}
    if phrase.as_needed:
        dosage["asNeededBoolean"] = True
    if route := _route(folded):
        dosage["route"] = route
    if uniform and daily and not phrase.divided:
        dosage["maxDosePerPeriod"] = {
            "numerator": _quantity(doses[0].low, doses[0].unit),
            "denominator": {"value": 1, "unit": "天", "system": UCUM, "code": "d"},
        }
    elif uniform:
        dosage["doseAndRate"] = [_amount(doses[0], phrase.divided if daily else 1)]
    return dosage


_WHEN_WORDS = {
    "AC": "饭前", "PC": "饭后", "C": "随餐", "HS": "睡前", "ACM": "早餐前", "ACD": "午餐前", "ACV": "晚餐前",
    "PCM": "早餐后", "PCD": "午餐后", "PCV": "晚餐后", "CM": "随早餐", "CD": "随午餐", "CV": "随晚餐",
}  # fmt: skip


def _of_interest(doses: list[_Dose]) -> list[_Dose]:
    """The doses taken: 80mg片，每次1片 and 80mg 1片 name a strength and then the dose."""
    if stated := [dose for dose in doses if dose.each]:
        return stated
    counted = [dose for dose in doses if dose.unit not in _MASSES]
    return counted or doses


def _daily_amount(phrase: _Phrase, doses: list[_Dose]) -> bool:
    """一天两片: an amount for the day; how it is divided is not said. 一天一片 can only be one dose."""
    dose = doses[0]
    return (
        phrase.timing.only_daily
        and not dose.each
        and (dose.low > 1 or phrase.divided > 0)
        and not phrase.as_needed
    )


def _amount(dose: _Dose, parts: int) -> dict[str, Any]:
    low = _quantity(dose.low / parts, dose.unit)
    if dose.high == dose.low:
        return {"doseQuantity": low}
    return {"doseRange": {"low": low, "high": _quantity(dose.high / parts, dose.unit)}}


def _quantity(value: float, unit: str) -> dict[str, Any]:
    quantity: dict[str, Any] = {"value": tidy(value), "unit": unit}
    if unit in _MASSES:
        quantity |= {"system": UCUM, "code": _MASSES[unit]}
    return quantity


def _route(folded: str) -> dict[str, Any] | None:
    for pattern, code, word in _ROUTES:
        if pattern.search(folded):
            return {"coding": [{"system": SNOMED, "code": code}], "text": word}
    return None
