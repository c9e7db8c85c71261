"""Patients: what they take, what they measure."""

from typing import Any

from bot.patients.measurements import (
    DIASTOLIC,
    FASTING_GLUCOSE,
    GLUCOSE,
    GLUCOSE_MASS,
    OXYGEN,
    SYSTOLIC,
    Measurement,
    parse_measurements,
    readings,
)

__all__ = [
    "DIASTOLIC",
    "FASTING_GLUCOSE",
    "GLUCOSE",
    "GLUCOSE_MASS",
    "OXYGEN",
    "SYSTOLIC",
    "Measurement",
    "is_plan_alone",
    "parse_dosage",
    "parse_measurements",
    "readings",
]


def parse_dosage(text: str) -> dict[str, Any] | None:
    """`bot.patients.dosage.parse_dosage`: compiling its patterns takes more than half a second."""
    from bot.patients import dosage  # noqa: PLC0415

    return dosage.parse_dosage(text)


def is_plan_alone(text: str) -> bool:
    """`bot.patients.alone.is_plan_alone`, whose patterns are the same."""
    from bot.patients import alone  # noqa: PLC0415

    return alone.is_plan_alone(text)
