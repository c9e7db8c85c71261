"""Patients: what they take, what they measure."""

from bot.patients.dosage import parse_dosage
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
