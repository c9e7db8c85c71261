"""The amounts of a plan: which are taken each time, and which are a day's (一天40mg，早20mg晚20mg)."""

from __future__ import annotations

import re

from bot.patients.amounts import Dose
from bot.patients.frequency import Rate
from bot.patients.phrase import Phrase

_A_DAY = re.compile(
    r"(?:每天|每日|天天|日日|日|[一1][天日])\s?(?:总共|一共|总量|共|需|要|可)?(?:吃|服用?|口服|用|打|喝)?\s?"
)


def of_interest(phrase: Phrase) -> list[Dose]:
    """The doses taken: 80mg片，每次1片 and 80mg 1片 name a strength and then the dose."""
    doses = phrase.doses
    if stated := [dose for dose in doses if dose.each]:
        return stated
    shared = [dose for dose in doses if dose.shared]
    if len(shared) == 1 and phrase.often.daily:  # 一天两片，早晚各一片: the day's amount and its parts
        part = shared[0]
        return [
            d for d in doses if d.shared or (d.counted == part.counted and d.low != part.low * phrase.times)
        ]
    days = _of_the_day(phrase)
    parts = [dose for dose in doses if dose not in days]
    if len(days) == 1 and len(parts) == phrase.times and _sum(parts) == days[0].amount:
        return parts  # 一天40mg，早20mg晚20mg
    return [dose for dose in doses if dose.counted] or doses


def _sum(doses: list[Dose]) -> tuple[float, float, str] | None:
    units = {dose.unit for dose in doses}
    return (sum(d.low for d in doses), sum(d.high for d in doses), units.pop()) if len(units) == 1 else None


def divided_by_dose(phrase: Phrase, doses: list[Dose]) -> tuple[int, int]:
    """一天4片，每次2片 is twice a day, as is 一天20mg，每次10mg; once where only one amount is said."""
    totals = _of_the_day(phrase) or [dose for dose in phrase.doses if not dose.each and dose.counted]
    if not doses or not doses[0].each or not totals:
        return 1, 1
    low, high = totals[0].low / doses[0].low, totals[0].high / doses[0].high
    whole = low == int(low) and high == int(high) and totals[0].unit == doses[0].unit
    return (int(low), int(high)) if whole else (0, 0)


def _of_the_day(phrase: Phrase) -> list[Dose]:
    """The amounts that are said to be a day's: 每日30mg."""
    return [
        dose
        for dose in phrase.doses
        if not dose.each
        and any(_A_DAY.fullmatch(phrase.text[start : dose.start]) for start in phrase.often.daily)
    ]


def contradicts(phrase: Phrase, doses: list[Dose], rate: Rate | None) -> bool:
    """一天4片，每次1片，早晚吃: the day's amount is not the sum of what is taken."""
    if rate is None or not doses or not doses[0].each or (rate.unit, rate.period) != ("d", 1):
        return False
    low, high = rate.low * doses[0].low, rate.high * doses[0].high
    days = [dose for dose in _of_the_day(phrase) if dose.unit == doses[0].unit]
    return any(high < day.low or low > day.high for day in days)
