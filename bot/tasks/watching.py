"""Tells people of new tasks and escalates those nobody finished in time."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import aiohttp
import structlog

from bot.clock import Clock, real_now
from bot.evidence import note
from bot.store import tasks
from bot.store.database import UNAVAILABLE, Database

log = structlog.get_logger()
EVERY = 5.0


async def watch(db: Database, clock: Clock, http: aiohttp.ClientSession, webhook: str | None) -> None:
    """Run until cancelled. `webhook` is told kinds and times, nothing personal."""
    while True:
        try:
            await look(db, clock, http, webhook)
        except (*UNAVAILABLE, OSError) as error:
            log.warning("tasks.watch_failed", reason=type(error).__name__)
        await asyncio.sleep(EVERY)


async def look(db: Database, clock: Clock, http: aiohttp.ClientSession, webhook: str | None) -> None:
    """One round: notify, then escalate."""
    now = clock.now()
    async with db.begin() as tx:
        # Claimed for a minute: who dies, or is not heard, leaves it to the next round after that.
        new = await tasks.unnotified(tx, real_now(), timedelta(minutes=1), 50)
        late = await tasks.escalate_overdue(tx, now)
        for task_id, kind in late:
            await note(tx, "task.escalated", now, f"task:{task_id}", kind=kind)
    for task_id, kind, due in new:
        log.info("task.opened", task=task_id, kind=kind, due=due.isoformat())
        said = {"event": "opened", "task": task_id, "kind": kind, "due": due.isoformat()}
        if await _tell(http, webhook, said):
            async with db.begin() as tx:
                await tasks.notified(tx, task_id, now)
    for task_id, kind in late:
        log.warning("task.overdue", task=task_id, kind=kind)
        await _tell(http, webhook, {"event": "overdue", "task": task_id, "kind": kind})


async def _tell(http: aiohttp.ClientSession, webhook: str | None, said: dict[str, object]) -> bool:
    """Whether they were told; without a webhook the log and the list of tasks are all there is."""
    if webhook is None:
        return True
    try:
        async with http.post(webhook, json=said, timeout=aiohttp.ClientTimeout(total=10)) as answer:
            answer.raise_for_status()
    except (aiohttp.ClientError, TimeoutError):
        log.warning("task.notification_failed", task=said["task"])
        return False
    return True
