"""Signs of an emergency, as `data/safety/red_flags.yaml` lists them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from bot.model import Audience
from bot.patients import DIASTOLIC, FASTING_GLUCOSE, GLUCOSE, GLUCOSE_MASS, OXYGEN, SYSTOLIC, readings
from bot.safety import context
from bot.safety.context import Window
from bot.safety.mentions import Mention
from bot.text.folding import Folded
from bot.text.patterns import read_rules

_MG_PER_MMOL = 18.0  # glucose


@dataclass(frozen=True, slots=True)
class RedFlag:
    """A confirmed sign: its category and where it stands in the folded text."""

    category: str
    start: int
    end: int


@cache
def _categories() -> dict[str, dict[str, object]]:
    return dict(read_rules("safety", "red_flags")["categories"])


def find(folded: Folded, mentions: list[Mention], audience: Audience) -> RedFlag | None:
    """The confirmed sign of the first category that has one."""
    order = {category: rank for rank, category in enumerate(_categories())}
    best: RedFlag | None = None
    best_rank = len(order)
    for mention in [*mentions, *_figures(folded)]:
        rank = order[mention.what]
        if rank < best_rank and _real(mention.at, mention.kind, audience, mention.what):
            best, best_rank = RedFlag(mention.what, mention.start, mention.end), rank
    return best


def _real(at: Window, kind: str, audience: Audience, category: str) -> bool:
    if context.denied(at):
        return False
    if _categories()[category].get("always"):
        return not (audience is Audience.DOCTOR and context.in_general(at)) and not context.past(at)
    if context.past(at) or context.supposed(at) or context.asked(at):
        return False
    if audience is Audience.PATIENT:
        return _real_for_patient(at, kind)
    if kind == "named" and context.treated(at):
        return False
    if context.happening(at):
        return not context.in_general(at)
    if _categories()[category].get("doctor_needs_case"):
        return context.stated(at) and not context.questioned(at)
    asks = context.questioned(at) and not context.stated(at)
    return kind == "said" and not asks and not context.in_general(at)


def _real_for_patient(at: Window, kind: str) -> bool:
    """A patient who names a sign has it, unless the words ask for knowledge."""
    if kind != "named" or context.happening(at):
        return True
    if context.in_general(at):
        return False
    help_asked = context.patterns().asks_help.search(at.sentence)
    return bool(help_asked) or not context.questioned(at)


# ------------------------------------------------------------------ figures

# Only where one of these stands is it worth reading the figures: 高压200, 血糖二点五, 低压都130了.
_DANGEROUS = re.compile(
    r"(?:高压|收缩压|血压|低压|舒张压|(?<![a-z])[bs]p(?![a-z])|血糖|空腹|[餐饭]后|血氧|spo2)[^。;!?\n]{0,14}?"
    r"(?=[12]\d\d|[一二两][百]|百|\d|[零〇一二三四五六七八九十])|[12]\d\d\s?/\s?1?\d\d"
)
_AROUND = 45


def _figures(folded: Folded) -> list[Mention]:
    found = []
    done = -1
    seen: set[str] = set()
    for match in _DANGEROUS.finditer(folded.text):
        if match.start() < done:
            continue
        low = max(0, match.start() - 12)
        done = match.end() + _AROUND
        around = folded.text[low:done]
        if around in seen:
            continue
        seen.add(around)
        for category, start, end in _dangers(around):
            at = Window(*context.surroundings(folded, low + start, low + end))
            found.append(Mention(category, "said", low + start, low + end, at))
    return found


def _dangers(text: str) -> tuple[tuple[str, int, int], ...]:
    return tuple(
        (category, reading.start, reading.end)
        for reading in readings(text)
        if reading.bound in {"", "above"}
        and (category := _danger(reading.code, reading.value, above=reading.bound == "above"))
    )


def _danger(code: str, value: float, *, above: bool) -> str:
    limits = _limits()
    if code == GLUCOSE_MASS:
        code, value = GLUCOSE, value / _MG_PER_MMOL
    if code == SYSTOLIC and value >= limits["systolic_from"]:
        return "hypertensive_crisis"
    if code == DIASTOLIC and value >= limits["diastolic_from"]:
        return "hypertensive_crisis"
    if code in {GLUCOSE, FASTING_GLUCOSE}:
        if value < limits["glucose_below"] and not above:
            return "hypoglycaemia"
        if value >= limits["glucose_above"]:
            return "hyperglycaemia"
    if code == OXYGEN and value < limits["oxygen_below"] and not above:
        return "breathing"
    return ""


@cache
def _limits() -> dict[str, float]:
    names = ("systolic_from", "diastolic_from", "glucose_below", "glucose_above", "oxygen_below")
    return {
        name: float(str(entry[name])) for entry in _categories().values() for name in names if name in entry
    }
