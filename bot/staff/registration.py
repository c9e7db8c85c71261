"""The registration (备案) of a medical representative: without a valid one a rep writes to nobody."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from bot.clock import CHINA

WARN_BEFORE = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Registration:
    """A medical representative's registration (备案). `until`: its last day in China; None: no end."""

    number: str
    company: str = ""
    until: date | None = None

    def expired(self, today: date) -> bool:
        return self.until is not None and self.until < today

    def days_left(self, today: date) -> int | None:
        """How many days are left, where it ends within 30."""
        if self.until is None or self.until - today > WARN_BEFORE:
            return None
        return (self.until - today).days


def today(now: datetime) -> date:
    """The day it is in China."""
    return now.astimezone(CHINA).date()
