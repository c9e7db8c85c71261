"""Working time: days with China's holidays and make-up days, working hours, quiet hours.

The State Council announces the holidays of a year late in the year before. Until a release of
chinese-calendar knows them, the statutory days alone are taken (`holidays`), which lack the bridges and the
make-up days: such a day is `provisional`, and whoever plans on it says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import chinese_calendar

from bot.clock import CHINA
from bot.settings import LIMITS

EVERY_DAY = frozenset(range(7))
PROVISIONAL = "{year}年的放假和调休安排尚未收录，暂按法定节假日推算"
_FAR = 60  # days in which a best time must come, longer than any holiday
_DAY = timedelta(days=1)
_WEEKDAYS = "一二三四五六日"
_HOLIDAYS = {  # names of chinese-calendar, and words in the names of `holidays`
    "New Year's Day": "元旦",
    "Spring Festival": "春节",
    "Chinese New Year": "春节",
    "Tomb-sweeping Day": "清明",
    "Tomb-Sweeping Day": "清明",
    "Labour Day": "劳动节",
    "Labor Day": "劳动节",
    "Dragon Boat Festival": "端午",
    "Mid-autumn Festival": "中秋",
    "Mid-Autumn Festival": "中秋",
    "National Day": "国庆",
}


@dataclass(frozen=True, slots=True)
class Hours:
    """From `start` to before `end` of the wall clock; over midnight where it ends at an earlier hour, and
    never where both are the same."""

    start: time
    end: time

    def until(self, now: datetime, zone: ZoneInfo = CHINA) -> datetime | None:
        """When they end, if `now` is in them; None: it is not."""
        local = now.astimezone(zone)
        clock, over_midnight = local.time(), self.end < self.start
        after, before = clock >= self.start, clock < self.end
        if not (after or before if over_midnight else after and before):
            return None
        return datetime.combine(
            local.date() + (_DAY if over_midnight and after else timedelta()), self.end, zone
        )

    def of(self, day: date, zone: ZoneInfo = CHINA) -> tuple[datetime, datetime]:
        """Those that begin on this day."""
        last = day + _DAY if self.end < self.start else day
        return datetime.combine(day, self.start, zone), datetime.combine(last, self.end, zone)


@dataclass(frozen=True, slots=True)
class Best:
    """When somebody likes to hear from us; days as `date.weekday()`."""

    hours: Hours
    weekdays: frozenset[int] = EVERY_DAY


@dataclass(frozen=True, slots=True)
class WorkingDay:
    """Whether people work on this day; `holiday`: its name in Chinese, or ""."""

    working: bool
    holiday: str
    provisional: bool


@dataclass(frozen=True, slots=True)
class NextMoment:
    """The earliest fitting moment, and why it is that one, in Chinese. `provisional`: a day up to it was
    reckoned with an unknown calendar, which `why` says."""

    at: datetime
    why: str
    provisional: bool


OFFICE = Hours(LIMITS.work_from, LIMITS.work_until)
QUIET = Hours(LIMITS.quiet_from, LIMITS.quiet_until)


@lru_cache(maxsize=2000)
def working_day(day: date) -> WorkingDay:
    """What kind of a day this is in China."""
    try:
        off, name = chinese_calendar.get_holiday_detail(day)
    except NotImplementedError:
        import holidays  # noqa: PLC0415 - all calendars of the world, for a year that is not announced

        found = holidays.country_holidays("CN", years=day.year, language="en_US").get(day, "")
        known = next((ours for theirs, ours in _HOLIDAYS.items() if theirs in found), "")
        return WorkingDay(not found and day.weekday() < 5, known, True)
    return WorkingDay(not off, _HOLIDAYS.get(name or "", "") if off else "", False)


def next_working_day(day: date) -> date:
    """The first one after `day`."""
    day += _DAY
    while not working_day(day).working:
        day += _DAY
    return day


def after_working_days(now: datetime, days: int, hours: Hours = OFFICE, zone: ZoneInfo = CHINA) -> datetime:
    """At the same time so many working days later; what comes after hours counts from the next opening."""
    local = now.astimezone(zone)
    if local.time() >= hours.end or not working_day(local.date()).working:
        local = datetime.combine(next_working_day(local.date()), hours.start, zone)
    day = local.date()
    for _ in range(days):
        day = next_working_day(day)
    return datetime.combine(day, max(local.time(), hours.start), zone)


def after_working_time(
    now: datetime, span: timedelta, hours: Hours = OFFICE, zone: ZoneInfo = CHINA
) -> datetime:
    """When so much working time has passed; nothing counts outside the hours."""
    local = now.astimezone(zone)
    day = local.date()
    while True:
        if working_day(day).working:
            opens, closes = hours.of(day, zone)
            start = max(opens, local)
            if start + span <= closes:
                return start + span
            span -= max(closes - start, timedelta())
        day += _DAY


@dataclass(frozen=True, slots=True)
class Closed:
    """Nobody works now: why, in Chinese, and when somebody will. `unknown`: the first year up to then whose
    holidays are not announced; 0: none."""

    why: str
    opens: datetime
    unknown: int


def closed(now: datetime, hours: Hours = OFFICE, zone: ZoneInfo = CHINA) -> Closed | None:
    """None: it is working time."""
    local = now.astimezone(zone)
    today = working_day(local.date())
    if today.working and hours.until(local, zone) is not None:
        return None
    opens = datetime.combine(local.date(), hours.start, zone)
    if not today.working or opens < local:
        opens = datetime.combine(next_working_day(local.date()), hours.start, zone)
    why = "现在是下班时间"
    if not today.working:
        why = f"今天是{today.holiday}假期" if today.holiday else "今天是休息日"
    days = (local.date() + timedelta(days=ahead) for ahead in range((opens.date() - local.date()).days + 1))
    unknown = next((day.year for day in days if working_day(day).provisional), 0)
    return Closed(why, opens, unknown)


def next_moment(
    now: datetime, *, hours: Hours, quiet: Hours, best: Best | None = None, zone: ZoneInfo = CHINA
) -> NextMoment:
    """The earliest moment from `now` on, on a working day, in the best time or else in the working hours,
    and never in the quiet ones.

    A best time outside the working hours holds, since they named it; one that lies in the quiet hours, or
    does not come within 60 days, is as none. Where all working hours are quiet they hold all the same.
    """
    local = now.astimezone(zone)
    if best is not None:
        found = _first(local, best.hours, quiet, zone, best.weekdays)
        if found is not None:
            return _moment(local, found, "本人方便的时间")
    found = _first(local, hours, quiet, zone) or _first(local, hours, Hours(time(), time()), zone)
    return _moment(local, found or local, "工作时间")


def _first(
    now: datetime, hours: Hours, quiet: Hours, zone: ZoneInfo, weekdays: frozenset[int] = EVERY_DAY
) -> datetime | None:
    for day in _days(now.date()):
        if day.weekday() not in weekdays or not working_day(day).working:
            continue
        start, end = hours.of(day, zone)
        start = max(start, now)
        start = quiet.until(start, zone) or start
        if start < end:
            return start
    return None


def _days(day: date) -> Iterator[date]:
    for ahead in range(-1, _FAR):  # hours over midnight began the day before
        yield day + timedelta(days=ahead)


def _moment(now: datetime, at: datetime, what: str) -> NextMoment:
    if at == now:
        why = f"现在是{what}"
    else:
        today = working_day(now.date())
        why = f"{named(at, now.date())}起是{what}"
        why = why if today.working else f"今天是{today.holiday or '休息日'}，{why}"
    unknown = caution(now.date(), at.date())
    return NextMoment(at, f"{why}；{unknown}" if unknown else why, bool(unknown))


def caution(first: date, last: date) -> str:
    """What to tell a person who plans on these days: "", or that a year's holidays are not known."""
    days = (first + timedelta(days=ahead) for ahead in range((last - first).days + 1))
    years = sorted({day.year for day in days if working_day(day).provisional})
    return "；".join(PROVISIONAL.format(year=year) for year in years)


def spoken_time(moment: datetime, zone: ZoneInfo = CHINA) -> str:
    """A time as it is promised to people: 11月24日（周二）18:00."""
    local = moment.astimezone(zone)
    return f"{local.month}月{local.day}日（周{_WEEKDAYS[local.weekday()]}）{local:%H:%M}"


def named(moment: datetime, today: date) -> str:
    """A local moment as it is said on `today`: 明天09:00, 12月7日（周一）09:00."""
    day = moment.date()
    names = {today: "今天", today + _DAY: "明天"}
    year = f"{day.year}年" if day.year != today.year else ""
    calendar = f"{year}{day.month}月{day.day}日（周{_WEEKDAYS[day.weekday()]}）"
    return f"{names.get(day, calendar)}{moment:%H:%M}"
