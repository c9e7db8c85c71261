"""The file of the demo's history: who said what, when, and what colleagues did about it.

A chat begins with `# DOCTOR DAYS HH:MM`, so many working days ago, or `# DOCTOR now MINUTES`; DEMO-P001 is
no doctor but a patient. Its lines are

- `> words`: the doctor writes; two minutes pass before the next line
- `@ DAYS HH:MM`: so many working days later at that time; `@ +MINUTES`: later. What lies ahead is not played
- `$ PLAN`: a colleague lets a visit begin
- `^ SECONDS`: the doctor opens the material that was sent last and reads so long
- `& LOGIN verb …`: a colleague does something, see `bot.service.colleagues`
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path

from bot.clock import CHINA
from bot.schedule import working_day

PAUSE = timedelta(minutes=2)
KINDS = frozenset(">@$^&")


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that happened. `key` names it over restarts: the doctor and the place in the file."""

    at: datetime
    doctor: str  # external id
    kind: str  # one of KINDS
    words: str
    key: str


def read_scenes(path: Path, now: datetime) -> list[Act]:
    """What happened before `now`, in the order in which it did. Raises ValueError: a line says nothing."""
    found = [
        act
        for number, block in enumerate(path.read_text(encoding="utf-8").split("\n\n"))
        if (lines := [line for line in block.splitlines() if line.strip() and not line.startswith("//")])
        for act in _chat(number, lines, now)
    ]
    return sorted(found, key=lambda act: act.at)


def _chat(number: int, lines: list[str], now: datetime) -> Iterator[Act]:
    mark, doctor, days, clock = lines[0].split()
    if mark != "#":
        raise ValueError(f"not a chat: {lines[0][:60]!r}")
    at = (
        now - timedelta(minutes=int(clock))
        if days == "now"
        else _moment(_days_from(now.astimezone(CHINA).date(), -int(days)), clock)
    )
    for place, line in enumerate(lines[1:]):
        kind, words = line[0], line[1:].strip()
        if kind not in KINDS or not words:
            raise ValueError(f"no line of a chat: {line[:60]!r}")
        if kind == "@":
            at = _later(at, words)
        elif at >= now:
            return
        else:
            yield Act(at, doctor, kind, words, f"{doctor}-{number}-{place}")
            at += PAUSE


def _later(at: datetime, words: str) -> datetime:
    if words.startswith("+"):
        return at + timedelta(minutes=int(words[1:]))
    days, clock = words.split()
    return _moment(_days_from(at.astimezone(CHINA).date(), int(days)), clock)


def _moment(day: date, clock: str) -> datetime:
    return datetime.combine(day, time.fromisoformat(clock), CHINA)


def _days_from(day: date, count: int) -> date:
    """So many working days before or after; the day itself where that is 0."""
    step = timedelta(days=1 if count > 0 else -1)
    for _ in range(abs(count)):
        day += step
        while not working_day(day).working:
            day += step
    return day
