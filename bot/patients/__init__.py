"""Patients: what they take, what they measure."""

from bot.patients.dosage import parse_dosage
from bot.patients.measurements import Measurement, parse_measurements

__all__ = ["Measurement", "parse_dosage", "parse_measurements"]
