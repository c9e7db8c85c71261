"""Tells people of new tasks and escalates those nobody finished in time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from bot.clock import Clock, real_now
from bot.endpoints import Webhook
from bot.evidence import note
from bot.runtime.posting import post
from bot.staff import Role
from bot.store import task_alarms
from bot.store.database import Database
from bot.store.medical_requests import colleagues
from bot.store.task_alarms import Announcement
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
OPENED, PASSED_ON, OVERDUE, RAISED = "opened", "passed_on", "overdue", "raised"


async def tell(db: Database, clock: Clock, http: aiohttp.ClientSession, webhook: Webhook | None) -> None:
    """One round: tell of new tasks, then of overdue ones; what was told is marked.

    `webhook` is told kinds, times and whose it is, nothing personal.
    Tasks are claimed for LEASE: those of a process that dies, or is not heard, are told by a later round.
    """
    async with db.begin() as tx:
        new = await task_alarms.unnotified(tx, real_now(), LEASE, BATCH)
    for one in new:
        event = PASSED_ON if one.passed_on else OPENED
        log.info(f"task.{event}", task=one.id, kind=one.kind, due=one.due.isoformat(), owner=one.owner)
        if not await _tell(http, webhook, event, one):
            break  # it is the webhook that fails, not this task
        async with db.begin() as tx:
            await task_alarms.notified(tx, one.id, clock.now())
    async with db.begin() as tx:
        late = await task_alarms.overdue(tx, clock.now(), real_now(), LEASE, BATCH)
    for one in late:
        log.warning("task.overdue", task=one.id, kind=one.kind, owner=one.owner)
        if not await _tell(http, webhook, OVERDUE, one):
            break
        async with db.begin() as tx:
            if await task_alarms.escalated(tx, one.id, clock.now()):
                await note(tx, "task.escalated", clock.now(), f"task:{one.id}", kind=one.kind)
    await _raise(db, clock, http, webhook)


async def _raise(db: Database, clock: Clock, http: aiohttp.ClientSession, webhook: Webhook | None) -> None:
    """What is still open when the next working day has begun is told to whoever leads its role."""
    async with db.begin() as tx:
        waiting = await task_alarms.not_raised(tx, _RAISED, real_now(), LEASE, BATCH)
        above = [login for login, _ in await colleagues(tx, _RAISED_TO, also=Role.MANAGER)] if waiting else []
    for one in waiting:
        if clock.now() < raised_after(one.due):
            continue
        log.warning("task.raised", task=one.id, kind=one.kind)
        if not await _tell(http, webhook, RAISED, one, above):
            break
        async with db.begin() as tx:
            if await task_alarms.raised(tx, one.id, clock.now()):
                await note(tx, "task.raised", clock.now(), f"task:{one.id}", kind=one.kind, to=above)


async def _tell(
    http: aiohttp.ClientSession,
    webhook: Webhook | None,
    event: str,
    one: Announcement,
    above: Sequence[str] = (),
) -> bool:
    """Whether they were told, `above` as well; without a webhook the log and the list are all there is."""
    if webhook is None:
        return True
    message = {
        "event": event,
        "task": one.id,
        "kind": one.kind,
        "due": one.due.isoformat(),
        "owner": one.owner,
        "role": one.owner_role,
        **({"above": list(above)} if above else {}),
    }
    body = json.dumps(message, ensure_ascii=False).encode()
    key = f"{one.id}-{event}-{int(one.due.timestamp())}"  # a repeated one is the same news
    answer = await post(http, webhook, key, body, PATIENCE)
    if answer.fault is not None:
        log.warning("task.notification_failed", task=one.id, fault=answer.fault, status=answer.status)
    return answer.fault is None
