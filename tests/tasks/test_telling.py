"""Telling colleagues of tasks, over real HTTP, by a webhook that fails as real ones do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from sqlalchemy import select, text

from bot.clock import Clock
from bot.service.postgres import free_port
from bot.store import tasks
from bot.store.database import Database
from bot.store.tables import evidence
from bot.store.vault import Vault
from bot.tasks import Kind, open_task, tell


class Webhook:
    """What it was told; it answers with `status`."""

    def __init__(self) -> None:
        self.notices: list[tuple[str, int]] = []
        self.status = 200
        self.url = f"http://127.0.0.1:{free_port()}/"

    async def handle(self, request: web.Request) -> web.Response:
        message: dict[str, Any] = await request.json()
        self.notices.append((message["event"], message["task"]))
        return web.Response(status=self.status)


@pytest.fixture
async def webhook() -> AsyncIterator[Webhook]:
    made = Webhook()
    app = web.Application()
    app.router.add_post("/", made.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(made.url.split(":")[2].strip("/"))).start()
    yield made
    await runner.cleanup()


@pytest.fixture
async def late(database: Database, vault: Vault, clock: Clock) -> int:
    """A task that was told when it was opened, and is overdue now."""
    async with database.begin() as tx:
        task_id, due = await open_task(tx, vault, Kind.EMERGENCY, now=clock.now())
        await tasks.notified(tx, task_id, clock.now())
    clock.move_to(due + timedelta(minutes=1))
    return task_id


async def lease_over(database: Database) -> None:
    """Real time cannot be moved; the claim can."""
    async with database.begin() as tx:
        await tx.execute(text("UPDATE task SET notify_after = now() - interval '1 second'"))


async def escalations(database: Database) -> int:
    async with database.begin() as tx:
        kinds = (await tx.execute(select(evidence.c.kind))).scalars().all()
    return list(kinds).count("task.escalated")


async def test_an_alarm_that_was_not_heard_is_told_again(
    database: Database, vault: Vault, clock: Clock, http: aiohttp.ClientSession, webhook: Webhook, late: int
) -> None:
    """F18: it was marked as escalated before the webhook was asked, so a failing webhook meant silence."""
    webhook.status = 503
    await tell(database, clock, http, webhook.url)
    assert (webhook.notices, await escalations(database)) == ([("overdue", late)], 0)
    async with database.begin() as tx:
        assert (await tasks.read(tx, vault))[0].escalated_at is None

    webhook.status = 200
    await tell(database, clock, http, webhook.url)
    assert len(webhook.notices) == 1, "it is claimed for a while"
    await lease_over(database)
    await tell(database, clock, http, webhook.url)
    assert (webhook.notices, await escalations(database)) == ([("overdue", late)] * 2, 1)
    async with database.begin() as tx:
        assert (await tasks.read(tx, vault))[0].escalated_at is not None

    await lease_over(database)
    await tell(database, clock, http, webhook.url)
    assert (len(webhook.notices), await escalations(database)) == (2, 1), "told once is enough"


async def test_nobody_listening_is_not_telling(
    database: Database, vault: Vault, clock: Clock, http: aiohttp.ClientSession, webhook: Webhook
) -> None:
    """F18: a webhook that refuses connections; the task is told of when it is back."""
    async with database.begin() as tx:
        task_id, _ = await open_task(tx, vault, Kind.PLATFORM, now=clock.now(), detail="x")
    await tell(database, clock, http, f"http://127.0.0.1:{free_port()}/")
    await lease_over(database)
    await tell(database, clock, http, webhook.url)
    assert webhook.notices == [("opened", task_id)]
