"""The words of `data/patients/dosage.yaml` as patterns."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from functools import cache

from bot.patients.amounts import UNIT
from bot.text.numerals import AMOUNT
from bot.text.patterns import compile_patterns, read_rules


@dataclass(frozen=True, slots=True)
class PlanWords:
    as_needed: re.Pattern[str]
    beside: re.Pattern[str]
    compound: re.Pattern[str]
    otherwise: re.Pattern[str]
    figures: re.Pattern[str]
    change: re.Pattern[str]
    past: re.Pattern[str]
    changed: re.Pattern[str]
    question: re.Pattern[str]
    bare: re.Pattern[str]
    stopped: re.Pattern[str]
    negated: re.Pattern[str]
    substance: re.Pattern[str]
    other: re.Pattern[str]
    remedy: re.Pattern[str]
    medicine: re.Pattern[str]
    take: re.Pattern[str]
    eaten: re.Pattern[str]


@cache
def words() -> PlanWords:
    """Raises MedrepError(CONFIGURATION)."""
    lists = _lists()
    return PlanWords(
        **{field.name: compile_patterns(lists[field.name], lists) for field in fields(PlanWords)}
    )


def rewritten(folded: str) -> str:
    """The text with slips of the keyboard (没次, 饭候) and words of a dialect (空着肚子) put right."""
    for word, pattern in _rewriting():
        folded = pattern.sub(word, folded)
    return folded


@cache
def _rewriting() -> tuple[tuple[str, re.Pattern[str]], ...]:
    lists = _lists()
    said: dict[str, list[str]] = read_rules("patients", "dosage")["rewritten"]
    return tuple((word, compile_patterns(patterns, lists)) for word, patterns in said.items())


def _lists() -> dict[str, list[str]]:
    data: dict[str, list[str]] = read_rules("patients", "dosage")
    return data | {"count": [AMOUNT], "unit": [UNIT]}
