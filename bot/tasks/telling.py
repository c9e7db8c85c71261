"""Tells people of new tasks and escalates those nobody finished in time."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from bot.clock import Clock, real_now
from bot.evidence import note
from bot.staff import Role
from bot.store import task_alarms
from bot.store.database import Database
from bot.store.medical_requests import colleagues
from bot.tasks.task import Kind, raised_after

if TYPE_CHECKING:
    import aiohttp

log = structlog.get_logger()
EVERY = 5.0  # seconds
LEASE = timedelta(minutes=1)  # longer than telling of a batch may take
BATCH = 10
# Whose manager hears of what stays overdue: colleagues of the role who are managers as well.
_RAISED, _RAISED_TO = (Kind.MEDICAL_INFORMATION.value,), Role.MEDICAL
PATIENCE = 5.0  # seconds for one call of the webhook


async def tell(db: Database, clock: Clock, http: aiohttp.ClientSession, webhook: str | None) -> None:
    """One round: tell of new tasks, then of overdue ones; what was told is marked.

    `webhook` is told kinds, times and, of what is overdue, the logins of whom it is for; nothing personal.
    Tasks are claimed for LEASE: those of a process that dies, or is not heard, are told by a later round.
    """
    async with db.begin() as tx:
        new = await task_alarms.unnotified(tx, real_now(), LEASE, BATCH)
    for task_id, kind, due in new:
        log.info("task.opened", task=task_id, kind=kind, due=due.isoformat())
        message = {"event": "opened", "task": task_id, "kind": kind, "due": due.isoformat()}
        if not await _tell(http, webhook, message):
            break  # it is the webhook that fails, not this task
        async with db.begin() as tx:
            await task_alarms.notified(tx, task_id, clock.now())
    async with db.begin() as tx:
        late = await task_alarms.overdue(tx, clock.now(), real_now(), LEASE, BATCH)
    for task_id, kind, owner in late:
        log.warning("task.overdue", task=task_id, kind=kind)
        to = [owner] if owner else []
        if not await _tell(http, webhook, {"event": "overdue", "task": task_id, "kind": kind, "to": to}):
            break
        async with db.begin() as tx:
            if await task_alarms.escalated(tx, task_id, clock.now()):
                await note(tx, "task.escalated", clock.now(), f"task:{task_id}", kind=kind)
    await _raise(db, clock, http, webhook)


async def _raise(db: Database, clock: Clock, http: aiohttp.ClientSession, webhook: str | None) -> None:
    """What is still open when the next working day has begun is told to whoever leads its role."""
    async with db.begin() as tx:
        waiting = await task_alarms.not_raised(tx, _RAISED, real_now(), LEASE, BATCH)
        above = [login for login, _ in await colleagues(tx, _RAISED_TO, also=Role.MANAGER)] if waiting else []
    for task_id, kind, due in waiting:
        if clock.now() < raised_after(due):
            continue
        log.warning("task.raised", task=task_id, kind=kind)
        if not await _tell(http, webhook, {"event": "raised", "task": task_id, "kind": kind, "to": above}):
            break
        async with db.begin() as tx:
            if await task_alarms.raised(tx, task_id, clock.now()):
                await note(tx, "task.raised", clock.now(), f"task:{task_id}", kind=kind, to=above)


async def _tell(http: aiohttp.ClientSession, webhook: str | None, message: dict[str, object]) -> bool:
    """Whether they were told; without a webhook the log and the list of tasks are all there is."""
    if webhook is None:
        return True
    import aiohttp  # noqa: PLC0415 - commands that open a task call nobody

    try:
        async with http.post(webhook, json=message, timeout=aiohttp.ClientTimeout(total=PATIENCE)) as answer:
            answer.raise_for_status()
    except (aiohttp.ClientError, TimeoutError):
        log.warning("task.notification_failed", task=message["task"])
        return False
    return True
