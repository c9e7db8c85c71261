"""A dosage in free Chinese text -> FHIR R4 `Dosage` (JSON), or None when the text states none.

A plan is read whole or not at all. What is certain is structured, what is not stays words:
- different amounts at different times (早2片晚1片) cannot be one `Dosage`: the times of day are structured,
  the amounts stand in `patientInstruction`, and no `doseAndRate` lets anybody take too much;
- an amount for the day without its division (一天两片) is `maxDosePerPeriod`, never a single dose;
- FHIR allows clock times or `when`, not both: beside clock times, 饭后 goes to `additionalInstruction`;
- a day of the month (每月1号) is none of FHIR's, so it stands in `patientInstruction` beside once a month;
- cycles (吃三周停一周), titration, two medicines, amounts by weekday, contradictions are None.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from bot.patients.agreement import one_plan
from bot.patients.amounts import CONTAINERS, UCUM, Dose, amount, quantity, spread
from bot.patients.drugs import without_names
from bot.patients.frequency import PERIODS, Rate
from bot.patients.occasions import WORDS
from bot.patients.phrase import Phrase, folded_plan, read_phrase
from bot.patients.pieces import blank
from bot.patients.statements import Limit, Statement, statement
from bot.patients.sums import contradicts, divided_by_dose, of_interest
from bot.patients.words import words
from bot.text.numerals import tidy

SNOMED = "http://snomed.info/sct"
_LONGEST = 500  # a dosage is one line; what is longer is something else
_LONGEST_WITHOUT_DOSE = 60  # in a longer text without an amount 晚上 and 每天 tell of other things
_LONGEST_WITHOUT_WORD = 25  # nor of a medicine
_AVOIDED = re.compile("(?:别|不|勿|少|戒|忌|禁)[^,。;!?]{0,8}")
_HOURS_A_DAY = 24
_OTHER_WORDS = 60  # this much else may stand in its clauses
_ROUTES = (
    (re.compile(r"皮下(?:注射)?|(?<![a-z])(?:ih|sc)(?![a-z])"), "34206005", "皮下注射"),
    (re.compile(r"肌肉?注射?|(?<![a-z])im(?![a-z])"), "78421000", "肌内注射"),
    (re.compile(r"静脉(?:滴注|注射)?|静滴|静注|(?<![a-z])iv(?:gtt)?(?![a-z])"), "47625008", "静脉"),
    (re.compile(r"舌下(?:含服)?"), "37839007", "舌下含服"),
    (re.compile(r"吸入"), "447694001", "吸入"),
    (re.compile(r"滴眼|点眼"), "54485002", "滴眼"),
    (re.compile(r"外用|外涂|涂抹|[涂抹]"), "6064005", "外用"),
    (re.compile(r"塞肛|直肠"), "37161004", "直肠给药"),
    (re.compile(r"口服|(?<![a-z])po(?![a-z])|吃(?![饭完了])|服用?|含"), "26643006", "口服"),
)
# A figure that is left means something else, unless it is part of a name: 二乙胺, 维生素b12.
_FIGURE = re.compile(
    r"(?<![a-z\d])\d+(?![a-z\d])|[二两三四五六七八九十半](?![甲乙丙丁氯氢酸氧磷硝苯羟肽水钾钠联维硫醇黄])|[早中晚]一"
)
_BETWEEN = re.compile("两[餐顿]饭?(?:之间|中间)|餐间")  # no occasion of FHIR
_UNIT_WORDS = {"d": "天", "wk": "周", "mo": "月", "h": "小时", "a": "年"}


class _Unsayable(Exception):  # noqa: N818 - no error of anybody's
    """No single Dosage says what the text says."""


def parse_dosage(text: str) -> dict[str, Any] | None:
    """The FHIR R4 Dosage that `text` states, or None."""
    if len(text) > _LONGEST:
        return None
    folded = folded_plan(text)
    stated = statement(spread(folded)) if folded else None
    if stated is None:
        return None
    phrase = read_phrase(stated.text)
    if not _states_dosage(phrase, stated, len(folded)) or _of_something_else(phrase, folded):
        return None
    try:
        return _dosage(text.strip(), folded, phrase, stated)
    except _Unsayable:
        return None


def _states_dosage(phrase: Phrase, stated: Statement, length: int) -> bool:
    left = re.sub(r"各?[一1][次回]|[\W\d_嗯哦啊是的对呢就吧呀]", "", phrase.rest)
    if len(left) > _OTHER_WORDS:
        return False
    if _FIGURE.search(without_names(blank(words().figures, phrase.rest))):
        return False  # not read whole
    if all(dose.unit == "个" for dose in phrase.doses) and not phrase.timed:
        phrase = replace(phrase, doses=[])
    if phrase.doses:
        return phrase.timed or stated.as_needed or any(dose.each or dose.shared for dose in phrase.doses)
    limited = stated.as_needed and stated.limit is not None
    if not (phrase.timed or limited) or phrase.often.meals:
        return False
    said = words()
    if said.medicine.search(stated.about):
        return length <= _LONGEST_WITHOUT_DOSE
    return (not left and not stated.elsewhere) or (
        length <= _LONGEST_WITHOUT_WORD and bool(said.take.search(stated.about))
    )


def _of_something_else(phrase: Phrase, folded: str) -> bool:
    """喜欢抽烟，每天两包: a pack, a bag or a bottle where no medicine is named."""
    said = words()
    if any(dose.unit not in CONTAINERS for dose in phrase.doses):
        return False
    return bool(
        phrase.doses and said.substance.search(_AVOIDED.sub("", folded)) and not said.medicine.search(folded)
    )


def _dosage(source: str, folded: str, phrase: Phrase, stated: Statement) -> dict[str, Any]:
    doses = of_interest(phrase)
    uniform = len({dose.amount for dose in doses}) == 1
    if not one_plan(phrase, doses, stated.about, uniform=uniform) or not (
        phrase.offsets_fit or (_either(phrase) and "或" in phrase.text)
    ):
        raise _Unsayable
    total = uniform and _total(phrase, doses)
    if phrase.divided and doses and not (total or doses[0].each or doses[0].shared):
        raise _Unsayable  # 一袋中药分早晚两次喝: of how long is not said
    rate = _rate(phrase, doses, total=total)
    if contradicts(phrase, doses, rate):
        raise _Unsayable
    dosage: dict[str, Any] = {"text": source}
    if (phrase.clock and phrase.when) or _either(phrase) or (phrase.offset and not phrase.offset.exact):
        dosage["additionalInstruction"] = [{"text": _beside(source, phrase)}]
    elif between := _BETWEEN.search(folded):
        dosage["additionalInstruction"] = [{"text": between[0]}]
    certain = uniform and ((total and phrase.divided > 0) or not _unshared(phrase, doses))
    if phrase.often.dated or (doses and not certain):
        dosage["patientInstruction"] = source
    if repeat := _repeat(phrase, _limited(rate, stated.limit)):
        dosage["timing"] = {"repeat": repeat}
    if stated.as_needed:
        dosage["asNeededBoolean"] = True
    if route := _route(folded):
        dosage["route"] = route
    if total and not phrase.divided:
        per = PERIODS[phrase.often.per or "天"]
        dosage["maxDosePerPeriod"] = _period(doses[0].high, doses[0].unit, per)
    elif certain:
        dosage["doseAndRate"] = [amount(doses[0], phrase.divided if total else 1)]
    if stated.limit and stated.limit.unit != "次":
        dosage["maxDosePerPeriod"] = _period(stated.limit.most, stated.limit.unit, "d")
    return dosage


def _total(phrase: Phrase, doses: list[Dose]) -> bool:
    """一天两片: an amount for the day; how it is divided is not said. 一天一片 can only be one dose."""
    often, dose = phrase.often, doses[0]
    said = (often.daily or often.per) and not often.rates and (not phrase.times or phrase.divided)
    return (
        bool(said)
        and not (dose.each or dose.shared)
        and (dose.high > 1 or not dose.counted or phrase.divided > 0)
    )


def _rate(phrase: Phrase, doses: list[Dose], *, total: bool) -> Rate | None:
    """How often. Raises _Unsayable when the number of times and the times of day do not agree."""
    often, times = phrase.often, phrase.times
    if total and not phrase.divided:
        return None
    if total or (phrase.divided and not often.rates):
        if times and times != phrase.divided:
            raise _Unsayable
        return Rate(phrase.divided, phrase.divided, 1, 1, PERIODS[often.per or "天"])
    if not often.rates:
        return _unsaid_rate(phrase, doses)
    rate = often.rates[0]
    if often.days_a_week and (rate.unit, rate.period) == ("d", 1):
        return Rate(rate.low * often.days_a_week, rate.high * often.days_a_week, 1, 1, "wk")
    if often.days and rate.unit != "d":
        if rate.unit != "wk" or (rate.low != len(often.days) and rate.low != 1):
            raise _Unsayable
        return Rate(1, 1, 1, 1, "d") if rate.period == 1 else rate
    if rate.unit == "d" and rate.period == 1 and times and not rate.low <= times <= rate.high:
        raise _Unsayable
    if (rate.unit == "d" and rate.period > 1 and often.days) or (
        rate.unit == "h" and phrase.clock and times * rate.period != _HOURS_A_DAY
    ):
        raise _Unsayable  # 隔天一片，周日休息; 12小时一次，从晚上8点开始
    if rate.unit != "h" and (rate.unit, rate.period) != ("d", 1) and times > 1:
        rate = Rate(rate.low * times, rate.high * times, rate.period, rate.longest, rate.unit)
    return rate


def _unsaid_rate(phrase: Phrase, doses: list[Dose]) -> Rate | None:
    often, times = phrase.often, phrase.times
    if often.days_a_week:
        count = often.days_a_week * (times or 1)
        return Rate(count, count, 1, 1, "wk")
    if not times and phrase.when and doses and doses[0].shared:
        return None  # 每天饭前各一片: at each meal, and of how many is not said
    if times or often.days or often.daily:
        low, high = (times, times) if times else divided_by_dose(phrase, doses)
        return Rate(low, high, 1, 1, "d") if low else None
    return Rate(1, 1, 1, 1, PERIODS[often.per]) if often.per else None


def _unshared(phrase: Phrase, doses: list[Dose]) -> bool:
    """早上8点一片，晚上8点 and 早晚两片: the amount at each of these times is not certain."""
    if phrase.times < 2 or any(dose.each or dose.shared for dose in doses):
        return False
    if len(doses) == 1 and doses[0].low == phrase.times:
        return True
    starts = phrase.starts
    return len(doses) < phrase.times and min(starts) < doses[0].start and max(starts) > doses[-1].start


def _limited(rate: Rate | None, limit: Limit | None) -> Rate | None:
    """At most four times a day is one to four times. Raises _Unsayable beside a rate of another period."""
    if limit is None or limit.unit != "次":
        return rate
    if rate is not None and ((rate.unit, rate.period) != ("d", 1) or rate.low > limit.most):
        raise _Unsayable  # every 4 hours, and at most 4 times a day: one `Timing` holds one of them
    return Rate(rate.low if rate else 1, int(limit.most), 1, 1, "d")


def _repeat(phrase: Phrase, rate: Rate | None) -> dict[str, Any]:
    repeat: dict[str, Any] = {}
    often = phrase.often
    if often.bounds:
        repeat |= _course(*often.bounds)
    if rate:
        repeat["frequency"] = rate.low
        if rate.high != rate.low:
            repeat["frequencyMax"] = rate.high
        repeat["period"] = tidy(rate.period)
        if rate.longest != rate.period:
            repeat["periodMax"] = tidy(rate.longest)
        repeat["periodUnit"] = rate.unit
    if often.days:
        repeat["dayOfWeek"] = list(often.days)
    if phrase.clock:
        repeat["timeOfDay"] = phrase.clock
    elif phrase.when and not _either(phrase):
        repeat["when"] = list(phrase.when)
        offset = phrase.offset
        if offset and offset.exact and not set(phrase.when) <= {"C", "CM", "CD", "CV"}:
            repeat["offset"] = offset.minutes
    return repeat


def _either(phrase: Phrase) -> bool:
    """饭前1小时或饭后2小时: FHIR knows no "or", so it stays words."""
    return {"AC", "PC"} <= set(phrase.when)


def _course(low: float, high: float, unit: str) -> dict[str, Any]:
    first, last = (
        {"value": tidy(n), "unit": _UNIT_WORDS[unit], "system": UCUM, "code": unit} for n in (low, high)
    )
    return {"boundsDuration": first} if low == high else {"boundsRange": {"low": first, "high": last}}


def _period(value: float, unit: str, per: str) -> dict[str, Any]:
    whole = {"value": 1, "unit": _UNIT_WORDS[per], "system": UCUM, "code": per}
    return {"numerator": quantity(value, unit), "denominator": whole}


def _beside(source: str, phrase: Phrase) -> str:
    """饭后 beside a clock time, or 饭后1-2小时, as words."""
    if phrase.offset or not phrase.clock:
        return source
    words_said = WORDS | {"AC": "空腹"} if "空腹" in phrase.text else WORDS
    return "、".join(words_said.get(code, code) for code in phrase.when)


def _route(folded: str) -> dict[str, Any] | None:
    for pattern, code, word in _ROUTES:
        if pattern.search(folded):
            return {"coding": [{"system": SNOMED, "code": code}], "text": word}
    return None
