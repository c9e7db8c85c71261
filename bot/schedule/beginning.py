"""Due turns and jobs: each pending occurrence begins once, and is followed to its end.

They begin in a loop of their own, apart from the batches that find them due: one that fails or takes long
holds up no reminder, and no other turn or job.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog

from bot.clock import real_now
from bot.evidence import Owner, note
from bot.model import MedrepError, Purpose
from bot.runtime.loops import repeat
from bot.runtime.services import Services
from bot.store import contacts, occurrences
from bot.store.database import UNAVAILABLE, Tx, retried
from bot.store.occurrences import MISSED, SENT, DueOccurrence
from bot.store.timers import Action
from bot.store.triggers import Trigger
from bot.store.vault import Vault

log = structlog.get_logger()
EVERY = 1.0  # seconds
BATCH = 100  # read at a time
LONGEST_JOB = timedelta(hours=1)
SURE = timedelta(minutes=5)  # how much longer nobody else takes the job's process for dead
SHUT_DOWN = "shut down"
PATIENCE = 60.0  # seconds to write how a job ended, while the database is away

# A job's name is a timer's; what it raises is logged and makes the occurrence a missed one.
Job = Callable[[Services], Awaitable[Any]]
# `bot.inbound.trigger.trigger`, handed in: whoever sets timers stands below whoever takes messages.
Begin = Callable[[Tx, Vault, Trigger, datetime], Awaitable[int | None]]


class Beginning:
    """What one process begins, and the jobs that run in it."""

    def __init__(self, services: Services, trigger: Begin, jobs: Mapping[str, Job]) -> None:
        """`trigger` begins turns; `jobs`: the functions that timers of action `job` name."""
        self._services = services
        self._trigger = trigger
        self._jobs = jobs
        self._running: set[asyncio.Task[None]] = set()
        self._after = 0  # the occurrence that was tried last in this round

    async def run(self) -> None:
        """Begin what waits, every second, until cancelled; jobs under way are cancelled then, and each writes
        that it was."""
        try:
            await repeat("beginning", self.begin, EVERY)
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    async def begin(self) -> None:
        """Begin what waits.

        Whose contact is locked waits for the next round. A round that the database ends goes on next time
        behind the occurrence that it was at, in case that is what the database cannot do.
        """
        async with self._services.db.begin() as tx:
            for occurrence in await occurrences.abandoned(tx, real_now()):
                log.error("job.abandoned", occurrence=occurrence)
        while found := await self._next():
            for one in found:
                self._after = one.id
                await self._begin(one)
        self._after = 0

    async def _next(self) -> list[DueOccurrence]:
        async with self._services.db.begin() as tx:
            return await occurrences.waiting(tx, self._after, BATCH)

    async def _begin(self, one: DueOccurrence) -> None:
        try:
            if one.action == Action.TRIGGER:
                await self._turn(one)
            elif one.name in self._jobs and await self._taken(one):
                task = asyncio.create_task(self._run(one))
                self._running.add(task)
                task.add_done_callback(self._running.discard)
        except UNAVAILABLE:
            raise
        except Exception as error:
            # As with a job: it ends, and says so, instead of failing every second.
            log.exception("occurrence.bug", occurrence=one.id)
            await self._end(one, MISSED, type(error).__name__)

    async def _turn(self, one: DueOccurrence) -> None:
        """Trigger a turn, in one transaction with the occurrence that says so."""
        now = self._services.clock.now()
        assert one.contact_id is not None and one.purpose is not None  # noqa: S101 - the table says so
        async with self._services.db.begin() as tx:
            if not await occurrences.claim(tx, one):
                return
            contact = await contacts.by_id(tx, one.contact_id)
            wanted = Trigger(
                contact,
                one.name,
                {**one.refs, "timer": one.timer_id},
                Purpose(one.purpose),
                one.subject,
                key=f"occurrence:{one.id}",
                expires_at=one.due_at + timedelta(seconds=one.grace),
            )
            reason = await self._triggered(tx, one, wanted, now)
            if reason is not None:
                await occurrences.end(tx, one.id, MISSED, reason)
                owner = Owner(contact.person_id, contact.id)
                await note(tx, "timer.missed", now, f"timer:{one.timer_id}", owner, reason=reason)

    async def _triggered(self, tx: Tx, one: DueOccurrence, wanted: Trigger, now: datetime) -> str | None:
        """Why no turn begins; None: it does."""
        if wanted.expires_at < now:
            return "expired"
        try:
            async with tx.begin_nested():
                inbox_id = await self._trigger(tx, self._services.vault, wanted, now)
        except MedrepError as error:
            return error.fault.value
        if inbox_id is None:
            return "conflict"
        await occurrences.triggered(tx, one.id, inbox_id)
        return None

    async def _taken(self, one: DueOccurrence) -> bool:
        """Whether this process runs the job."""
        async with self._services.db.begin() as tx:
            if not await occurrences.claim(tx, one):
                return False
            await occurrences.lease(tx, one.id, real_now() + LONGEST_JOB + SURE)
        return True

    async def _run(self, one: DueOccurrence) -> None:
        state, reason = SENT, None
        try:
            async with asyncio.timeout(LONGEST_JOB.total_seconds()):
                await self._jobs[one.name](self._services)
        except UNAVAILABLE:
            state, reason = MISSED, "database"
        except MedrepError as error:
            state, reason = MISSED, error.fault.value
        except asyncio.CancelledError:
            state, reason = MISSED, SHUT_DOWN
        except Exception as error:
            log.exception("job.bug", job=one.name)
            state, reason = MISSED, type(error).__name__
        if reason is not None:
            log.warning("job.failed", job=one.name, reason=reason)
        try:
            seconds = 0.0 if reason == SHUT_DOWN else PATIENCE
            await retried(lambda: self._end(one, state, reason), seconds)
        except UNAVAILABLE:
            log.error("job.end_not_written", job=one.name)  # after its lease nobody knows how it ended

    async def _end(self, one: DueOccurrence, state: str, reason: str | None) -> None:
        async with self._services.db.begin() as tx:
            await occurrences.end(tx, one.id, state, reason)
