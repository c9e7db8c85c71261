"""The sets of what people say about times (`times_*.yml`), and whether a reading is what was meant."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path

import yaml

from bot.clock import CHINA
from bot.schedule.said_times import Ambiguous, SaidTime

Read = Callable[[str, datetime], SaidTime | Ambiguous | None]
# Where the span of a part of the day may begin.
PARTS = {
    "早上": (time(6), time(9)),
    "上午": (time(7), time(10, 30)),
    "中午": (time(11), time(12, 30)),
    "下午": (time(12), time(14, 30)),
    "傍晚": (time(16, 30), time(19)),
    "晚上": (time(17, 30), time(20)),
    "起": (time(0), time(12)),
    "": (time(0), time(12)),
}
NEAR = timedelta(minutes=10)


@dataclass(frozen=True)
class Said:
    text: str
    meant: str
    now: datetime

    def is_read_by(self, read: Read) -> bool:
        found = read(self.text, self.now)
        if self.meant == "-":
            return found is None
        if self.meant == "?":
            return isinstance(found, Ambiguous)
        if not isinstance(found, SaidTime):
            return False
        return self._about(found) if self.meant.startswith("~") else self._exactly(found)

    def _exactly(self, found: SaidTime) -> bool:
        day, _, clock = self.meant.partition(" ")
        start, _, end = clock.partition("-")
        on = self._day(day)
        right = found.start == datetime.combine(on, time.fromisoformat(start), CHINA) and found.exact
        return right and (not end or found.end == datetime.combine(on, time.fromisoformat(end), CHINA))

    def _about(self, found: SaidTime) -> bool:
        days, _, part = self.meant[1:].partition(" ")
        first, _, last = days.partition("..")
        if part == "稍后":
            return timedelta() < found.start - self.now <= timedelta(hours=2) and not found.exact
        if re.fullmatch(r"\d\d:\d\d", part):
            return (
                abs(found.start - datetime.combine(self._day(first), time.fromisoformat(part), CHINA)) <= NEAR
            )
        low, high = PARTS[part]
        in_days = self._day(first) <= found.start.date() <= self._day(last or first)
        # What has begun goes on from now.
        return in_days and not found.exact and (low <= found.start.time() <= high or found.start == self.now)

    def _day(self, text: str) -> date:
        return date.fromisoformat(text if len(text) > 5 else f"{self.now.year}-{text}")


def said(name: str) -> list[Said]:
    blocks = yaml.safe_load(Path(__file__).with_name(f"{name}.yml").read_text(encoding="utf-8"))
    return [
        Said(str(text), meant, datetime.fromisoformat(str(block["now"])).replace(tzinfo=CHINA))
        for block in blocks
        for text, meant in block["said"].items()
    ]


def jionlp_alone(text: str, now: datetime) -> SaidTime | Ambiguous | None:
    """What jionlp finds last in the text, as far as it lies ahead; an interval of less than a day is exact
    where jionlp calls it accurate."""
    import jionlp

    try:
        found = jionlp.ner.extract_time(text, time_base=now.replace(tzinfo=None))
    except Exception:  # it raises what it likes, and reads nothing then
        return None
    times = [one["detail"] for one in found if one["type"] in ("time_point", "time_span")]
    if not times:
        return None
    start, end = (
        None if "inf" in one else datetime.fromisoformat(one).replace(tzinfo=CHINA)
        for one in times[-1]["time"]
    )
    if start is None or (end is not None and end < now):
        return None
    exact = times[-1]["definition"] == "accurate" and end is not None and end - start < timedelta(hours=6)
    return SaidTime(start, end, exact, text)
