"""What a doctor answers to the question of a step: fixed words alone, no guess of the NLU. Yes, no and later
are read by `bot.schedule.read_postponement`."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from bot.text.clauses import clause_spans
from bot.text.folding import fold
from bot.text.patterns import compile_patterns, read_rules
from bot.visits.course import Step

_LONGEST = 60  # characters; a longer text is read as what somebody tells
_ASKS = re.compile(
    r"[?？]|吗|怎么|多少|几[次片粒天]|能不能|可不可以|可以.{1,12}[吗么]|什么|哪|为什么|是不是|有没有"
)

_SHORT = 4  # characters; a longer clause says something
_JOINS = re.compile("[\ufe0f\u200d\U0001f3fb-\U0001f3ff]")  # of a picture: joiners, colours of skin


def asks(text: str) -> bool:
    """The words ask something."""
    return bool(_ASKS.search(text))


def value_of(step: Step, text: str) -> str:
    """What an answer to this step names ("dose", "helpful", "material", …); "" where it names nothing.

    A need may stand anywhere in the answer. All else is a clause of its own: 好 says nothing in 有啥好处.
    """
    if len(text) > _LONGEST:
        return ""
    if step in (Step.REACTION, Step.NEXT) and (shown := _gesture(text)):
        return shown if step == Step.REACTION else "none"
    if step == Step.NEED:
        folded = fold(text).text
        return next((name for name, pattern in _values(step.value) if pattern.search(folded)), "")
    return _named(step.value, text)


def says_more(step: Step, text: str) -> bool:
    """Beside what names a value there is something worth quoting: 还可以，但基层的数据少."""
    folded = fold(text[:_LONGEST])
    clauses = [folded.text[start:end].strip() for start, end in clause_spans(folded)]
    return any(
        len(clause) > _SHORT and not any(pattern.fullmatch(clause) for _, pattern in _values(step.value))
        for clause in clauses
    )


def format_of(text: str) -> str:
    """In which form they want it told ("chart", "brief", "detail"); "": they do not say."""
    return _named("formats", text) if len(text) <= _LONGEST else ""


def _named(what: str, text: str) -> str:
    """The first that a clause of the text names."""
    folded = fold(text)
    clauses = [folded.text[start:end].strip() for start, end in clause_spans(folded)]
    return next(
        (name for name, pattern in _values(what) if any(pattern.fullmatch(clause) for clause in clauses)), ""
    )


def objection_of(text: str) -> str:
    """What they hold against it ("price", "reactions", "guideline", "absent"); "": nothing of these."""
    if len(text) > _LONGEST:
        return ""
    folded = fold(text).text
    return next((name for name, pattern in _objections() if pattern.search(folded)), "")


def objection_question(name: str) -> str:
    """What to ask of approved content, behind the product's name, to answer it; "": nothing."""
    return str(_rules()["objections"][name]["asks"])


def is_somebody_else(text: str) -> bool:
    """They say that they are not who was meant."""
    if len(text) > _LONGEST:
        return False
    return bool(_wrong_person().search(fold(text).text))


def _gesture(text: str) -> str:
    """What an answer without a word shows."""
    signs = {
        one for one in text.strip() if one not in "\ufe0f\u200d" and not "\U0001f3fb" <= one <= "\U0001f3ff"
    }
    gestures: dict[str, list[str]] = _rules()["gestures"]
    return next((name for name, these in gestures.items() if signs and signs <= set(these)), "")


@cache
def _rules() -> dict[str, Any]:
    found: dict[str, Any] = read_rules("visits", "words")
    return found


@cache
def _values(what: str) -> tuple[tuple[str, re.Pattern[str]], ...]:
    rules = _rules()
    return tuple(
        (name, compile_patterns(found, rules["words"])) for name, found in rules.get(what, {}).items()
    )


@cache
def _objections() -> tuple[tuple[str, re.Pattern[str]], ...]:
    rules = _rules()
    return tuple(
        (name, compile_patterns(found["words"], rules["words"]))
        for name, found in rules["objections"].items()
    )


@cache
def _wrong_person() -> re.Pattern[str]:
    return compile_patterns(_rules()["wrong_person"], _rules()["words"])
