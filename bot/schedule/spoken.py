"""What of a text speaks of a time that may be ours: pieces, each a day, a part of a day, a clock, or a wait.

Without meaning: which of them counts, and what moment it is, is for `bot.schedule.said_times`. The words are
data (`data/schedule/times.yaml`). A day or a part of one counts only where nothing else is told in its clause
(晚上睡不着 is no appointment), a clock unless something is measured or past.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field, replace
from datetime import time
from functools import cache
from typing import Any

from bot.text import numerals
from bot.text.folding import Folded, fold
from bot.text.patterns import compile_patterns, read_rules

LONGEST = 200  # characters; in a longer text a time is hardly an answer to when
_BREAKS = re.compile(r"[,。;!?、\n]")
_COLON = re.compile(r"(\d{1,2})[:.](\d\d)")
_CLOCK = re.compile(
    r"(?:差(?P<less>一刻|[^分]{1,3}))?分?钟?(?P<hour>[\d〇零一二两三四五六七八九十]+)(?:点钟?|时)过?(?P<minute>.*)"
)
_TWO_DIGITS = re.compile("[一二两三四五六七八九][二三四五六七八九]")
_SHORT = ("早", "晚")  # words for a part of the day only beside a day or a clock
_BLANK = "\ue000"  # stands for what was blanked: no pattern has it


@dataclass(frozen=True, slots=True)
class DayPart:
    """A part of the day. `late`: hours below 12 are of the afternoon or evening; `early`: when it is over,
    tomorrow's is meant."""

    name: str
    start: time
    end: time
    late: bool
    early: bool


@dataclass(frozen=True, slots=True)
class ClockTime:
    """`hour` as said; `certain`: it says by itself which half of the day. `less`: 差十分."""

    hour: int
    minute: int
    certain: bool
    rough: bool = False
    less: int = 0

    @property
    def possible(self) -> bool:
        return self.hour <= 24 and self.minute < 60


@dataclass(frozen=True, slots=True)
class Delay:
    """So much from now. `unit`: 分钟, 天, 周 or 月."""

    amount: float
    unit: str
    rough: bool


@dataclass(frozen=True, slots=True)
class SaidPiece:
    """One time as said. `fits`: they do not say that it does not suit; `either`: it stands beside the piece
    before as another choice. `bound`: 后, 前 or ~ (about)."""

    words: str
    day: str = ""
    part: DayPart | None = None
    clock: ClockTime | None = None
    to_part: DayPart | None = None
    to: ClockTime | None = None
    bound: str = ""
    wait: Delay | None = None
    soon: bool = False
    fits: bool = True
    either: bool = False
    span: tuple[int, int] = field(default=(0, 0), compare=False)


def pieces(text: str) -> list[SaidPiece]:
    """The times that a text speaks of and that may be ours, in order."""
    if len(text) > LONGEST:
        return []
    folded = fold(text)
    plain = _blanked(_mended(folded.text))
    found = [piece for match in _pattern("said").finditer(plain) if (piece := _piece(match, folded))]
    said: list[SaidPiece] = []
    for start, end in _clauses(plain, folded, found):
        here = [piece for piece in found if start <= piece.span[0] < end]
        if not here:
            if said and _pattern("unfit").match(plain[start:end]):
                said[-1] = replace(said[-1], fits=False)
            continue
        said += _of_clause(plain, start, end, here)
    return [
        replace(piece, either=number > 0 and _joined(plain, said[number - 1], piece))
        for number, piece in enumerate(said)
    ]


def _of_clause(plain: str, start: int, end: int, here: list[SaidPiece]) -> list[SaidPiece]:
    if _pattern("told").search(plain[start:end]):
        return []
    kept, around = [], []
    edges = [start, *itertools.chain.from_iterable(piece.span for piece in here), end]
    for number, piece in enumerate(here):
        before, after = plain[edges[2 * number] : piece.span[0]], plain[piece.span[1] : edges[2 * number + 3]]
        fits = not (_pattern("unfit_before").search(before) or _pattern("unfit").search(after))
        kept.append(replace(piece, fits=fits))
        around.append((before, after))
    rest = "".join([*(before for before, _ in around), around[-1][1]])
    idle = (
        _pattern("around").fullmatch(_pattern("unfit").sub("", _pattern("either").sub("", rest))) is not None
    )
    return [piece for piece in kept if piece.clock is not None or not piece.fits or idle]


def _joined(plain: str, before: SaidPiece, piece: SaidPiece) -> bool:
    return _pattern("either").fullmatch(plain[before.span[1] : piece.span[0]].strip(",、")) is not None


def _clauses(plain: str, folded: Folded, found: list[SaidPiece]) -> list[tuple[int, int]]:
    """Cut at punctuation and where a space stood, but not within a time."""
    cuts = {match.start() for match in _BREAKS.finditer(plain)} | set(folded.breaks)
    inside = {at for piece in found for at in range(piece.span[0] + 1, piece.span[1])}
    edges = [0, *sorted(cuts - inside), len(plain)]
    return [
        (start + (plain[start : start + 1] in (",", "、")), end)
        for start, end in itertools.pairwise(edges)
        if start < end
    ]


def _piece(match: re.Match[str], folded: Folded) -> SaidPiece | None:
    parts = match.groupdict()
    # What may stand between a day and a clock may stand before one as well.
    starts = [match.start(name) for name in ("day", "part", "clock", "amount", "soon") if parts[name]]
    if not starts:
        return None
    start = match.start() if parts["wait"] else min(starts)
    end = max(match.end(name) for name, words in parts.items() if words)
    if parts["part"] in _SHORT and not (parts["day"] or parts["clock"]):
        return None
    piece = SaidPiece(folded.source[slice(*folded.span(start, end))], span=(start, end))
    if parts["soon"]:
        return replace(piece, soon=True)
    if parts["amount"]:
        return _waiting(piece, parts, match.string[:start] + match.string[end:])
    bound = parts["bound"] or ""
    return replace(
        piece,
        day=parts["day"] or "",
        part=_part(parts["part"]),
        clock=_clock(parts["clock"]),
        to_part=_part(parts["to_part"]),
        to=_clock(parts["to"]),
        bound="后"
        if "后" in bound and bound != "前后"
        else "前"
        if bound in ("前", "以前", "之前")
        else "~"
        if bound
        else "",
    )


def _waiting(piece: SaidPiece, parts: dict[str, Any], rest: str) -> SaidPiece | None:
    unit = {"钟头": "小时", "星期": "周", "礼拜": "周"}.get(parts["unit"], parts["unit"])
    alone = unit in ("小时", "分钟") and _pattern("around").fullmatch(_BREAKS.sub("", rest)) is not None
    if not (parts["wait"] or parts["after"] or alone):
        return None
    said, rough = parts["amount"], False
    if said in ("十来", "十几", "几十", "个把", "几") or _TWO_DIGITS.fullmatch(said):
        few = {"十来": 10.0, "十几": 15.0, "几十": 30.0, "个把": 1.0, "几": 3.0}
        amount, rough = few.get(said) or numerals.read(said[0]) or 1.0, True
    else:
        amount = numerals.read(said) or 0.0
    amount += 0.5 if parts["plus"] or parts["half"] else 0.0
    scale = {"小时": 60, "刻钟": 15}.get(unit, 1)
    return replace(piece, wait=Delay(amount * scale, "分钟" if scale > 1 else unit, rough))


def _clock(words: str | None) -> ClockTime | None:
    if not words:
        return None
    if match := _COLON.fullmatch(words):
        hour = int(match[1])
        return ClockTime(hour, int(match[2]), hour > 12 or words[0] == "0")
    match = _CLOCK.fullmatch(words)
    if match is None:
        return None
    said, rough = match["hour"], _TWO_DIGITS.fullmatch(match["hour"]) is not None
    number = numerals.read(said[0] if rough else said)
    if number is None:
        return None
    certain, less = number > 12 or said[0] in "0零〇", _minute(match["less"] or "")
    return ClockTime(int(number), _minute(match["minute"]), certain, rough, less)


def _minute(words: str) -> int:
    words = words.removesuffix("分").removeprefix("过")
    if "刻" in words:
        return 15 * int(numerals.read(words[0]) or 0)
    return {"": 0, "半": 30, "整": 0}.get(words) or int(numerals.read(words.lstrip("零〇") or "零") or 0)


def _mended(text: str) -> str:
    """Slips put right, character for character, so that positions hold."""
    slips: dict[str, str] = read_rules("schedule", "times")["slips"]
    for slip, meant in slips.items():
        text = text.replace(slip, meant) if len(slip) == len(meant) else text
    return text


def _blanked(text: str) -> str:
    return _pattern("never").sub(lambda match: _BLANK * len(match[0]), text)


def _part(words: str | None) -> DayPart | None:
    return _parts()[words] if words else None


@cache
def _parts() -> dict[str, DayPart]:
    return {
        word: DayPart(
            name,
            time.fromisoformat(part["from"]),
            time.fromisoformat(part["until"]),
            part.get("late", False),
            part.get("early", False),
        )
        for name, part in read_rules("schedule", "times")["parts"].items()
        for word in part["words"]
    }


@cache
def waking_hours() -> tuple[time, time]:
    """From when until when a day alone is meant."""
    day = read_rules("schedule", "times")["day"]
    return time.fromisoformat(day["from"]), time.fromisoformat(day["until"])


@cache
def _pattern(name: str) -> re.Pattern[str]:
    rules = read_rules("schedule", "times")
    words = {**rules["words"], "parts": [re.escape(word) for word in _parts()]}
    patterns = [rules[name]] if isinstance(rules[name], str) else rules[name]
    if name == "around":
        return compile_patterns([f"(?:{'|'.join([*patterns, _BREAKS.pattern])}){{0,30}}"], words)
    return compile_patterns(patterns, words)
