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
    "parse_dosage",
    "parse_measurements",
    "readings",
]


def parse_dosage(text: str) -> dict[str, Any] | None:
    """`bot.patients.dosage.parse_dosage`: compiling its patterns takes more than half a second."""
    from bot.patients import dosage  # noqa: PLC0415

    return dosage.parse_dosage(text)
