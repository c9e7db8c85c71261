"""Safety: red flags, adverse events and requests to stop, found before and without any NLU.

`screen` is pure and linear in the text. What it looks for is data (`data/safety`), compiled once per process;
call it once at start so that no message pays for that.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from bot.model import Audience
from bot.safety import adverse_events, case_reports, mentions, red_flags
from bot.safety.case_reports import CaseReport, asked_for, every_element, is_detail, is_of
from bot.safety.signs import Emergency, emergencies
from bot.safety.stop import read_request
from bot.text.folding import Folded, fold
from bot.text.patterns import read_rules

__all__ = [
    "CaseReport",
    "Emergency",
    "Screening",
    "Sign",
    "asked_for",
    "categories",
    "emergency",
    "every_element",
    "is_detail",
    "is_of",
    "read_case",
    "screen",
    "tells",
]


@dataclass(frozen=True, slots=True)
class Sign:
    """Why: what was found (a category of red flag, adverse_event/KIND) and where in the text as written."""

    what: str
    span: tuple[int, int]
    words: str


@dataclass(frozen=True, slots=True)
class Screening:
    """What a message holds that must not wait. `red_flag` is "" or the category of the emergency."""

    red_flag: str
    adverse_event: bool
    stop: bool
    resume: bool
    signs: tuple[Sign, ...] = ()


def screen(text: str, audience: Audience) -> Screening:
    """Screen what somebody wrote on an account for this audience."""
    folded = fold(text, _pictures())
    found = mentions.find(folded)
    red_flag = red_flags.find(folded, found["red_flag"], audience)
    event = adverse_events.find(found["adverse_event"], audience)
    request = read_request(folded)
    signs = []
    if red_flag:
        signs.append(_sign(folded, red_flag.category, red_flag.start, red_flag.end))
    if event:
        signs.append(_sign(folded, f"adverse_event/{event.kind}", event.start, event.end))
    return Screening(
        red_flag=red_flag.category if red_flag else "",
        adverse_event=event is not None,
        stop=request == "stop",
        resume=request == "resume",
        signs=tuple(signs),
    )


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


def categories() -> tuple[str, ...]:
    """Every category `red_flag` can name, in the order of precedence."""
    return tuple(emergencies())


def emergency(category: str) -> Emergency:
    """What a category of `red_flag` is answered with."""
    return emergencies()[category]


def _sign(folded: Folded, what: str, start: int, end: int) -> Sign:
    low, high = folded.span(start, end)
    return Sign(what, (low, high), folded.source[low:high])


@cache
def _pictures() -> dict[str, str]:
    return dict(read_rules("safety", "pictures"))
