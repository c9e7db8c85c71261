"""Tells people of new tasks and escalates those nobody finished in time."""

from __future__ import annotations

import asyncio

import aiohttp
import structlog
from sqlalchemy.exc import OperationalError

from bot.clock import Clock
from bot.evidence import Evidence
from bot.store import tasks
from bot.store.database import Database

log = structlog.get_logger()
EVERY = 5.0


async def watch(db: Database, clock: Clock, http: aiohttp.ClientSession, webhook: str | None) -> None:
    """Run until cancelled. `webhook` is told kinds and times, nothing personal."""
    while True:
        try:
            await look(db, clock, http, webhook)
        except OperationalError:
            log.warning("tasks.watch_failed", reason="database")
        await asyncio.sleep(EVERY)


async def look(db: Database, clock: Clock, http: aiohttp.ClientSession, webhook: str | None) -> None:
    """One round: notify, then escalate."""
    now = clock.now()
    async with db.begin() as tx:
        new = await tasks.unnotified(tx, now, 100)
        late = await tasks.escalate_overdue(tx, now)
        for task_id, kind in late:
            await Evidence("task.escalated", now, f"task:{task_id}", {"kind": kind}).record(tx)
    for task_id, kind, due in new:
        log.info("task.opened", task=task_id, kind=kind, due=due.isoformat())
        await _tell(http, webhook, {"event": "opened", "task": task_id, "kind": kind, "due": due.isoformat()})
    for task_id, kind in late:
        log.warning("task.overdue", task=task_id, kind=kind)
        await _tell(http, webhook, {"event": "overdue", "task": task_id, "kind": kind})


async def _tell(http: aiohttp.ClientSession, webhook: str | None, said: dict[str, object]) -> None:
    if webhook is None:
        return
    try:
        async with http.post(webhook, json=said, timeout=aiohttp.ClientTimeout(total=10)) as answer:
            answer.raise_for_status()
    except (aiohttp.ClientError, TimeoutError):
        log.warning("task.notification_failed", task=said["task"])
