"""What the clauses about a plan say, each part read out of what the parts before it left.

The order matters: 一次 is "a time" in 一天一次 and "each time" in 一次两片.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from bot.patients.amounts import Dose, read_doses
from bot.patients.clock import Moment, read_clock
from bot.patients.frequency import Often, read_often
from bot.patients.occasions import AT_A_MEAL, Occasion, Offset, merged, read_occasions
from bot.patients.pieces import cut
from bot.patients.words import rewritten
from bot.text.folding import fold
from bot.text.numerals import AMOUNT, read, tidy

_MIXED = re.compile(r"(?<=\d)\s?([½¼¾])")
_HALVES = {"½": ".5", "¼": ".25", "¾": ".75"}
# Folding drops what stands between two Chinese characters: 周一~周五 would be two days.
_FROM_TO = re.compile(
    r"(?<=[一二两三四五六七八九十半日天片粒点时次])\s?[-~～—–－]+\s?(?=周|星期|礼拜|[一二两三四五六七八九十半日天早晚上下\d])"
)
_BOTH = re.compile(r"早晚(?:各)?(?P<at>(?:\d{1,2}|[五六七八九十]{1,2})点半?)")  # 早晚8点
_ONE_BY_ONE = re.compile("(?P<one>[一两半][片粒颗丸])(?P=one)地?")  # 半片半片地吃
_A_TIME = re.compile(r"(?<=[片粒颗丸袋包支次gl滴u位])\s?/\s?(?=[次日天周月d])")  # 2片/次, 3次/日
_TABLETS = re.compile(r"(?<=\d)\s?[#＃](?![\d#])")
_BRACKETS = re.compile(r"[()\[\]（）【】「」]")
_AND_A_HALF = re.compile(r"([一两二三四五六七八九\d])个半(?=小时|月|钟头|星期|礼拜)")
_SHARED_OUT = re.compile(r"(?<![\d一二三四五六七八九十])分(?:开|别)?(?:[服吃喝]|(?=早中?晚))")
_SHARED_BY = re.compile("分(?P<parts>早中?晚)(?=[两2二三3][次回顿])")  # 分早晚两次
_DIVIDED = re.compile(rf"分(?:成|为|作)?(?P<n>{AMOUNT})(?:次|回|顿)(?:吃|服用?|口服)?")


@dataclass(frozen=True, slots=True)
class Phrase:
    """What the clauses about the plan say; `rest` is what is left of them."""

    text: str
    often: Often
    moments: list[Moment]
    occasions: list[Occasion]
    offsets: list[Offset]
    doses: list[Dose]
    divided: int
    rest: str

    @property
    def clock(self) -> list[str]:
        return list(dict.fromkeys(moment.clock for moment in self.moments))

    @property
    def when(self) -> tuple[str, ...]:
        return merged(self.occasions)

    @property
    def offset(self) -> Offset | None:
        return self.offsets[-1] if self.offsets else None

    @property
    def offsets_fit(self) -> bool:
        """Whether one offset holds for every occasion: of 早饭前半小时、睡前 it does not."""
        said = {code for offset in self.offsets for code in offset.codes}
        return not said or (
            len({(offset.minutes, offset.exact) for offset in self.offsets}) == 1
            and all(code in said or code.rstrip("MDV") in said or code in AT_A_MEAL for code in self.when)
        )

    @property
    def times(self) -> int:
        """How many times of the day are named."""
        return len(self.clock) or len([code for code in self.when if code not in AT_A_MEAL])

    @property
    def starts(self) -> list[int]:
        """Where times of the day are named."""
        said = [moment.start for moment in self.moments]
        return said or [o.start for o in self.occasions if o.code not in AT_A_MEAL]

    @property
    def timed(self) -> bool:
        often = self.often
        return bool(
            often.rates
            or often.day_groups
            or often.days_a_week
            or often.daily
            or often.per
            or self.clock
            or self.when
        )


def folded_plan(text: str) -> str:
    """`text` folded, with what folding would drop or join beside figures written out."""
    written = _FROM_TO.sub("到", _MIXED.sub(lambda match: _HALVES[match[1]], text))
    written = _BRACKETS.sub(" ", written)
    written = _AND_A_HALF.sub(lambda match: f"{tidy((read(match[1]) or 0) + 0.5)}个", written)
    written = _TABLETS.sub("片", _A_TIME.sub("每", written))
    written = _ONE_BY_ONE.sub(r"\g<one>", written)
    written = _SHARED_BY.sub(r"\g<parts>分", written)
    return rewritten(_BOTH.sub(r"早\g<at>、晚\g<at>", fold(written).text.strip()))


def read_phrase(text: str) -> Phrase:
    divided, rest = cut(_DIVIDED, text)
    shared_out, rest = cut(_SHARED_OUT, rest)
    often, rest = read_often(rest)
    moments, rest = read_clock(rest)
    occasions, offsets, rest = read_occasions(rest)
    occasions = sorted([*occasions, *(Occasion(c, start) for start, c in often.when)], key=lambda o: o.start)
    doses, rest = read_doses(rest)
    parts = int(read(divided[0]["n"]) or 0) if divided else 0
    phrase = Phrase(text, often, moments, occasions, offsets, doses, parts, rest)
    return replace(phrase, divided=phrase.times) if shared_out and not parts else phrase
