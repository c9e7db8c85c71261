"""The two clocks. Business time can be moved in tests; real time cannot.

Schedules, windows, caps, due times and the 48 h ledger read `Clock.now()`. Leases, back-off, token
expiry, signature freshness and HTTP timeouts use `real_now()`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

CHINA = ZoneInfo("Asia/Shanghai")


def real_now() -> datetime:
    """The machine's time, aware, in UTC."""
    return datetime.now(UTC)


class Clock:
    """Business time: real time plus an offset that every process reads from the database."""

    def __init__(self, offset: timedelta = timedelta()) -> None:
        self.offset = offset

    def now(self) -> datetime:
        """Business time, aware, in UTC."""
        return real_now() + self.offset

    def move_to(self, moment: datetime) -> timedelta:
        """Make `now()` return `moment` and run on from there; returns the new offset."""
        self.offset = moment - real_now()
        return self.offset
