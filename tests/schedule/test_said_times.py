"""When people say that something is to be: against what was meant, and never in the past."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import datetime, timedelta

import pytest

from bot.clock import CHINA
from bot.schedule import HORIZON, Ambiguous, SaidTime, read_time
from tests.schedule.said import jionlp_alone, said

# The least share of each set that is read as meant.
SETS = {"times_tuned": 1.0, "times_once": 1.0, "times_fresh": 1.0, "times_last": 0.94}
WEDNESDAY = datetime(2026, 12, 2, 10, tzinfo=CHINA)


@pytest.mark.parametrize("name", SETS)
def test_what_was_meant_is_read(name: str) -> None:
    cases = said(name)
    wrong = [
        (one.text, one.meant, read_time(one.text, one.now)) for one in cases if not one.is_read_by(read_time)
    ]
    assert 1 - len(wrong) / len(cases) >= SETS[name], wrong


@pytest.mark.parametrize("name", SETS)
def test_jionlp_alone_reads_far_less(name: str) -> None:
    """Should a later version read as well, our checks may go."""
    cases = said(name)
    assert sum(one.is_read_by(jionlp_alone) for one in cases) <= 0.7 * len(cases)


def test_never_in_the_past_and_never_far_ahead_unasked() -> None:
    texts = {one.text for name in SETS for one in said(name)}
    for hours in range(0, 24 * 9, 19):  # every hour of the day and day of the week
        now = datetime(2026, 12, 25, 0, 20, tzinfo=CHINA) + timedelta(hours=hours)
        for text in texts:
            found = read_time(text, now)
            for one in found.options if isinstance(found, Ambiguous) else [found] if found else []:
                assert one.start >= now and (not one.exact or one.start > now), (text, now, one)
                assert one.end is None or one.end >= one.start, (text, now, one)
            if isinstance(found, SaidTime):
                assert found.start - now <= HORIZON, (text, now, found)


def test_what_may_be_meant_is_offered_the_nearest_first() -> None:
    def options(text: str, now: datetime = WEDNESDAY) -> list[str]:
        found = read_time(text, now)
        assert isinstance(found, Ambiguous)
        return [f"{one.start:%m-%d %H:%M}" for one in found.options]

    assert options("七点", WEDNESDAY.replace(hour=6)) == ["12-02 07:00", "12-02 19:00"]
    assert options("九点") == ["12-02 21:00", "12-03 09:00"]
    assert options("明天八点") == ["12-03 08:00", "12-03 20:00"]
    assert options("周三下午") == ["12-02 13:30", "12-09 13:30"]
    assert options("下周三", WEDNESDAY.replace(day=6)) == ["12-09 08:00", "12-16 08:00"]
    assert options("5月10号") == ["05-10 08:00"]
    assert options("周四下午三点或者周五上午十点") == ["12-03 15:00", "12-04 10:00"]


def test_words_are_as_written() -> None:
    found = read_time("门诊排到外头了　明天 下午３点吧", WEDNESDAY)
    assert isinstance(found, SaidTime) and found.words == "明天 下午３点"
    assert isinstance(found := read_time("明天吧，八点半开始", WEDNESDAY.replace(hour=22)), Ambiguous)
    assert found.words == "明天，八点半"


def test_the_zone_is_the_persons() -> None:
    found = read_time("下午三点", WEDNESDAY.astimezone(None))
    assert isinstance(found, SaidTime) and found.start == WEDNESDAY.replace(hour=15)


@pytest.mark.parametrize(
    "text", ["十" * 200, "明天" * 100, "等我" * 100, "三点" * 100, "或" * 200, "一" * 100_000, ""]
)
def test_hostile_texts_take_no_time(text: str) -> None:
    began = time.process_time()
    read_time(text, WEDNESDAY)
    assert time.process_time() - began < 2


def test_jionlp_says_nothing_on_our_streams() -> None:
    code = "import bot.schedule as s, sys; s.warm(); print('jionlp' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("True\n", "")
