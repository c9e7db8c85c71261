"""The ticker: what is due becomes outbox rows, once, or is recorded missed with its reason.

APScheduler is only the clock that calls us. Truth is rows: any number of tickers may run.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from dateutil.rrule import rrule, rruleset, rrulestr

from bot.base import Base
from bot.clock import CHINA, real_now
from bot.evidence import Evidence
from bot.points import reached
from bot.store import schedules
from bot.store.database import UNAVAILABLE
from bot.store.schedules import Due, Step

log = structlog.get_logger()
BATCH = 1000
EVERY = 1.0  # seconds
MOST_UNHEARD = 1000  # occurrences of one plan recorded at once after a downtime: the newest


class Ticker:
    def __init__(self, base: Base) -> None:
        self._base = base
        self._scheduler = AsyncIOScheduler(timezone=CHINA)

    def start(self) -> None:
        """Tick every second until `stop`."""
        self._scheduler.add_job(self.tick, "interval", seconds=EVERY, max_instances=1, coalesce=True)
        self._scheduler.start()

    def stop(self) -> None:
        self._scheduler.shutdown(wait=False)

    async def tick(self) -> int:
        """Queue all that is due; how many reminders that was."""
        total = 0
        try:
            while True:
                claimed, queued = await self._batch()
                total += queued
                if claimed < BATCH:
                    return total
        except UNAVAILABLE:
            log.warning("ticker.failed", reason="database")
            return total

    async def _batch(self) -> tuple[int, int]:
        base, now = self._base, self._base.clock.now()
        async with base.db.begin() as tx:
            due = await schedules.claim(tx, now, BATCH)
            if not due:
                return 0, 0
            queued, missed = await schedules.advance(tx, [_step(one, now) for one in due], now, real_now())
            if missed:
                # One outage is one incident, not one per reminder.
                await Evidence("reminders.missed", now, "ticker", {"count": missed}).record(tx)
            reached("ticker.before_commit")
        return len(due), queued


def _step(due: Due, now: datetime) -> Step:
    try:
        return step(due, now)
    except (ValueError, TypeError, OverflowError):
        # One plan that cannot be read must not hold up all others: it ends, and says so.
        log.error("ticker.unreadable_rule", plan=due.id)
        return Step(due, None, due.due_at, "unreadable rule")


def step(due: Due, now: datetime) -> Step:
    """What becomes of a due plan now: late within its grace it still leaves, later it is missed."""
    upcoming, unheard = _after(due, now)
    expires_at = due.due_at + timedelta(seconds=due.grace)
    latest = unheard[-1] if unheard else due.due_at
    late = now > latest + timedelta(seconds=due.grace)
    missed = due.silent or ("downtime" if late else None)
    if not unheard:
        return Step(due, upcoming, expires_at, missed)
    # Several passed: only the newest may still leave, the others are missed.
    earlier = (due.due_at, *unheard[:-1])
    expires_at = latest + timedelta(seconds=due.grace)
    return Step(replace(due, due_at=latest), upcoming, expires_at, missed, earlier)


def _after(due: Due, now: datetime) -> tuple[datetime | None, tuple[datetime, ...]]:
    """The plan's first occurrence after `now`, and those between its due time and now."""
    local_now = now.astimezone(CHINA).replace(tzinfo=None)
    moment = due.due_at.astimezone(CHINA).replace(tzinfo=None)
    rule = _rule(due.rrule, due.starts_at.astimezone(CHINA).replace(tzinfo=None), moment)
    unheard: deque[datetime] = deque(maxlen=MOST_UNHEARD)
    for occurrence in rule.xafter(moment):
        if occurrence > local_now:
            return occurrence.replace(tzinfo=CHINA), tuple(unheard)
        unheard.append(occurrence.replace(tzinfo=CHINA))
    return None, tuple(unheard)


def _rule(text: str, starts_at: datetime, due_at: datetime) -> rrule | rruleset:
    """RFC 5545, in China's wall-clock time (which has no daylight saving)."""
    # Counting needs the true start. Without a count any occurrence is as good a start as the first, and
    # the rule need not walk through the years up to now.
    return _parsed(text, starts_at if "COUNT" in text.upper() else due_at)


@lru_cache(maxsize=10_000)
def _parsed(text: str, starts_at: datetime) -> rrule | rruleset:
    return rrulestr(text, dtstart=starts_at)
