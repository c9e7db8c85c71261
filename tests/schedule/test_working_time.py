"""Working days, working hours and quiet hours, and the next moment that fits."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from bot.clock import CHINA
from bot.schedule import Best, Hours, NextMoment, after_working_days, next_moment, working_day

WORK, QUIET, NONE = Hours(time(9), time(18)), Hours(time(21), time(8)), Hours(time(0), time(0))


def at(text: str, zone: ZoneInfo = CHINA) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


@pytest.mark.parametrize(
    ("day", "works", "holiday", "provisional"),
    [
        ("2026-12-02", True, "", False),
        ("2026-12-05", False, "", False),  # a Saturday
        ("2026-10-10", True, "", False),  # a Saturday that makes up for the holiday
        ("2026-10-01", False, "国庆", False),
        ("2026-10-07", False, "国庆", False),
        ("2026-02-17", False, "春节", False),
        ("2027-01-01", False, "元旦", True),
        ("2027-02-08", False, "春节", True),
        ("2027-03-01", True, "", True),
        ("2027-03-06", False, "", True),
    ],
)
def test_days(day: str, works: bool, holiday: str, provisional: bool) -> None:
    found = working_day(date.fromisoformat(day))
    assert (found.working, found.holiday, found.provisional) == (works, holiday, provisional)


# now, best -> when, why, provisional
NEXT: list[tuple[str, Best | None, str, str, bool]] = [
    ("2026-12-02 10:00", None, "2026-12-02 10:00", "现在是工作时间", False),
    ("2026-12-02 07:00", None, "2026-12-02 09:00", "今天09:00起是工作时间", False),
    ("2026-12-02 18:00", None, "2026-12-03 09:00", "明天09:00起是工作时间", False),
    ("2026-12-04 22:00", None, "2026-12-07 09:00", "12月7日（周一）09:00起是工作时间", False),
    ("2026-12-05 10:00", None, "2026-12-07 09:00", "今天是休息日，12月7日（周一）09:00起是工作时间", False),
    ("2026-10-02 10:00", None, "2026-10-08 09:00", "今天是国庆，10月8日（周四）09:00起是工作时间", False),
    ("2026-10-10 10:00", None, "2026-10-10 10:00", "现在是工作时间", False),
    (
        "2026-12-31 18:30",
        None,
        "2027-01-04 09:00",
        "2027年1月4日（周一）09:00起是工作时间；2027年的放假和调休安排尚未收录，暂按法定节假日推算",
        True,
    ),
    (
        "2026-12-02 10:00",
        Best(Hours(time(12), time(13))),
        "2026-12-02 12:00",
        "今天12:00起是本人方便的时间",
        False,
    ),
    ("2026-12-02 12:30", Best(Hours(time(12), time(13))), "2026-12-02 12:30", "现在是本人方便的时间", False),
    (
        "2026-12-02 13:00",
        Best(Hours(time(12), time(13))),
        "2026-12-03 12:00",
        "明天12:00起是本人方便的时间",
        False,
    ),
    # outside the working hours, as they named it; not in the quiet ones
    (
        "2026-12-02 10:00",
        Best(Hours(time(20), time(22))),
        "2026-12-02 20:00",
        "今天20:00起是本人方便的时间",
        False,
    ),
    (
        "2026-12-02 21:10",
        Best(Hours(time(20), time(22))),
        "2026-12-03 20:00",
        "明天20:00起是本人方便的时间",
        False,
    ),
    (
        "2026-12-02 10:00",
        Best(Hours(time(7), time(9))),
        "2026-12-03 08:00",
        "明天08:00起是本人方便的时间",
        False,
    ),
    ("2026-12-02 10:00", Best(Hours(time(22), time(23))), "2026-12-02 10:00", "现在是工作时间", False),
    (
        "2026-12-02 10:00",
        Best(Hours(time(14), time(17)), frozenset({4})),
        "2026-12-04 14:00",
        "12月4日（周五）14:00起是本人方便的时间",
        False,
    ),
    (
        "2026-12-02 10:00",
        Best(Hours(time(14), time(17)), frozenset()),
        "2026-12-02 10:00",
        "现在是工作时间",
        False,
    ),
]


@pytest.mark.parametrize(("now", "best", "when", "why", "provisional"), NEXT)
def test_the_next_moment(now: str, best: Best | None, when: str, why: str, provisional: bool) -> None:
    found = next_moment(at(now), hours=WORK, quiet=QUIET, best=best)
    assert found == NextMoment(at(when), why, provisional)


def test_quiet_hours_within_the_working_ones() -> None:
    assert next_moment(at("2026-12-02 12:10"), hours=WORK, quiet=Hours(time(12), time(14))).at == at(
        "2026-12-02 14:00"
    )
    assert next_moment(at("2026-12-02 12:10"), hours=WORK, quiet=NONE).at == at("2026-12-02 12:10")
    # Nothing would ever begin: then the working hours hold.
    assert next_moment(at("2026-12-02 07:00"), hours=WORK, quiet=Hours(time(6), time(5))).at == at(
        "2026-12-02 09:00"
    )


def test_the_zone_is_the_persons() -> None:
    urumqi = ZoneInfo("Asia/Urumqi")
    assert next_moment(at("2026-12-02 09:30"), hours=WORK, quiet=QUIET, zone=urumqi).at == at(
        "2026-12-02 11:00"
    )


def test_it_is_never_before_now_never_quiet_and_always_on_a_working_day() -> None:
    for hours in range(0, 24 * 40, 5):
        now = at("2026-09-20 00:30") + timedelta(hours=hours)
        for best in (None, Best(Hours(time(19), time(22)))):
            found = next_moment(now, hours=WORK, quiet=QUIET, best=best).at
            assert found >= now and QUIET.until(found) is None and working_day(found.date()).working


@pytest.mark.parametrize(
    ("opened", "days", "due"),
    [
        ("2026-12-02 10:20", 2, "2026-12-04 10:20"),
        ("2026-12-02 07:00", 1, "2026-12-03 09:00"),
        ("2026-12-04 18:00", 2, "2026-12-09 09:00"),
        ("2026-09-30 17:59", 1, "2026-10-08 17:59"),
        ("2026-10-03 12:00", 2, "2026-10-10 09:00"),  # the Saturday counts
        ("2026-12-31 17:00", 1, "2027-01-04 17:00"),
    ],
)
def test_so_many_working_days_later(opened: str, days: int, due: str) -> None:
    assert after_working_days(at(opened), days) == at(due)
