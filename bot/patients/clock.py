"""Times of day in free Chinese text: 晚上12点 is 00:00, 差一刻八点 07:45, 下午3点和5点 15:00 and 17:00."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from bot.patients.day import BEFORE_AN_HOUR, PARTS
from bot.patients.pieces import blank, without
from bot.text.numerals import read

_HOUR = (
    r"(?:(?<!\d)(?:[01]?\d|2[0-4])(?!\d)|二十[一二三四]?|十[一二三四五六七八九]?|[零一二两三四五六七八九])"
)
_MINUTE = r"(?:[0-5]?\d(?!\d)|[一二三四五]?十[一二三四五六七八九]?|[零〇][一二三四五六七八九]|五)"
_CLOCK = re.compile(
    rf"(?P<part>{BEFORE_AN_HOUR})?的?\s?(?P<before>差(?P<short>一刻|1刻|{_MINUTE}分)(?:钟)?(?:到)?)?"
    rf"(?P<hour>{_HOUR})(?:(?:点钟?|时(?![候间刻]))(?:整|(?P<half>半)|(?P<quarter>[一二两三123])刻钟?"
    rf"|差(?P<less>一刻|1刻|{_MINUTE}分)|过?(?P<minute>{_MINUTE})分?(?![片粒颗袋包支个滴次天日月mgu毫单点时:]))?"
    r"|:(?P<minutes>[0-5]\d))\s?(?P<half_day>[ap]m(?![a-z]))?"
)
# 早8晚8各一片, 8am, and midnight by its name.
_BARE = re.compile(
    r"(?P<part>早|晚)(?P<hour>1[0-2]|[5-9](?!\d)|[五六七八九十])(?=,?\s?(?:早[五六七八九十\d]|晚[五六七八九十5-9]\d?(?:点|各|[吃服打])|各|[吃服打]))"
    r"|(?<![\d:])(?P<hour2>1[0-2]|[1-9])\s?(?P<half_day>[ap]m)(?![a-z])|(?P<midnight>午夜|半夜零点)(?!\d)"
)
# 七八点, 8到9点: about then, which is no time of day; the part of the day stays.
_ABOUT = re.compile(
    rf"{_HOUR}点(?:钟|半)?[到至-]{_HOUR}点(?:钟|半)?(?:之间)?(?!半)|"
    r"(?:[一二三四五六七八九]、?[二三四五六七八九](?=点|时(?!候))|(?<!\d)\d{1,2}(?:点|时)?[-~到至]\d{1,2}(?=点)|(?<!\d)\d、\d(?=点))(?:点钟?|时)"
    r"(?:之间)?(?!半|\d)"
)
_DAWN = "凌晨"
_NIGHT = {"夜", *(word for word, code in PARTS.items() if code == "NIGHT" and word != _DAWN)}
_FIRST_CERTAIN = 5  # nobody is up at two, and nobody takes 五点 for the afternoon
_LISTED = {*"第下如这哪几"}  # 如下三点, 第二点; 一点 alone is "a bit"


@dataclass(frozen=True, slots=True)
class Moment:
    """A time of day (hh:mm:ss) and where it is said."""

    clock: str
    start: int
    certain: bool = True  # 两点半 may be in the night or in the afternoon


def read_clock(text: str) -> tuple[list[Moment], str]:
    """The times of day in folded text, and the text with blanks in their places."""
    text = blank(_ABOUT, text)
    moments: list[Moment] = []
    last_late, end, last_hour, total = False, -9, 0, 0
    matches = sorted([*_CLOCK.finditer(text), *_BARE.finditer(text)], key=lambda match: match.start())
    kept: list[tuple[int, int]] = []
    for match in matches:
        if kept and match.start() < kept[-1][1]:
            continue
        if match[0] == "一点" or text[max(0, match.start() - 1) : match.start()] in _LISTED:
            continue
        said = match.groupdict()
        hour = 0 if said.get("midnight") else int(read(said["hour"] or said.get("hour2") or "") or 0)
        part = said.get("part") or ""
        minutes = _minutes(said)
        follows = not part and match.start() - end <= 2  # 下午3点和5点; 八点、十二点、六点
        turned = hour * 60 + minutes <= total <= 12 * 60 + 59
        carried = follows and (turned or (last_late and last_hour < hour % 12))
        code = PARTS.get(part)
        after_noon = (code in {"AFT", "EVE"} and part != "夜") or (code == "NOON" and hour < 4)
        late = after_noon or said.get("half_day") == "pm" or carried
        written = said["hour"] or said.get("hour2") or ""
        certain = bool(part or said.get("half_day") or follows or late) or not 0 < hour < _FIRST_CERTAIN
        hour = _of_day(hour, part, late=late)
        total = (hour * 60 + minutes) % (24 * 60)
        clock = f"{total // 60:02d}:{total % 60:02d}:00"
        moments.append(Moment(clock, match.start(), certain or written.startswith("0")))
        last_late, end, last_hour = late, match.end(), hour % 12
        kept.append(match.span())
    if any(moment.clock >= "13:00:00" for moment in moments):  # 2点8点14点20点: a clock of 24 hours
        moments = [replace(moment, certain=True) for moment in moments]
    return moments, without(kept, text)


def _of_day(hour: int, part: str, *, late: bool) -> int:
    if hour == 0:
        return 0
    if hour == 12:
        return 0 if PARTS.get(part) in {"EVE", "NIGHT"} and part != "傍晚" else 12
    if part in _NIGHT and 5 < hour < 12:
        return hour + 12
    return hour + 12 if late and hour < 12 and not (PARTS.get(part) == "EVE" and 0 < hour < 4) else hour


def _minutes(said: dict[str, str | None]) -> int:
    if said.get("half"):
        return 30
    if quarter := said.get("quarter"):
        return 15 * int(read(quarter) or 0)
    if short := said.get("short") or said.get("less"):
        return -15 if "刻" in short else -int(read(short.removesuffix("分")) or 0)
    figure = said.get("minutes") or said.get("minute") or "0"
    return int(figure) if figure.isdecimal() and figure.isascii() else int(read(figure.lstrip("零〇")) or 0)
