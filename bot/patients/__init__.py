"""Patients: what they take, what they measure.

Patterns are compiled when something is first read: most commands import this package and read nothing.
"""

from typing import Any

from bot.patients.figure import (
    DIASTOLIC,
    FASTING_GLUCOSE,
    GLUCOSE,
    GLUCOSE_MASS,
    OXYGEN,
    SYSTOLIC,
    Figure,
    Measurement,
)

__all__ = [
    "DIASTOLIC",
    "FASTING_GLUCOSE",
    "GLUCOSE",
    "GLUCOSE_MASS",
    "OXYGEN",
    "SYSTOLIC",
    "Figure",
    "Measurement",
    "is_plan_alone",
    "parse_dosage",
    "parse_measurements",
    "readings",
]


def parse_measurements(text: str) -> list[Measurement]:
    """`bot.patients.measurements.parse_measurements`."""
    from bot.patients import measurements  # noqa: PLC0415

    return measurements.parse_measurements(text)


def readings(folded: str) -> list[Figure]:
    """`bot.patients.measurements.readings`: a fifth of a second."""
    from bot.patients import measurements  # noqa: PLC0415

    return measurements.readings(folded)


def parse_dosage(text: str) -> dict[str, Any] | None:
    """`bot.patients.dosage.parse_dosage`: more than half a second."""
    from bot.patients import dosage  # noqa: PLC0415

    return dosage.parse_dosage(text)


def is_plan_alone(text: str) -> bool:
    """`bot.patients.alone.is_plan_alone`, whose patterns are the same."""
    from bot.patients import alone  # noqa: PLC0415

    return alone.is_plan_alone(text)
