"""Safety: red flags, adverse events, wishes about our messages and hints at money, found before any NLU.

`screen` is pure and linear in the text. What it looks for is data (`data/safety`), compiled once per process:
`warm` does that at start, so that no message pays for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from bot.model import Audience, Purpose
from bot.safety import adverse_events, case_reports, mentions, money, red_flags
from bot.safety.case_reports import CaseReport, asked_for, every_element, is_detail, is_of
from bot.safety.own import NOTHING, Ours, OwnWords, bare, own_words, sentences_of
from bot.safety.signs import Emergency, emergencies
from bot.safety.stop import clauses_of, is_yes, read_wish
from bot.text.folding import Folded, fold
from bot.text.patterns import read_rules

__all__ = [
    "NOTHING",
    "CaseReport",
    "Emergency",
    "Ours",
    "OwnWords",
    "Screening",
    "Sign",
    "asked_for",
    "bare",
    "besides",
    "categories",
    "clauses_of",
    "emergency",
    "every_element",
    "is_detail",
    "is_of",
    "is_yes",
    "likely_stop",
    "own_words",
    "read_case",
    "screen",
    "sentences_of",
    "tells",
    "warm",
]


@dataclass(frozen=True, slots=True)
class Sign:
    """Why: what was found (a category of red flag, adverse_event/KIND) and where in the text as written."""

    what: str
    span: tuple[int, int]
    words: str


@dataclass(frozen=True, slots=True)
class Screening:
    """What a message holds that must not wait. `red_flag` is "" or the category of the emergency.

    `only`: the purposes that alone are to stop, where `stop` is false. `again`: those that `resume` names;
    none: all. `money`: "" or the kind of hint.
    """

    red_flag: str
    adverse_event: bool
    stop: bool
    resume: bool
    signs: tuple[Sign, ...] = ()
    only: frozenset[Purpose] = frozenset()
    again: frozenset[Purpose] = frozenset()
    money: str = ""


def screen(text: str, audience: Audience, ours: Ours = NOTHING) -> Screening:
    """Screen what somebody wrote on an account for this audience; `ours`: what we say ourselves."""
    own = own_words(text, ours)
    folded = fold(own.text, _pictures())
    found = mentions.find(folded)
    red_flag = red_flags.find(folded, found["red_flag"], audience)
    event = adverse_events.find(found["adverse_event"], audience)
    wish = read_wish(folded)
    hint = money.find(folded, audience)
    signs = []
    if red_flag:
        signs.append(_sign(text, folded, red_flag.category, red_flag.start, red_flag.end))
    if event:
        signs.append(_sign(text, folded, f"adverse_event/{event.kind}", event.start, event.end))
    if hint:
        signs.append(_sign(text, folded, f"money/{hint.kind}", hint.start, hint.end))
    return Screening(
        red_flag=red_flag.category if red_flag else "",
        adverse_event=event is not None,
        stop=wish.what == "stop" and not wish.only,
        resume=wish.what == "resume",
        signs=tuple(signs),
        only=wish.only if wish.what == "stop" else frozenset(),
        again=wish.only if wish.what == "resume" else frozenset(),
        money=hint.kind if hint else "",
    )


def besides(own: str) -> str:
    """What somebody's own words say besides the wish about our messages, and the hints at money, in them."""
    wish = read_wish(fold(own))
    clauses = clauses_of(fold(wish.besides if wish.what else own))
    return " ".join(clause for clause in clauses if not money.find(fold(clause), Audience.DOCTOR))


def likely_stop(own: str) -> bool:
    """Whether somebody may want to hear no more of us: they are asked."""
    return read_wish(fold(own)).what == "ask"


def tells(text: str, audience: Audience, *, about_product: bool = False) -> bool:
    """Whether words that the NLU takes for a report of an adverse event may be one. `about_product`: a
    medicine was spoken of before. The screening itself needs no such word."""
    folded = fold(text, _pictures())
    found = mentions.find(folded)["adverse_event"]
    return adverse_events.tells(folded, found, audience, about_product=about_product)


def read_case(text: str, audience: Audience) -> CaseReport:
    """What a report of an adverse event tells, whoever found that it is one."""
    folded = fold(text, _pictures())
    found = mentions.find(folded)["adverse_event"]
    event = adverse_events.find(found, audience)
    return case_reports.read_case(folded, found, event.kind if event else "")


def warm() -> None:
    """Compile what messages are read with: most of it is compiled when something is first found."""
    for audience in Audience:
        for text in _OF_EACH_KIND:
            screen(text, audience)
            tells(text, audience)
            read_case(text, audience)
    besides("退订，头晕")
    is_yes("好的")
    likely_stop("别弄了")


# Danger, a figure, a case, a question, a wish, and money.
_OF_EACH_KIND = (
    "我妈刚才突然胸口疼，喘不上气，晕倒了，嘴歪了，一直吐血，叫不醒，不想活了",
    "患者血压220/130，血钾6.8，心率42，血糖2.1，一次吃了20片",
    "吃了二甲双胍恶心、拉肚子、皮疹，脚肿，头晕，咳嗽，没效果，批号A1234，男，65岁，上周去世",
    "肾功能不全的病人怎么用，不良反应有哪些",
    "退订，会议别发，资料可以",
    "开了200盒，给几个点，小王上次给的卡",
)


def categories() -> tuple[str, ...]:
    """Every category `red_flag` can name, in the order of precedence."""
    return tuple(emergencies())


def emergency(category: str) -> Emergency:
    """What a category of `red_flag` is answered with."""
    return emergencies()[category]


def _sign(text: str, folded: Folded, what: str, start: int, end: int) -> Sign:
    low, high = folded.span(start, end)
    return Sign(what, (low, high), text[low:high])


@cache
def _pictures() -> dict[str, str]:
    return dict(read_rules("safety", "pictures"))
