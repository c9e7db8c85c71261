"""Which clauses of a text state how a medicine is taken.

A figure, an hour or a day in a clause about something else (血压, 散步, 牛奶), about what was (昨天吃了两片),
or in a question says nothing about a plan, and takes nothing away from the clause beside it that does.
The words are in `data/patients/dosage.yaml`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum, auto

from bot.patients.amounts import CONTAINERS, UNIT, read_doses
from bot.patients.clock import read_clock
from bot.patients.drugs import drugs
from bot.patients.frequency import excepted, read_days, read_often
from bot.patients.occasions import read_occasions
from bot.patients.pieces import blank
from bot.patients.words import words
from bot.text.numerals import AMOUNT, read


class ClauseKind(Enum):
    PLAN = auto()
    BESIDE = auto()  # something else, or the past
    NEGATED = auto()
    STOPPED = auto()
    ASKED = auto()  # a question about something else
    DOUBTED = auto()  # a question about the plan itself


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` of `unit` (or times, 次) a day."""

    most: float
    unit: str


@dataclass(frozen=True, slots=True)
class Statement:
    text: str  # the clauses that say how much, how often or when
    about: str  # and those beside them, which may name the medicine
    elsewhere: bool  # other clauses are about something else
    as_needed: bool
    limit: Limit | None


_LIMIT = re.compile(
    rf"(?:(?:每|[一1])(?:天|日)|24(?:小时|h))内?(?:总量|一共|总共)?(?:最多|至多|顶多|(?:不(?:能|得|要|可以?|许)?|别|勿)(?:再)?(?:超过?|多于|过))(?:{AMOUNT}天)?(?:吃|服|用|打|喷|吸)?"
    rf"(?P<most>{AMOUNT})(?P<unit>{UNIT}|[次回顿趟遍])"
    rf"|(?:最多|至多|顶多)(?:每|[一1])(?:天|日)(?:吃|服|用)?(?P<most2>{AMOUNT})(?P<unit2>{UNIT}|[次回顿趟遍])"
)
# 一片血压还是高: where another matter begins although nobody wrote a comma.
_RUN_ON = re.compile(
    r"(?<=[片粒颗丸袋包支喷吸滴位克升glu])(?=(?:早上|中午|晚上|现在|最近)?(?:血[压糖脂]|心率|脉搏|尿酸|肌酐|inr|体温|控制(?:得|在)|想问|请问|我想问)"
    r"|吃了(?:就|老|总|还)?(?:[拉吐晕胃肚头心腿脚嘴恶]|没[用效]))|(?<=半)(?=血[压糖脂]|inr)"
)
_TIMES = {*"次回顿趟遍"}
_CLAUSE = re.compile(r"([^,。;!?\n]*)([,。;!?\n]|$)")
_NOW = re.compile(
    r"(?<=[^,。;!?\n])(?=另外|此外|还有(?!\s?[\d四五六七八九十])|顺便|现在|目前|如今|改成|改为|改吃)"
)
_WRITTEN = re.compile(r"[^\W\d_]")


def statement(text: str) -> Statement | None:
    """What of `text` (folded) states a plan; None when nothing does, or more than one `Dosage` can say."""
    said = words()
    text = _RUN_ON.sub(",", _NOW.sub(",", text))
    text = blank(said.beside, text)
    text = said.eaten.sub(lambda match: "牛奶".ljust(len(match[0])), text)
    limit, text = _limit(text)
    as_needed = said.as_needed.search(text) is not None
    if as_needed and _regular_beside(text):
        return None
    text = blank(said.as_needed, text)
    told = _Telling()
    for match in _CLAUSE.finditer(text):
        if match[0] and not told.take(match[1], match[2]):
            return None
    if not any(clause.strip() for clause in told.kept) or said.compound.search("".join(told.judged)):
        return None
    stated = ",".join(clause for clause in told.kept if _CUE.search(clause))
    return Statement(stated, ",".join(told.kept), told.elsewhere, as_needed, limit)


def _regular_beside(text: str) -> bool:
    """早晚各吸一下，发作时吸两下: whether a dose as needed stands beside one that is taken regularly."""
    clauses = [match[1] for match in _CLAUSE.finditer(text) if match[1] and read_doses(match[1])[0]]
    needed = [clause for clause in clauses if words().as_needed.search(clause)]
    others = (read_often(clause) for clause in clauses if clause not in needed)
    return bool(needed) and any(
        often.rates or often.daily or read_clock(rest)[0] or read_occasions(rest)[0] for often, rest in others
    )


@dataclass(slots=True)
class _Telling:
    """The clauses as they follow one another."""

    kept: list[str] = field(default_factory=list)
    judged: list[str] = field(default_factory=list)  # what a compound plan may be spread over
    sentence: int = 0  # where the current sentence begins in `kept`
    elsewhere: bool = False
    doubted: bool = False  # the current sentence asks about the plan
    before: ClauseKind | None = None

    def take(self, written: str, end: str) -> bool:
        """Whether there may still be a plan."""
        said = words()
        kind, clause = _kind(written, end)
        if kind not in {ClauseKind.ASKED, ClauseKind.DOUBTED} and _otherwise(written):
            return False
        if kind is ClauseKind.DOUBTED:
            if _figures(clause):
                self.kept, self.doubted = self.kept[: self.sentence], True
            elif self.before is ClauseKind.PLAN:  # else 血糖还是8，怎么办 is about the figure
                return False
        elif kind is ClauseKind.STOPPED and self.kept and not said.medicine.search(clause.replace("药", "")):
            return False
        elif kind is ClauseKind.PLAN and not self.doubted:
            self.kept.append(clause)
        if kind is not ClauseKind.ASKED and said.change.search(clause) and not said.past.search(clause):
            return False
        if kind not in {ClauseKind.ASKED, ClauseKind.DOUBTED}:
            self.judged.append((read_days(written)[2] if excepted(written) else written) + end)
        self.elsewhere |= kind is ClauseKind.BESIDE and bool(clause.strip())
        self.before = kind
        if end and end in "。;!?\n":
            self.sentence, self.doubted = len(self.kept), False
        return True


def _otherwise(clause: str) -> bool:
    """Whether a clause, of whatever kind, says that on some days, or from some day on, it is otherwise."""
    said = words()
    return said.otherwise.search(clause) is not None and not (excepted(clause) or said.stopped.search(clause))


# Without one of these nothing is said of how much, how often or when.
_CUE = re.compile(
    r"[\d一二两俩三四五六七八九十半每早晚晨午夜睡饭餐周星礼月日天q醒]|id|黑了|天黑|睁眼|起床|空腹"
)
_REMINDS = re.compile("提醒|闹钟|叫我|喊我")
_TAKEN = re.compile("[吃服]药?$")


def _limit(text: str) -> tuple[Limit | None, str]:
    match = _LIMIT.search(text)
    most = read(match["most"] or match["most2"]) if match else None
    if match is None or most is None:
        return None, text
    unit = match["unit"] or match["unit2"]
    return Limit(most, "次" if unit in _TIMES else unit), blank(_LIMIT, text)


def _kind(clause: str, end: str) -> tuple[ClauseKind, str]:
    """What a clause is, and what of it counts: of 每天一片不能喝酒 the first half."""
    said = words()
    if not clause.strip():
        return ClauseKind.BESIDE, clause
    if excepted(clause):
        return ClauseKind.PLAN, clause
    stopped = said.stopped.search(clause) and not said.question.search(clause)
    if said.past.search(clause) and not stopped and not said.changed.search(clause):
        return ClauseKind.BESIDE, clause
    if end == "?" or said.question.search(clause):
        left = "".join(_WRITTEN.findall(said.bare.sub("", said.question.sub("", clause))))
        return (ClauseKind.DOUBTED if len(left) <= 1 or _figures(clause) else ClauseKind.ASKED), clause
    if stopped:
        return ClauseKind.STOPPED, clause
    negation = said.negated.search(clause)
    if negation and _figures(clause[: negation.start()]):
        return _kind(clause[: negation.start()], end)
    if negation:
        return ClauseKind.NEGATED, clause
    return _subject(clause), clause


def _subject(clause: str) -> ClauseKind:
    said = words()
    other = said.other.search(blank(said.remedy, clause)) is not None
    if not _CUE.search(clause):
        return ClauseKind.BESIDE if other else ClauseKind.PLAN
    if read_doses(clause)[0] and not (other and not _of_medicine(clause)):
        return ClauseKind.PLAN
    if other:
        named = drugs(clause) or _TAKEN.search(clause)
        return ClauseKind.PLAN if named and _figures(clause) else ClauseKind.BESIDE
    often, rest = read_often(clause)
    if often.rates:
        return ClauseKind.PLAN  # perhaps of another medicine, whose name nobody knows
    rest = read_occasions(read_clock(rest)[1])[2]
    left = len(_WRITTEN.findall(rest))
    if (
        left > 3
        and not _REMINDS.search(clause)
        and not said.take.search(clause)
        and not said.medicine.search(clause)
    ):
        return ClauseKind.BESIDE  # what nobody takes: 早上起来手麻
    return ClauseKind.PLAN


def _of_medicine(clause: str) -> bool:
    """Whether an amount beside other words (烟, 奶) is one of a medicine."""
    said = words()
    units = {dose.unit for dose in read_doses(clause)[0]}
    return bool(units - CONTAINERS) or bool(said.medicine.search(clause))


def _figures(clause: str) -> bool:
    if not _CUE.search(clause):
        return False
    if read_doses(clause)[0]:
        return True
    often, rest = read_often(clause)
    return bool(often.rates or often.days) or bool(read_clock(rest)[0])
