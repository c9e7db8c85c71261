"""Words for a day, as the days that they may mean: by jionlp, which knows weeks, festivals and the lunar
calendar, and by checks of ours, since it reads 32号 as today, 13月 as March and a weekday that has passed.

jionlp is imported when it is first needed, which takes a second or more (`bot.schedule.warm`).
"""

from __future__ import annotations

import contextlib
import re
import sys
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from threading import get_ident
from typing import Any, TextIO, cast

from dateutil.relativedelta import relativedelta

from bot.schedule.working_time import next_working_day, working_day
from bot.text import numerals
from bot.text.patterns import read_rules

_DAY, _WEEK, _YEAR = timedelta(days=1), timedelta(days=7), relativedelta(years=1)
_MONTH = relativedelta(months=1)
_SUNDAY = 6
_SOON = timedelta(days=183)  # a date without a year lies ahead if it is nearer there than behind
_WEEKDAY = re.compile(r"(这个?|本|下下?个?|)(?:周|星期|礼拜)([一二三四五六日天1-6]|末|)")
_DATE = re.compile(
    r"(今年|明年|20\d\d年|)(\d+|[一二三四五六七八九十]+)(?:月份?|[/.])(\d+|[一二三四五六七八九十]+)[号日]?"
)
_OF_MONTH = re.compile(r"(这个?月|本月|下个?月|)(\d+|[一二三四五六七八九十]+)[号日]")
_PAST_DATE = re.compile("过[了完](.*[号日])")
_MONTH_OF_YEAR = re.compile(r"(今年|明年|)(\d+|[一二三四五六七八九十]+)月份?")
_MONTHS = re.compile(
    r"(这个?|本|下个?|(?:今年|明年|)(?:\d+|[一二三四五六七八九十]+)|年|)月?(底|末|初|中旬?|)(?:前后)?"
)
_IN_MONTH = {"底": (-5, 0), "末": (-5, 0), "初": (1, 5), "中": (13, 17)}


@dataclass(frozen=True, slots=True)
class Days:
    """From `first` to `last`; `last` None: from then on."""

    first: date
    last: date | None


@dataclass(frozen=True, slots=True)
class DayReading:
    """What the words may mean, the nearest first. `sure`: the first that still lies ahead is meant."""

    options: tuple[Days, ...]
    sure: bool = True


def read_day(words: str, today: date) -> DayReading | None:
    """The days that these words mean on `today`; None: none that exists and lies ahead."""
    if match := _DATE.fullmatch(words):
        return _only(_of_year(match[1], _number(match[2]), _number(match[3]), today))
    if match := _PAST_DATE.fullmatch(words):
        date_said = read_day(match[1], today)
        return date_said and DayReading((Days(date_said.options[0].first + _DAY, None),))
    if match := _MONTH_OF_YEAR.fullmatch(words):
        return _month(match[1], _number(match[2]), today)
    if match := _OF_MONTH.fullmatch(words):
        return _only(_of_month(match[1], _number(match[2]), today))
    if match := _MONTHS.fullmatch(words):
        return _part_of_month(match[1], match[2][:1], today)
    if match := _WEEKDAY.fullmatch(words):
        return _week(match[1].removesuffix("个"), match[2], today)
    if "年" not in words and re.match("[今明后大]", words):
        near = re.sub(r"儿个?|日", "天", words)
        return _only(_jionlp(near if near.endswith("天") else f"{near}天", today))
    if re.match("[腊正冬]月", words):
        return _only(_ahead(words, today))
    return _holiday(words, today)


def later(today: date, amount: float, unit: str) -> Days:
    """So many days, weeks or months on."""
    if unit == "月":
        day = today + relativedelta(months=int(amount)) + timedelta(days=15 if amount % 1 else 0)
    else:
        day = today + timedelta(days=round(amount * (1 if unit == "天" else 7)))
    return Days(day, day)


def _only(day: date | None) -> DayReading | None:
    return None if day is None else DayReading((Days(day, day),))


def _number(text: str) -> int:
    return int(numerals.read(text) or 0)


def _of_year(year: str, month: int, day: int, today: date) -> date | None:
    wanted = {"": today.year, "今年": today.year, "明年": today.year + 1}.get(year) or int(year[:4])
    try:
        found = date(wanted, month, day)
        if not year and found < today and date(wanted + 1, month, day) - today <= _SOON:
            found = date(wanted + 1, month, day)
    except ValueError:
        return None
    return found if found >= today else None


def _month(year: str, month: int, today: date) -> DayReading | None:
    start = _of_year(year, month, 1, today)
    if start is None and month == today.month and year != "明年":
        start = today.replace(day=1)
    return None if start is None else DayReading((_in_month(start, ""),))


def _of_month(month: str, day: int, today: date) -> date | None:
    start = today.replace(day=1)
    if month.startswith("下") or (not month and day < today.day):
        start += _MONTH
    if not 1 <= day <= monthrange(start.year, start.month)[1] or start.replace(day=day) < today:
        return None
    return start.replace(day=day)


def _part_of_month(which: str, part: str, today: date) -> DayReading | None:
    start = today.replace(day=1)
    if which.startswith("下"):
        start += _MONTH
    elif which == "年":
        start = start.replace(month=12)
    elif which and which[0] not in "这本":
        year, number = (
            which[:2] if which[1:2] == "年" else "",
            which.removeprefix("今年").removeprefix("明年"),
        )
        days = _month(year, _number(number), today)
        if days is None:
            return None
        start = days.options[0].first
    found = _in_month(start, part)
    if not which and found.last and found.last < today:
        found = _in_month(start + _MONTH, part)
    return DayReading((found,)) if found.last and found.last >= today else None


def _in_month(start: date, part: str) -> Days:
    end = start + _MONTH - _DAY
    low, high = _IN_MONTH.get(part, (1, 0))
    return Days(
        end + timedelta(days=low + 1) if low < 0 else start.replace(day=low),
        start.replace(day=high) if high else end,
    )


def _week(which: str, day: str, today: date) -> DayReading | None:
    """On a Sunday, this week and the next are another to some: asked."""
    monday = today - timedelta(days=today.weekday())
    sunday = today.weekday() == _SUNDAY
    ahead = {"下": _WEEK, "下下": 2 * _WEEK}.get(which, timedelta())
    if day in ("", "末"):
        found = Days(monday + 5 * _DAY, monday + 6 * _DAY) if day else Days(monday, monday + 4 * _DAY)
        found = Days(found.first + ahead, found.last + ahead if found.last else None)
    else:
        named = _jionlp(f"{which}周{_WEEKDAYS.get(day, day)}", today)
        if named is None:
            return None
        found = Days(named, named)
    again = _moved(found, _WEEK)
    if which in ("下", "下下"):
        return DayReading((found, again), sure=False) if sunday and which == "下" else DayReading((found,))
    passed = found.last is not None and found.last < today
    if which and passed:
        return DayReading((again,), sure=False) if sunday else None
    if passed:
        return DayReading((again,))
    if not which and day not in ("", "末") and found.first == today:
        return DayReading((found, again), sure=False)
    return DayReading((found,))


_WEEKDAYS = {"天": "日", "1": "一", "2": "二", "3": "三", "4": "四", "5": "五", "6": "六"}


def _moved(days: Days, by: timedelta) -> Days:
    return Days(days.first + by, days.last + by if days.last else None)


def _holiday(words: str, today: date) -> DayReading | None:
    festivals: dict[str, str] = read_rules("schedule", "times")["festivals"]
    after = re.search("后|过了|过完|回来|结束|完|一过", words) is not None
    name = next((name for name in sorted(festivals, key=len, reverse=True) if name in words), None)
    # In the middle of a holiday, what comes after it is days away, and not a year.
    since = today if working_day(today).working else _run(today)[0]
    day = _next_holiday(today) if name is None else _ahead(festivals[name], since)
    if day is None:
        return None
    if after:
        return DayReading((Days(_run(day)[1] + _DAY, None),))
    return DayReading((Days(day, day),)) if day >= today else None


def _run(day: date) -> tuple[date, date]:
    """The first and the last day off around this one."""
    first = last = day
    while not working_day(first - _DAY).working:
        first -= _DAY
    if not working_day(last).working:
        last = next_working_day(last) - _DAY
    return first, last


def _next_holiday(today: date) -> date | None:
    return next((day for ahead in range(366) if working_day(day := today + ahead * _DAY).holiday), None)


def _ahead(words: str, today: date) -> date | None:
    """This year's, or the next one's where that has passed."""
    found = _jionlp(words, today)
    return _jionlp(words, today + _YEAR) if found is not None and found < today else found


def _jionlp(words: str, today: date) -> date | None:
    """The first day of what jionlp reads; None: it reads nothing."""
    try:
        found = _parser()(words, time_base=datetime.combine(today, time(0, 0)))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):  # it raises what it likes
        return None
    if not found or found["type"] not in ("time_point", "time_span"):
        return None
    return datetime.fromisoformat(found["time"][0]).date()


class _Muted:
    """The stream, without what the thread that made this writes to it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._thread = stream, get_ident()

    def write(self, text: str) -> int:
        return len(text) if get_ident() == self._thread else self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@cache
def _parser() -> Any:
    # It greets on stdout, where our commands print JSON and other threads may be writing.
    with contextlib.redirect_stdout(cast(TextIO, _Muted(sys.stdout))):
        import jionlp  # noqa: PLC0415 - slow, and few messages need it
    return jionlp.parse_time
