"""What a doctor answers to the question of a step: fixed words alone, no guess of the NLU. Yes, no and later
are read by `bot.schedule.read_postponement`."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from bot.text.folding import fold
from bot.text.patterns import compile_patterns, read_rules
from bot.visits.course import Step

_LONGEST = 60  # characters; a longer text is read as what somebody tells
_ASKS = re.compile(
    r"[?？]|吗|怎么|多少|几[次片粒天]|能不能|可不可以|可以.{1,12}[吗么]|什么|哪|为什么|是不是|有没有"
)


def asks(text: str) -> bool:
    """The words ask something."""
    return bool(_ASKS.search(text))


def value_of(step: Step, text: str) -> str:
    """What an answer to this step names ("dose", "helpful", "material", …); "" where it names nothing."""
    folded = fold(text).text if len(text) <= _LONGEST else ""
    return next((name for name, pattern in _values(step) if pattern.search(folded)), "")


@cache
def _rules() -> dict[str, Any]:
    found: dict[str, Any] = read_rules("visits", "words")
    return found


@cache
def _values(step: Step) -> tuple[tuple[str, re.Pattern[str]], ...]:
    rules = _rules()
    return tuple(
        (name, compile_patterns(found, rules["words"])) for name, found in rules.get(step.value, {}).items()
    )
