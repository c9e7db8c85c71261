"""When a timer recurs: one RRULE of RFC 5545, reckoned in the wall-clock time of the person's zone.

- UNTIL may be in UTC (`…Z`), local, or a date, which counts to its end.
- A monthly timer on the 29th, 30th or 31st is due on the last day of a shorter month, a yearly one of 29
  February on the 28th in other years (as SKIP=BACKWARD of RFC 7529, which python-dateutil lacks): a month
  without its reminder would be a dose forgotten. Where BYMONTHDAY names several days, RFC 5545 holds: days
  that a month does not have are left out.
- A time that summer time skips is an hour later; one that it repeats is the first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from math import prod
from zoneinfo import ZoneInfo

from dateutil.rrule import rrule, rrulestr

from bot.model import Fault, MedrepError

LONGEST_RULE = 500  # characters
_LAST_SAFE_DAY = 28
_UNTIL = re.compile(r"(\d{8})(T\d{6}(Z?))?")
_FINER = ("SECONDLY", "MINUTELY")
_OTHER_DAYS = frozenset({"BYDAY", "BYWEEKDAY", "BYSETPOS", "BYYEARDAY", "BYWEEKNO", "BYEASTER"})


def check(rule: str, zone: str, starts_at: datetime) -> None:
    """Raises MedrepError(BAD_INPUT) unless the rule can be read and has an occurrence from `starts_at` on."""
    try:
        found = first(rule, zone, starts_at)
    except (ValueError, TypeError, KeyError, OverflowError, OSError) as error:
        raise MedrepError(Fault.BAD_INPUT, f"not a rule or not a time zone: {str(error)[:80]}") from None
    if found is None:
        raise MedrepError(Fault.BAD_INPUT, "this rule is never due")


def first(rule: str, zone: str, starts_at: datetime) -> datetime | None:
    """The rule's first occurrence."""
    start = _local(starts_at, zone)
    found = _rule(rule, zone, start, _day(start)).after(start, inc=True)
    return found and _moment(found, zone)


def after(rule: str, zone: str, starts_at: datetime, slot: datetime) -> datetime | None:
    """The rule's next occurrence after `slot`, which is one."""
    start, day = _start(rule, zone, starts_at, slot)
    return _next(rule, zone, start, day, _local(slot, zone))


def all_after(rule: str, zone: str, starts_at: datetime, slot: datetime) -> Iterator[datetime]:
    """The rule's occurrences after `slot`, which is one."""
    start, day = _start(rule, zone, starts_at, slot)
    for local in _rule(rule, zone, start, day).xafter(_local(slot, zone)):
        yield _moment(local, zone)


def restarted(rule: str, zone: str, starts_at: datetime, slot: datetime, to: datetime) -> str | None:
    """The rule of the series whose occurrence at `slot` is at `to` instead, and which goes on from there.

    A COUNT counts what is left; None: only that occurrence is.
    """
    parts = _parts(rule)
    if "COUNT" not in parts:
        return rule
    start = _local(starts_at, zone)
    done = len(_rule(rule, zone, start, _day(start)).between(start, _local(slot, zone), inc=True)) - 1
    # The rule counts its own times; one that it was moved to need not be among them.
    parts["COUNT"] = "1"
    left = int(_parts(rule)["COUNT"]) - done - (first(_text(parts), zone, to) != to.replace(microsecond=0))
    parts["COUNT"] = str(left)
    return _text(parts) if left > 0 else None


@lru_cache(maxsize=10_000)
def _start(rule: str, zone: str, starts_at: datetime, slot: datetime) -> tuple[datetime, int]:
    """Where to count from, and the day of the month that the series began on, if not every month has it.

    Counting needs the true start. Without a count any occurrence is as good as the first (at the same time
    of day: that of the slot may have been shifted by summer time), and the rule need not walk through the
    years; besides, rules that differ in their start alone then have their next occurrence in common.
    """
    began = _local(starts_at, zone)
    if "COUNT" in rule.upper():
        return began, _day(began)
    local = _local(slot, zone)
    if "HOURLY" not in rule.upper():
        local = datetime.combine(local.date(), began.time())
    return local, _day(began)


def _day(start: datetime) -> int:
    """The day of the month, or 0 where every month has it."""
    return start.day if start.day > _LAST_SAFE_DAY else 0


@lru_cache(maxsize=10_000)
def _next(rule: str, zone: str, start: datetime, day: int, slot: datetime) -> datetime | None:
    """Remembered: thousands are due at eight every morning."""
    found = _rule(rule, zone, start, day).after(slot)
    return found and _moment(found, zone)


def _rule(rule: str, zone: str, start: datetime, day: int) -> rrule:
    found = rrulestr(_readable(rule, zone, day, start.month), dtstart=start)
    assert isinstance(found, rrule)  # noqa: S101 - one line is one rule
    return found


@lru_cache(maxsize=1000)
def _readable(rule: str, zone: str, day: int, month: int) -> str:
    """The rule as python-dateutil takes it. Raises ValueError.

    `day`: see `_start`; `month` is that of the start.
    """
    parts = _parts(rule)
    if until := parts.get("UNTIL"):
        parts["UNTIL"] = _until(until, zone)
    days, months = parts.get("BYMONTHDAY", str(day)), parts.get("BYMONTH", str(month))
    monthly, yearly = parts["FREQ"] == "MONTHLY", parts["FREQ"] == "YEARLY"
    if yearly and "BYMONTHDAY" in parts and "BYMONTH" not in parts:
        monthly, yearly = False, False  # that day of every month: RFC 5545 holds
    if yearly and "," in months:
        yearly = False
    one_day = days.isdecimal() and _LAST_SAFE_DAY < int(days) <= 31
    if (monthly or yearly) and one_day and not _OTHER_DAYS & set(parts):
        if yearly:
            parts["BYMONTH"] = months
        parts["BYMONTHDAY"] = ",".join(str(number) for number in range(_LAST_SAFE_DAY, int(days) + 1))
        # All occurrences of the last of these days.
        a_day = prod(len(parts.get(name, "0").split(",")) for name in ("BYHOUR", "BYMINUTE", "BYSECOND"))
        parts["BYSETPOS"] = ",".join(str(-place) for place in range(1, a_day + 1))
    return _text(parts)


def _parts(rule: str) -> dict[str, str]:
    """The rule's parts. Raises ValueError."""
    if len(rule) > LONGEST_RULE or rule.split() != [rule]:
        raise ValueError("one RRULE in one line")
    pairs = [part.partition("=") for part in rule.upper().removeprefix("RRULE:").split(";")]
    parts = {name: value for name, _, value in pairs}
    if len(parts) != len(pairs) or "FREQ" not in parts or not all(parts.values()):
        raise ValueError("each part once, with a value, and FREQ among them")
    if parts["FREQ"] in _FINER:
        raise ValueError("not more often than hourly")
    return parts


def _text(parts: dict[str, str]) -> str:
    return ";".join(f"{name}={value}" for name, value in parts.items())


def _until(value: str, zone: str) -> str:
    """In the zone's wall-clock time: python-dateutil refuses UTC beside a local start."""
    found = _UNTIL.fullmatch(value)
    if found is None:
        raise ValueError("UNTIL is a date, or a date and a time")
    date, time, utc = found.groups()
    if time is None:
        return f"{date}T235959"
    if not utc:
        return value
    moment = datetime.strptime(value, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return f"{_local(moment, zone):%Y%m%dT%H%M%S}"


@lru_cache(maxsize=200)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _local(moment: datetime, zone: str) -> datetime:
    # Whole seconds: python-dateutil knows no others.
    return moment.astimezone(_zone(zone)).replace(tzinfo=None, microsecond=0)


def _moment(local: datetime, zone: str) -> datetime:
    return local.replace(tzinfo=_zone(zone)).astimezone(UTC)
