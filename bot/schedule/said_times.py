"""When somebody says that it suits them: 八点半吧, 周五下午, 明早交班后, 国庆以后, as moments that lie ahead.

A time is never in the past, and never guessed where two are as likely: then it is asked back. Of several the
newest counts, and one that does not suit (周五不行) never. Pure, but for jionlp's tables (`warm`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from bot.clock import CHINA
from bot.schedule import days, spoken
from bot.schedule.days import DayReading, Days
from bot.schedule.spoken import ClockTime, Delay, SaidPiece

HORIZON = timedelta(days=90)  # further ahead it is asked whether that is meant
_WAKES, _SLEEPS = 6, 21  # an hour without its half of the day is one of these, up to before the second
_SOON = (timedelta(minutes=30), timedelta(hours=2))
_ROUGH = timedelta(minutes=30)
_TONIGHT = timedelta(hours=3)  # so soon, 九点 said at eight in the evening is nine in the evening
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class SaidTime:
    """From `start` to `end` (None: from then on, or at that moment where `exact`), in the person's zone.

    `exact`: a clock time or an interval was said; else any moment of the span is meant. `words`: as written.
    """

    start: datetime
    end: datetime | None
    exact: bool
    words: str


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """What may be meant, the nearest first; one alone where it is far ahead, or has passed for today."""

    options: tuple[SaidTime, ...]
    words: str


def warm() -> None:
    """Load what the first reading would wait for: a second of a quiet machine, in a thread at the start."""
    now = datetime(2027, 6, 1, 10, tzinfo=CHINA)  # a year whose holidays no calendar knows yet
    for text in ("周五下午", "春节后", "八点半"):
        read_time(text, now)


def read_time(text: str, now: datetime, zone: ZoneInfo = CHINA) -> SaidTime | Ambiguous | None:
    """When a text says that something is to be, or None where it says no time that lies ahead."""
    said = spoken.pieces(text)
    fitting = [piece for piece in said if piece.fits]
    if not fitting:
        return None
    newest, local = _whole(said), now.astimezone(zone)
    found = _read(newest, local)
    before = said[-2] if len(said) > 1 else None
    if newest.either and before is not None and before.fits and found is not None:
        first = _read(before, local)
        if first is not None:
            return _asked([*_options(first), *_options(found)], f"{before.words}或{newest.words}")
    return found


def _options(found: SaidTime | Ambiguous) -> tuple[SaidTime, ...]:
    return found.options if isinstance(found, Ambiguous) else (found,)


def _whole(said: list[SaidPiece]) -> SaidPiece:
    """The newest that suits, with the day or the clock that an earlier one gave it."""
    number = max(number for number, piece in enumerate(said) if piece.fits)
    newest = said[number]
    if newest.wait or newest.soon or number == 0:
        return newest
    if newest.day and not (newest.part or newest.clock):
        # 九点半查完房，明天吧: a clock says more than a part of the day.
        clocks = [one for one in said[:number] if one.clock and not one.day and one.fits]
        if clocks:
            return replace(clocks[-1], day=newest.day, words=_both(clocks[-1], newest))
    for before in reversed(said[:number]):
        if before.wait and before.wait.unit != "分钟" and before.fits and not newest.day:
            return replace(newest, wait=before.wait, words=_both(before, newest))  # 六天后下午三点
        if before.wait or before.soon:
            break
        if not newest.day and before.day and (before.fits or before.part or before.clock):
            part = newest.part or (before.part if before.fits and newest.clock else None)
            return replace(newest, day=before.day, part=part, words=_both(before, newest))
        if newest.clock and not (newest.day or newest.part) and before.part and before.fits:
            return replace(newest, part=before.part, words=_both(before, newest))
        if newest.day and not (newest.part or newest.clock) and not before.day and before.fits:
            return replace(before, day=newest.day, words=_both(before, newest))
    return newest


def _both(before: SaidPiece, newest: SaidPiece) -> str:
    return f"{before.words}，{newest.words}"


def _read(piece: SaidPiece, now: datetime) -> SaidTime | Ambiguous | None:
    if piece.soon:
        return SaidTime(now + _SOON[0], now + _SOON[1], False, piece.words)
    if piece.wait is not None and (piece.clock or piece.part):
        day = days.later(now.date(), piece.wait.amount, piece.wait.unit)
        return _on(piece, DayReading((day,), True), now)
    if piece.wait is not None:
        found = [_after(piece.wait, now, piece.words)]
        return _checked(found, True, now, piece.words)
    if any(clock is not None and not clock.possible for clock in (piece.clock, piece.to)):
        return None
    if not piece.day:
        return _of_today(piece, now)
    reading = days.read_day(piece.day, now.date())
    if reading is None:
        return None
    return _on(piece, reading, now)


def _after(wait: Delay, now: datetime, words: str) -> SaidTime:
    if wait.unit == "分钟":
        start = now + timedelta(minutes=wait.amount)
        return SaidTime(start, start + _ROUGH if wait.rough else None, not wait.rough, words)
    return _all_day(days.later(now.date(), wait.amount, wait.unit), now, words)


def _on(piece: SaidPiece, reading: DayReading, now: datetime) -> SaidTime | Ambiguous | None:
    found: list[SaidTime] = []
    sure = reading.sure
    for option in reading.options:
        if piece.clock is None:
            found.append(_part_of(piece, option, now))
            continue
        hours = list(_hours(piece, piece.clock))
        on_day = [_at(piece, option.first, hour, now) for hour in hours]
        ahead = [one for one in on_day if _is_ahead(one, now)]
        sure = sure and len(ahead) <= 1
        found += ahead
    return _checked(found, sure, now, piece.words)


def _of_today(piece: SaidPiece, now: datetime) -> SaidTime | Ambiguous | None:
    """Without a day: today's, if it lies ahead; else tomorrow's, asked unless it is one of the morning."""
    today, tomorrow = now.date(), now.date() + _DAY
    if piece.clock is None:
        found = [_part_of(piece, Days(day, day), now) for day in (today, tomorrow)]
        ahead = [one for one in found if one.end is None or one.end > now]
        return _checked(ahead[:1], True, now, piece.words)
    hours = list(_hours(piece, piece.clock))
    found = [one for hour in hours if _is_ahead(one := _at(piece, today, hour, now), now)]
    if found:
        return _checked(found, len(found) == 1, now, piece.words)
    if piece.part is None and not piece.clock.certain:
        later = _at(piece, today, piece.clock.hour + 12, now)
        if now < later.start <= now + _TONIGHT:
            return later
        found = [
            *([later] if later.start > now else []),
            *(_at(piece, tomorrow, hour, now) for hour in hours),
        ]
    else:
        found = [_at(piece, tomorrow, hour, now) for hour in hours]
    return _checked(found, piece.part is not None and piece.part.early, now, piece.words)


def _hours(piece: SaidPiece, clock: ClockTime) -> Iterator[int]:
    """The hours of the day that may be meant."""
    hour, part = clock.hour, piece.part
    if clock.certain:
        yield hour
    elif part is None:
        before = 1 if clock.less else 0
        both = [one for one in (hour, hour + 12) if _WAKES <= one - before < _SLEEPS]
        yield from both or [hour]
    elif not part.late:
        yield hour % 12 if part.name == "night" else hour
    elif part.name == "noon":
        yield hour + 12 if hour < 10 else hour
    elif part.name == "evening":
        yield hour + 12 if hour >= 5 else hour + 24
    else:
        yield hour + 12 if hour < 12 else hour


def _at(piece: SaidPiece, day: date, hour: int, now: datetime) -> SaidTime:
    assert piece.clock is not None  # noqa: S101 - for the type checker
    # In the small hours 凌晨 is of the day that begins: 明天凌晨一点, and 凌晨一点 said in the evening.
    start = _moment(day, hour, piece.clock, now)
    end = None
    if piece.to is not None:
        part = piece.to_part or piece.part
        ends = [_moment(day, other, piece.to, now) for other in _hours(replace(piece, part=part), piece.to)]
        ends += [one + timedelta(hours=12) for one in ends]
        end = next((one for one in ends if one > start), None)
    if piece.bound == "后":
        return SaidTime(start, None, False, piece.words)
    if piece.bound == "前":
        return (
            SaidTime(now, start, False, piece.words)
            if start > now
            else SaidTime(start, start, False, piece.words)
        )
    if piece.bound or piece.clock.rough:
        return SaidTime(start, end or start + _ROUGH, False, piece.words)
    return SaidTime(start, end, True, piece.words)


def _moment(day: date, hour: int, clock: ClockTime, now: datetime) -> datetime:
    midnight = datetime.combine(day, time(), now.tzinfo)
    return midnight + timedelta(hours=hour, minutes=clock.minute - clock.less)


def _part_of(piece: SaidPiece, option: Days, now: datetime) -> SaidTime:
    if piece.part is None:
        found = _all_day(option, now, piece.words)
    else:
        start = datetime.combine(option.first, piece.part.start, now.tzinfo)
        end = datetime.combine(option.last or option.first, piece.part.end, now.tzinfo)
        found = SaidTime(max(start, now) if end > now else start, end, False, piece.words)
    if piece.bound == "后":
        return replace(found, end=None)
    if piece.bound == "前":
        return replace(found, start=now, end=max(found.start, now))
    return found


def _all_day(option: Days, now: datetime, words: str) -> SaidTime:
    wakes, sleeps = spoken.waking_hours()
    start = datetime.combine(option.first, wakes, now.tzinfo)
    end = None if option.last is None else datetime.combine(option.last, sleeps, now.tzinfo)
    return SaidTime(max(start, now), end, False, words)


def _checked(found: list[SaidTime], sure: bool, now: datetime, words: str) -> SaidTime | Ambiguous | None:
    """What of it lies ahead; asked where several do, or where it is further ahead than the horizon."""
    ahead = [one for one in found if _is_ahead(one, now)]
    if not ahead:
        return None
    if sure or (len(ahead) == 1 and len(found) > 1):
        first = ahead[0]
        return first if first.start - now <= HORIZON else Ambiguous((first,), words)
    return _asked(ahead, words)


def _is_ahead(one: SaidTime, now: datetime) -> bool:
    """An exact one begins later; of a span some is left."""
    return one.start > now or (not one.exact and one.start == now and (one.end is None or one.end > now))


def _asked(options: list[SaidTime], words: str) -> Ambiguous:
    return Ambiguous(tuple(sorted(set(options), key=lambda one: one.start)), words)
