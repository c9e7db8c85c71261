"""When a timer recurs: RFC 5545 in the person's zone, and the rule for the 29th to 31st."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from bot.clock import CHINA
from bot.model import Fault, MedrepError
from bot.schedule.recurrence import after, all_after, check, first, restarted

ZONE = CHINA.key
NEW_YORK = ZoneInfo("America/New_York")


def at(text: str, zone: ZoneInfo = CHINA) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


def times(rule: str, start: datetime, count: int = 6) -> list[str]:
    """The first occurrences in local time, each found from the one before it, as the ticker goes on."""
    zone = start.tzinfo
    assert isinstance(zone, ZoneInfo)
    found, slot = [], first(rule, zone.key, start)
    while slot is not None and len(found) < count:
        found.append(f"{slot.astimezone(zone):%m-%d %H:%M}")
        slot = after(rule, zone.key, start, slot)
    return found


@pytest.mark.parametrize(
    ("rule", "start", "expected"),
    [
        # A month without that day has its occurrence on its last day, and the day comes back.
        ("FREQ=MONTHLY", "2026-01-31T08:00", "01-31 02-28 03-31 04-30 05-31 06-30"),
        ("FREQ=MONTHLY", "2026-01-30T08:00", "01-30 02-28 03-30 04-30 05-30 06-30"),
        ("FREQ=MONTHLY", "2028-01-29T08:00", "01-29 02-29 03-29 04-29 05-29 06-29"),
        ("FREQ=MONTHLY;BYMONTHDAY=31", "2026-01-03T08:00", "01-31 02-28 03-31 04-30 05-31 06-30"),
        ("FREQ=MONTHLY;INTERVAL=2", "2025-12-31T08:00", "12-31 02-28 04-30 06-30 08-31 10-31"),
        ("FREQ=MONTHLY;COUNT=3", "2026-01-31T08:00", "01-31 02-28 03-31"),
        ("FREQ=YEARLY", "2027-12-31T08:00", "12-31 12-31 12-31 12-31 12-31 12-31"),
        ("FREQ=YEARLY", "2024-02-29T08:00", "02-29 02-28 02-28 02-28 02-29 02-28"),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", "2024-01-01T08:00", "02-29 02-28 02-28 02-28 02-29 02-28"),
        # Several days, or none of these: as RFC 5545 says.
        ("FREQ=MONTHLY;BYMONTHDAY=15,31", "2026-01-31T08:00", "01-31 02-15 03-15 03-31 04-15 05-15"),
        ("FREQ=MONTHLY;BYMONTHDAY=-1", "2026-01-31T08:00", "01-31 02-28 03-31 04-30 05-31 06-30"),
        ("FREQ=MONTHLY;BYDAY=-1FR", "2026-01-30T08:00", "01-30 02-27 03-27 04-24 05-29 06-26"),
        ("FREQ=YEARLY;BYMONTHDAY=31", "2026-01-31T08:00", "01-31 03-31 05-31 07-31 08-31 10-31"),
        ("FREQ=MONTHLY", "2026-01-28T08:00", "01-28 02-28 03-28 04-28 05-28 06-28"),
    ],
)
def test_days_that_not_every_month_has(rule: str, start: str, expected: str) -> None:
    assert times(rule, at(start)) == [f"{day} 08:00" for day in expected.split()]


def test_each_time_of_the_last_day_counts() -> None:
    rule = "FREQ=MONTHLY;BYHOUR=8,20;BYMINUTE=0;BYSECOND=0"
    expected = ["01-31 08:00", "01-31 20:00", "02-28 08:00", "02-28 20:00", "03-31 08:00", "03-31 20:00"]
    assert times(rule, at("2026-01-31T08:00")) == expected


@pytest.mark.parametrize(
    ("until", "last"),
    [
        ("20261123T000000Z", "11-23 08:00"),  # that is eight in China, and UNTIL belongs to the series
        ("20261122T235959Z", "11-22 08:00"),
        ("20261123T080000", "11-23 08:00"),
        ("20261123T075959", "11-22 08:00"),
        ("20261123", "11-23 08:00"),
    ],
)
def test_until_in_utc_local_or_a_date(until: str, last: str) -> None:
    assert times(f"FREQ=DAILY;UNTIL={until}", at("2026-11-21T08:00"))[-1] == last


def test_wall_clock_time_through_summer_time() -> None:
    start = at("2026-03-06T08:00", NEW_YORK)
    assert times("FREQ=DAILY", start, 4) == [f"03-0{day} 08:00" for day in (6, 7, 8, 9)]
    skipped = at("2026-03-07T02:30", NEW_YORK)
    assert times("FREQ=DAILY", skipped, 3) == ["03-07 02:30", "03-08 03:30", "03-09 02:30"]
    repeated = at("2026-10-31T01:30", NEW_YORK)
    assert times("FREQ=DAILY", repeated, 3) == ["10-31 01:30", "11-01 01:30", "11-02 01:30"]


def test_other_rules_go_on_as_they_began() -> None:
    weekly = times("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE", at("2026-11-23T08:00"))
    assert weekly == [f"{day} 08:00" for day in ("11-23", "11-25", "12-07", "12-09", "12-21", "12-23")]
    hourly = times("FREQ=HOURLY;INTERVAL=5", at("2026-11-23T08:15"), 5)
    assert hourly == ["11-23 08:15", "11-23 13:15", "11-23 18:15", "11-23 23:15", "11-24 04:15"]
    start = at("2026-11-23T08:00")
    whole = islice(all_after("FREQ=DAILY;COUNT=4", ZONE, start, start), 9)
    assert [moment.astimezone(CHINA).day for moment in whole] == [24, 25, 26]


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=SOMETIMES",
        "FREQ=MINUTELY",
        "INTERVAL=2",
        "FREQ=DAILY;FREQ=DAILY",
        "FREQ=DAILY;COUNT=",
        "FREQ=DAILY;UNTIL=tomorrow",
        "FREQ=DAILY;UNTIL=20200101T000000Z",  # never due
        "DTSTART:20261121T080000\nRRULE:FREQ=DAILY",
        "FREQ=DAILY;COUNT=2 FREQ=DAILY",
        "FREQ=DAILY;BYHOUR=25",
        "FREQ=DAILY;" + "BYHOUR=8,9;" * 60,
    ],
)
def test_what_is_no_rule_is_refused_when_it_is_set(rule: str) -> None:
    with pytest.raises(MedrepError) as refused:
        check(rule, ZONE, at("2026-11-21T08:00"))
    assert refused.value.fault == Fault.BAD_INPUT


@pytest.mark.parametrize("zone", ["Asia/Nowhere", "", "../../etc/passwd"])
def test_what_is_no_zone_is_refused(zone: str) -> None:
    with pytest.raises(MedrepError) as refused:
        check("FREQ=DAILY", zone, at("2026-11-21T08:00"))
    assert refused.value.fault == Fault.BAD_INPUT


def test_a_moved_series_keeps_what_is_left_of_its_count() -> None:
    start, third = at("2026-11-21T08:00"), at("2026-11-23T08:00")
    moved = restarted("FREQ=DAILY;COUNT=5", ZONE, start, third, at("2026-11-24T09:00"))
    assert moved is not None
    assert times(moved, at("2026-11-24T09:00")) == ["11-24 09:00", "11-25 09:00", "11-26 09:00"]
    by_hour = "FREQ=DAILY;BYHOUR=8;BYMINUTE=0;BYSECOND=0;COUNT=5"
    # Ten is no time of that rule: it comes before the two that are left.
    moved = restarted(by_hour, ZONE, start, third, at("2026-11-24T10:00"))
    assert moved is not None
    assert times(moved, at("2026-11-24T10:00")) == ["11-25 08:00", "11-26 08:00"]
    last = at("2026-11-25T08:00")
    assert restarted(by_hour, ZONE, start, last, at("2026-11-26T10:00")) is None
    assert restarted("FREQ=DAILY", ZONE, start, third, last) == "FREQ=DAILY"
