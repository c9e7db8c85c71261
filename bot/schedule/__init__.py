"""What is due: timers and their occurrences; when people work, and what they say about when.

Timers are set by `bot.schedule.changes`.
"""

from bot.schedule.postponement import Postponement, VisitAnswer, bids_speak, read_postponement
from bot.schedule.said_times import HORIZON, Ambiguous, SaidTime, read_time, warm
from bot.schedule.working_time import (
    Best,
    Hours,
    NextMoment,
    WorkingDay,
    after_working_days,
    caution,
    named,
    next_moment,
    next_working_day,
    working_day,
)

__all__ = [
    "HORIZON",
    "Ambiguous",
    "Best",
    "Hours",
    "NextMoment",
    "Postponement",
    "SaidTime",
    "VisitAnswer",
    "WorkingDay",
    "after_working_days",
    "bids_speak",
    "caution",
    "named",
    "next_moment",
    "next_working_day",
    "read_postponement",
    "read_time",
    "warm",
    "working_day",
]
