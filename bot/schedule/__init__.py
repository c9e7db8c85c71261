"""What is due: timers and their occurrences; when people work, and what they say about when.

Timers are set by `bot.schedule.changes`.
"""

from bot.schedule.postponement import Postponement, VisitAnswer, bids_speak, read_postponement
from bot.schedule.said_times import HORIZON, Ambiguous, SaidTime, read_time, warm
from bot.schedule.working_time import (
    Best,
    Closed,
    Hours,
    NextMoment,
    WorkingDay,
    after_working_days,
    after_working_time,
    caution,
    closed,
    named,
    next_moment,
    next_working_day,
    spoken_time,
    working_day,
)

__all__ = [
    "HORIZON",
    "Ambiguous",
    "Best",
    "Closed",
    "Hours",
    "NextMoment",
    "Postponement",
    "SaidTime",
    "VisitAnswer",
    "WorkingDay",
    "after_working_days",
    "after_working_time",
    "bids_speak",
    "caution",
    "closed",
    "named",
    "next_moment",
    "next_working_day",
    "read_postponement",
    "read_time",
    "spoken_time",
    "warm",
    "working_day",
]
