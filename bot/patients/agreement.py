"""Whether what a text says of taking a medicine is one plan, and agrees with itself."""

from __future__ import annotations

import re

from bot.patients.amounts import Dose
from bot.patients.drugs import medicines, takers, two_in_one
from bot.patients.frequency import Often
from bot.patients.occasions import AT_A_MEAL
from bot.patients.phrase import Phrase
from bot.text.numerals import AMOUNT

_THINGS_LEFT = re.compile(rf"{AMOUNT}个(?=\s*(?:$|[,。;]))")


def one_plan(phrase: Phrase, doses: list[Dose], about: str, *, uniform: bool) -> bool:
    """Whether the text holds one plan and says one thing of it."""
    often = phrase.often
    if _of_several(phrase, about) or not all(moment.certain for moment in phrase.moments):
        return False
    if len(set(often.rates)) > 1 or _days_of_some(phrase) or _daily_and_not(often):
        return False
    if doses and _THINGS_LEFT.search(phrase.rest):
        return False
    matched = len(doses) == phrase.times or any(dose.shared for dose in doses)
    if doses and not uniform and (phrase.times < 2 or not matched or often.days):
        return False
    others = (
        {dose.amount for dose in phrase.doses if not dose.each and dose.unit == doses[0].unit}
        if doses
        else set()
    )
    if doses and doses[0].each and others - {doses[0].amount} and not (often.daily or often.per):
        return False  # 每次1片，睡前2片
    if _by_two_sides(phrase.when):
        return False
    codes = [code for code in phrase.when if code not in AT_A_MEAL]
    return not (phrase.clock and codes) or _same_time(phrase.clock, codes)


_HOURS = {
    "MORN": (4, 12),
    "NOON": (10, 15),
    "AFT": (12, 19),
    "EVE": (16, 25),
    "NIGHT": (19, 29),
    "HS": (18, 27),
}
_OF_MEAL = {"M": (4, 12), "D": (10, 15), "V": (16, 25)}


def _daily_and_not(often: Often) -> bool:
    """每天1片，每周1次; 每天1片，血压正常了隔天1片."""
    return bool(often.daily) and (
        any(rate.unit != "h" and (rate.unit, rate.period) != ("d", 1) for rate in often.rates)
    )


def _of_several(phrase: Phrase, about: str) -> bool:
    """Several medicines (早上吃降压药，晚上吃他汀) or people."""
    often = phrase.often
    several = len(phrase.doses) > 1 or len(often.rates) > 1 or len(often.daily) > 1 or phrase.times > 1
    return (several and len(medicines(about)) > 1) or two_in_one(about) or len(takers(about)) > 1


def _by_two_sides(when: tuple[str, ...]) -> bool:
    """早饭前吃，胃不好就饭后吃: one side of a certain meal, and another of any."""
    return any(
        side in AT_A_MEAL and code[:-1] in AT_A_MEAL - {side}
        for side in when
        for code in when
        if code != side
    )


def _days_of_some(phrase: Phrase) -> bool:
    """早上七点吃，周末九点吃: days that belong to some of the times only."""
    days = phrase.often.day_groups
    if days and phrase.often.daily and len(phrase.often.days) == 1:
        return True  # 每天早上一片，周三晚上: every day, and one of them
    if not days or phrase.times < 2:
        return False
    starts = phrase.starts
    return len(days) > 1 or min(starts) < days[0] < max(starts)


def _same_time(clock: list[str], codes: list[str]) -> bool:
    """Whether each code only says again when a clock time is: 晚上睡前10点."""
    hours = [int(moment[:2]) for moment in clock]
    spans = [_HOURS.get(code) or _OF_MEAL.get(code[-1], (4, 12)) for code in codes]
    return len(codes) <= len(clock) and all(
        any(low <= hour < high or low <= hour + 24 < high for hour in hours) for low, high in spans
    )
