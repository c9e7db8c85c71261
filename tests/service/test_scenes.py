"""The file of the demo's history: whom it names, when things happen, and that nobody in it is real."""

from __future__ import annotations

import csv
import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bot.clock import CHINA
from bot.schedule import working_day
from bot.service.demo import DOCTORS, FOLDER
from bot.service.history import addresses
from bot.service.scenes import KINDS, Act, read_scenes
from sandbox.demo import PEOPLE

FILE = FOLDER / "history.chat"
NOW = datetime(2026, 11, 25, 17, 30, tzinfo=CHINA)  # a Wednesday
INVENTED = re.compile(r"示例|样板|演示|虚构|假想")


def acts(now: datetime = NOW) -> list[Act]:
    return read_scenes(FILE, now)


def rows() -> list[dict[str, str]]:
    with DOCTORS.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_month_of_working_days_that_ends_now() -> None:
    found = acts()
    assert [one.at for one in found] == sorted(one.at for one in found)
    assert timedelta(days=25) < NOW - found[0].at < timedelta(days=40)
    assert timedelta() < NOW - found[-1].at < timedelta(hours=1)
    days = {one.at.astimezone(CHINA).date() for one in found}
    assert len(days) > 15 and all(working_day(day).working for day in days)
    assert sum(one.kind == "$" for one in found) > 20, "visits"
    assert len({one.key for one in found}) == len(found)


@pytest.mark.parametrize("hour", [0, 7, 12])
def test_nothing_lies_ahead_whatever_the_hour_of_the_first_start(hour: int) -> None:
    now = NOW.replace(hour=hour, minute=5)
    assert max(one.at for one in acts(now)) < now


def test_whoever_writes_is_on_the_list_and_is_invented() -> None:
    found = {row["外部编号"]: row for row in rows()}
    assert {one.doctor for one in acts()} <= found.keys() | {"DEMO-P001"}
    assert set(addresses(DOCTORS)) == found.keys() | {"DEMO-P001"}
    known = {person.openid for person in PEOPLE} | {row["渠道账号"] for row in rows()}
    assert {openid for _, openid in addresses(DOCTORS).values()} <= known, "the phone page shows them"
    assert len(found) == len(rows()) == 30
    assert all(INVENTED.search(row["医院"]) for row in rows())
    reps = {row["负责代表"] for row in rows()}
    assert len(reps) == 3 and all(INVENTED.search(rep) for rep in reps)
    assert len({row["科室"] for row in rows()}) > 5 and len({row["医院等级"] for row in rows()}) > 4
    assert {"示例市", "演示市", "样板市"} <= {row["城市"] for row in rows()}


def test_no_telephone_stands_in_it() -> None:
    for path in (FILE, DOCTORS):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"(?<![0-9])1[0-9]{10}(?![0-9])|[0-9]{3,4}-[0-9]{7,8}", text), path
    assert all(not row["手机"] for row in rows())


@pytest.mark.parametrize("line", ["? 什么", ">", "# 没有时间"])
def test_a_line_that_says_nothing_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "one.chat"
    file.write_text(f"# DEMO-H001 3 09:00\n{line}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=re.escape(line[:3])):
        read_scenes(file, NOW)


def test_the_clock_of_a_chat(tmp_path: Path) -> None:
    file = tmp_path / "one.chat"
    lines = [
        "# DEMO-H001 3 09:00",
        "> 一",
        "> 二",
        "@ +30",
        "> 三",
        "@ 1 08:15",
        "$ one",
        "@ 9 08:00",
        "> 四",
    ]
    file.write_text("\n".join(lines), encoding="utf-8")
    assert [(one.kind, one.words, f"{one.at:%d %H:%M}") for one in read_scenes(file, NOW)] == [
        (">", "一", "20 09:00"),
        (">", "二", "20 09:02"),
        (">", "三", "20 09:34"),
        ("$", "one", "23 08:15"),  # after the weekend; what lies ahead is left out
    ]
    assert {one.kind for one in acts()} <= KINDS
