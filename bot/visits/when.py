"""When a visit that was put off goes on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from bot.clock import CHINA
from bot.schedule import Hours, SaidTime, next_moment
from bot.settings import Limits

LATER = timedelta(hours=2)  # 「忙」 without a time: not before


def time_for(said: SaidTime | None, now: datetime, limits: Limits) -> datetime:
    """The moment they named, or the first of the span that they named; else some hours later in working time.
    What lies in the quiet hours begins when these end."""
    quiet = Hours(limits.quiet_from, limits.quiet_until)
    if said is None:
        return next_moment(now + LATER, hours=Hours(limits.work_from, limits.work_until), quiet=quiet).at
    at = max(said.start, now).astimezone(CHINA)
    return quiet.until(at) or at


def meant(options: Sequence[datetime], said: SaidTime) -> datetime | None:
    """Which of the moments that they were asked about these words mean; None: none, or not one alone."""
    end = said.end or said.start
    found = [one for one in options if one == said.start or (not said.exact and said.start <= one <= end)]
    return found[0] if len(found) == 1 else None
