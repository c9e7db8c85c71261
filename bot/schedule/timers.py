"""The ticker: what is due becomes outbox rows, once, or is recorded missed with its reason.

APScheduler is only the clock that calls us. Truth is rows: any number of tickers may run.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from dateutil.rrule import rrule, rruleset, rrulestr

from bot.clock import CHINA, real_now
from bot.evidence import note
from bot.runtime.killpoints import reached
from bot.runtime.services import Services
from bot.store import schedules
from bot.store.database import UNAVAILABLE
from bot.store.schedules import Due, Step

log = structlog.get_logger()
BATCH = 1000
TOGETHER = 2  # batches of one process at a time: one thinks here while the other is in the database
EVERY = 1.0  # seconds
MOST_UNHEARD = 1000  # occurrences of one plan recorded at once after a downtime: the newest


class Timers:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._scheduler = AsyncIOScheduler(timezone=CHINA)

    def start(self) -> None:
        """Tick every second until `stop`."""
        self._scheduler.add_job(self.tick, "interval", seconds=EVERY, max_instances=1, coalesce=True)
        self._scheduler.start()

    def stop(self) -> None:
        self._scheduler.shutdown(wait=False)

    async def tick(self) -> int:
        """Queue all that is due; how many reminders that was."""
        claimed, queued = await self._batch()
        if claimed < BATCH:
            return queued
        return queued + sum(await asyncio.gather(*(self._rest() for _ in range(TOGETHER))))

    async def _rest(self) -> int:
        claimed, total = BATCH, 0
        while claimed == BATCH:
            claimed, queued = await self._batch()
            total += queued
        return total

    async def _batch(self) -> tuple[int, int]:
        """How many due plans were claimed, and how many reminders queued; none while the database is away."""
        services, now = self._services, self._services.clock.now()
        try:
            async with services.db.begin() as tx:
                due = await schedules.claim(tx, now, BATCH)
                if not due:
                    return 0, 0
                steps = [_step(one, now) for one in due]
                queued, missed = await schedules.advance(tx, steps, now, real_now())
                if missed:
                    # One outage is one incident, not one per reminder.
                    await note(tx, "reminders.missed", now, "ticker", count=missed)
                reached("ticker.before_commit")
        except UNAVAILABLE:
            log.warning("ticker.failed", reason="database")
            return 0, 0
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
    # Counting needs the true start. Without a count any occurrence is as good a start as the first, and
    # the rule need not walk through the years up to now.
    start = due.starts_at if "COUNT" in due.rrule.upper() else due.due_at
    upcoming = _next(due.rrule, start, due.due_at)
    if upcoming is None or upcoming > now:
        return upcoming, ()
    unheard: deque[datetime] = deque(maxlen=MOST_UNHEARD)
    for local in _rule(due.rrule, start).xafter(_local(due.due_at)):
        occurrence = local.replace(tzinfo=CHINA)
        if occurrence > now:
            return occurrence, tuple(unheard)
        unheard.append(occurrence)
    return None, tuple(unheard)


@lru_cache(maxsize=10_000)
def _next(text: str, starts_at: datetime, after: datetime) -> datetime | None:
    """The rule's next occurrence. Remembered: thousands are due at eight every morning."""
    found = _rule(text, starts_at).after(_local(after))
    return found and found.replace(tzinfo=CHINA).astimezone(UTC)


def _rule(text: str, starts_at: datetime) -> rrule | rruleset:
    """RFC 5545, in China's wall-clock time (which has no daylight saving)."""
    return rrulestr(text, dtstart=_local(starts_at))


def _local(moment: datetime) -> datetime:
    return moment.astimezone(CHINA).replace(tzinfo=None)
