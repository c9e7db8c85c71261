"""The table of what counts as an emergency: `data/safety/signs.yaml`, a row a sign."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from bot.text.patterns import compile_patterns, read_rules

MEASURES = frozenset({"systolic", "diastolic", "heart_rate", "oxygen", "glucose", "potassium", "tablets"})


@dataclass(frozen=True, slots=True)
class Limit:
    """A row with a figure: `measure` at `start` or more, or below `below`, one of `symptoms` beside it."""

    category: str
    measure: str
    below: float | None
    start: float | None
    symptoms: re.Pattern[str] | None

    def reached(self, value: float) -> bool:
        low = self.below is not None and value < self.below
        return low or (self.start is not None and value >= self.start)


@dataclass(frozen=True, slots=True)
class Emergency:
    """What a category is answered with: a response, and what of the label a doctor is shown."""

    response: str
    label: tuple[str, ...]  # words of the question whose entry is quoted, the first that one has


@cache
def emergencies() -> dict[str, Emergency]:
    """By category, in the order of precedence."""
    found: dict[str, Emergency] = {}
    for row in _rows():
        found.setdefault(row["category"], Emergency(row["text"], tuple(row["label"])))
    return found


@cache
def limits() -> dict[str, tuple[Limit, ...]]:
    """The rows with a figure, by what is measured."""
    rules = read_rules("safety", "signs")
    symptoms = {name: compile_patterns(words, {}) for name, words in rules["symptoms"].items()}
    rows = [
        Limit(
            category=row["category"],
            measure=row["measure"],
            below=row.get("below"),
            start=row.get("from"),
            symptoms=symptoms[row["with"]] if "with" in row else None,
        )
        for row in _rows()
        if "measure" in row
    ]
    return {name: tuple(row for row in rows if row.measure == name) for name in MEASURES}


def _rows() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = read_rules("safety", "signs")["signs"]
    return rows
