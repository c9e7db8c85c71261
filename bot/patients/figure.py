"""What a figure that somebody measured is: what others use of it, without the patterns that find one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

SYSTOLIC, DIASTOLIC, HEART_RATE = "8480-6", "8462-4", "8867-4"
GLUCOSE, FASTING_GLUCOSE, GLUCOSE_MASS = "15074-8", "76629-5", "2339-0"
WEIGHT, TEMPERATURE, OXYGEN = "29463-7", "8310-5", "59408-5"


class Measurement(TypedDict):
    code: str
    value: int | float
    unit: str


@dataclass(frozen=True, slots=True)
class Figure:
    """A measurement and where it stands in the folded text. `bound`: "" or "above", "below", "target"."""

    code: str
    value: float
    unit: str
    start: int
    end: int
    bound: str = ""
