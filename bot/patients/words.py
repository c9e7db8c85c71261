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
    data: dict[str, list[str]] = read_rules("patients", "dosage")
    lists = data | {"count": [AMOUNT], "unit": [UNIT]}
    return PlanWords(**{field.name: compile_patterns(data[field.name], lists) for field in fields(PlanWords)})
