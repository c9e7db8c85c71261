"""The ticker: what is due becomes a message or a pending occurrence of a turn or job, once, or is recorded
missed with its reason. Turns and jobs begin in `bot.schedule.beginning`.

APScheduler is only the clock that calls us. Truth is rows: any number of tickers may run.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from bot.clock import CHINA, real_now
from bot.evidence import note
from bot.runtime.killpoints import reached
from bot.runtime.services import Services
from bot.schedule import recurrence
from bot.store import timers
from bot.store.database import UNAVAILABLE
from bot.store.occurrences import CANCELLED, MISSED, PENDING
from bot.store.timers import Due, Step

log = structlog.get_logger()
BATCH = 1000
TOGETHER = 2  # batches of one process at a time: one thinks here while the other is in the database
EVERY = 1.0  # seconds
MOST_UNHEARD = 1000  # occurrences of one timer recorded at once after a downtime: the newest


class Timers:
    """The ticker of one process."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._scheduler = AsyncIOScheduler(timezone=CHINA)

    def start(self) -> None:
        """Tick every second until `stop`."""
        self._scheduler.add_job(self.tick, "interval", seconds=EVERY, max_instances=1, coalesce=True)
        self._scheduler.start()

    def stop(self) -> None:
        """No tick begins any more."""
        self._scheduler.shutdown(wait=False)

    async def tick(self) -> int:
        """Queue all that is due; how many messages were queued."""
        claimed, queued = await self._batch()
        if claimed == BATCH:
            queued += sum(await asyncio.gather(*(self._rest() for _ in range(TOGETHER))))
        try:
            await self._jobs()
        except UNAVAILABLE:
            log.warning("ticker.failed", reason="database")
        return queued

    async def _rest(self) -> int:
        claimed, total = BATCH, 0
        while claimed == BATCH:
            claimed, queued = await self._batch()
            total += queued
        return total

    async def _batch(self) -> tuple[int, int]:
        """How many due timers were claimed, and how many messages queued; none while the database is away."""
        services, now = self._services, self._services.clock.now()
        try:
            async with services.db.begin() as tx:
                due = await timers.claim(tx, now, BATCH)
                if not due:
                    return 0, 0
                steps = [_guarded(step, one, now) for one in due]
                queued, missed = await timers.advance(tx, steps, now, real_now())
                if missed:
                    # One row for the batch: after a downtime there are thousands.
                    await note(tx, "reminders.missed", now, "ticker", count=missed)
                reached("ticker.before_commit")
        except UNAVAILABLE:
            log.warning("ticker.failed", reason="database")
            return 0, 0
        return len(due), queued

    async def _jobs(self) -> None:
        """A job that is late runs once, however often it was due meanwhile."""
        now = self._services.clock.now()
        async with self._services.db.begin() as tx:
            if due := await timers.claim_jobs(tx, now):
                steps = [_guarded(_job_step, one, now) for one in due]
                await timers.advance(tx, steps, now, real_now())


def _guarded(make: Callable[[Due, datetime], Step], due: Due, now: datetime) -> Step:
    """A timer whose rule cannot be read ends, and says so, instead of failing its whole batch."""
    try:
        return make(due, now)
    except (ValueError, TypeError, KeyError, OverflowError):
        log.error("ticker.unreadable_rule", timer=due.id)
        return Step(due, None, due.due_at, MISSED, "unreadable rule")


def step(due: Due, now: datetime) -> Step:
    """What becomes of a due timer now: late within its grace it still leaves, later it is missed."""
    upcoming, unheard = _after(due, now)
    latest = unheard[-1] if unheard else due.due_at
    expires_at = latest + timedelta(seconds=due.grace)
    state, reason = PENDING, None
    if due.silent == "stopped":
        state, reason = CANCELLED, due.silent  # as what was queued when they said it
    elif due.silent:
        state, reason = MISSED, due.silent
    elif now > expires_at:
        state, reason = MISSED, "downtime"
    if not unheard:
        return Step(due, upcoming, expires_at, state, reason)
    # Several passed: only the newest may still leave, the others are missed.
    earlier = (due.due_at, *unheard[:-1])
    return Step(replace(due, due_at=latest), upcoming, expires_at, state, reason, earlier)


def _after(due: Due, now: datetime) -> tuple[datetime | None, tuple[datetime, ...]]:
    """The timer's first occurrence after `now`, and those between its due time and now."""
    if due.rrule is None:
        return None, ()
    upcoming = recurrence.after(due.rrule, due.zone, due.starts_at, due.slot_at)
    if upcoming is None or upcoming > now:
        return upcoming, ()
    unheard: deque[datetime] = deque(maxlen=MOST_UNHEARD)
    for moment in recurrence.all_after(due.rrule, due.zone, due.starts_at, due.slot_at):
        if moment > now:
            return moment, tuple(unheard)
        unheard.append(moment)
    return None, tuple(unheard)


def _job_step(due: Due, now: datetime) -> Step:
    return replace(step(replace(due, grace=0), now), state=PENDING, reason=None, unheard=())
