"""Due turns and jobs: each pending occurrence begins once, and is followed to its end.

They begin apart from the batch that found them due: one that fails, or takes long, holds up no reminder.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog

from bot.clock import real_now
from bot.evidence import Owner, note
from bot.model import MedrepError, Purpose
from bot.runtime.services import Services
from bot.store import contacts, occurrences
from bot.store.contacts import Contact
from bot.store.database import UNAVAILABLE, Tx, retried
from bot.store.occurrences import MISSED, SENT, Waiting
from bot.store.timers import Action
from bot.store.vault import Vault

log = structlog.get_logger()
AT_ONCE = 100
LONGEST_JOB = timedelta(hours=1)
SURE = timedelta(minutes=5)  # how much longer nobody else takes the job's process for dead
SHUT_DOWN = "shut down"
PATIENCE = 60.0  # seconds to write how a job ended, while the database is away

# A job's name is a timer's; what it raises is logged and makes the occurrence a missed one.
Job = Callable[[Services], Awaitable[Any]]


class Trigger(Protocol):
    """`bot.inbound.trigger.trigger`, handed in: whoever sets timers stands below whoever takes messages."""

    async def __call__(
        self,
        tx: Tx,
        vault: Vault,
        contact: Contact,
        intent: str,
        metadata: dict[str, Any],
        *,
        purpose: Purpose,
        subject: str,
        key: str,
        now: datetime,
        expires_at: datetime,
    ) -> int | None: ...


class Beginning:
    """What one process has begun."""

    def __init__(self, services: Services, trigger: Trigger, jobs: Mapping[str, Job]) -> None:
        self._services = services
        self._trigger = trigger
        self._jobs = jobs
        self._running: set[asyncio.Task[None]] = set()

    async def begin(self) -> None:
        """Begin what waits, and end what has come to its end."""
        async with self._services.db.begin() as tx:
            waiting = await occurrences.waiting(tx, AT_ONCE)
            await occurrences.settle_turns(tx)
            for occurrence in await occurrences.abandoned(tx, real_now()):
                log.error("job.abandoned", occurrence=occurrence)
        for one in waiting:
            if one.action == Action.TRIGGER:
                await self._turn(one)
            elif one.name in self._jobs and await self._taken(one):
                task = asyncio.create_task(self._run(one))
                self._running.add(task)
                task.add_done_callback(self._running.discard)

    async def finished(self) -> None:
        """Return when no job of this process runs."""
        await asyncio.gather(*self._running)

    async def stop(self) -> None:
        """Cancel the jobs under way; each writes that it was."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _turn(self, one: Waiting) -> None:
        """Trigger a turn, in one transaction with the occurrence that says so."""
        services, now = self._services, self._services.clock.now()
        assert one.contact_id is not None and one.purpose is not None  # noqa: S101 - the table says so
        expires_at = one.due_at + timedelta(seconds=one.grace)
        async with services.db.begin() as tx:
            await contacts.lock(tx, one.contact_id)  # first of all, as everybody locks
            if not await occurrences.still_waits(tx, one.id):
                return
            contact = await contacts.by_id(tx, one.contact_id)
            reason = "expired" if expires_at < now else None
            if reason is None:
                try:
                    async with tx.begin_nested():
                        inbox_id = await self._trigger(
                            tx,
                            services.vault,
                            contact,
                            one.name,
                            {**one.refs, "timer": one.timer_id},
                            purpose=Purpose(one.purpose),
                            subject=one.subject,
                            key=f"occurrence:{one.id}",
                            now=now,
                            expires_at=expires_at,
                        )
                except MedrepError as error:
                    reason = error.fault.value
                else:
                    if inbox_id is not None:
                        await occurrences.triggered(tx, one.id, inbox_id)
                        return
                    reason = "conflict"
            await occurrences.end(tx, one.id, MISSED, reason)
            owner = Owner(contact.person_id, contact.id)
            await note(tx, "timer.missed", now, f"timer:{one.timer_id}", owner, reason=reason)

    async def _taken(self, one: Waiting) -> bool:
        """Whether this process runs the job."""
        async with self._services.db.begin() as tx:
            if not await occurrences.still_waits(tx, one.id):
                return False
            await occurrences.lease(tx, one.id, real_now() + LONGEST_JOB + SURE)
        return True

    async def _run(self, one: Waiting) -> None:
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

        async def write() -> None:
            async with self._services.db.begin() as tx:
                await occurrences.end(tx, one.id, state, reason)

        try:
            await retried(write, 0.0 if reason == SHUT_DOWN else PATIENCE)
        except UNAVAILABLE:
            log.error("job.end_not_written", job=one.name)  # after its lease nobody knows how it ended
