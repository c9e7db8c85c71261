"""Telling colleagues of tasks, over real HTTP, by a webhook that fails as real ones do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from sqlalchemy import select, text
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from bot import endpoints, staff
from bot.clock import CHINA, Clock
from bot.service.postgres import free_port
from bot.staff import Role
from bot.store import task_alarms, tasks
from bot.store.database import Database
from bot.store.tables import evidence
from bot.store.vault import Vault
from bot.tasks import Kind, acknowledge, open_task, tell
from tests.serving import served

SECRET = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Receiver:
    """What it was told; it answers with `status`."""

    def __init__(self) -> None:
        self.notices: list[tuple[str, int]] = []
        self.owners: list[str] = []
        self.ids: list[str] = []
        self.told: list[dict[str, Any]] = []
        self.status = 200
        self.port = free_port()
        self.settings = endpoints.Webhook.model_validate(
            {"url": f"http://127.0.0.1:{self.port}/", "secret": SECRET}
        )

    async def handle(self, request: web.Request) -> web.Response:
        try:
            message: dict[str, Any] = Webhook(SECRET).verify(await request.read(), dict(request.headers))
        except WebhookVerificationError:
            return web.Response(status=401)
        self.notices.append((message["event"], message["task"]))
        self.owners.append(message["owner"])
        self.ids.append(request.headers["webhook-id"])
        self.told.append(message)
        return web.Response(status=self.status)


@pytest.fixture
async def webhook() -> AsyncIterator[Receiver]:
    made = Receiver()
    app = web.Application()
    app.router.add_post("/", made.handle)
    async with served(app, made.port):
        yield made


@pytest.fixture
async def late(database: Database, vault: Vault, clock: Clock) -> int:
    """A task that was told when it was opened, and is overdue now."""
    async with database.begin() as tx:
        task_id, due = await open_task(tx, vault, Kind.EMERGENCY, now=clock.now())
        await task_alarms.notified(tx, task_id, clock.now())
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
    database: Database, vault: Vault, clock: Clock, http: aiohttp.ClientSession, webhook: Receiver, late: int
) -> None:
    """F18: it was marked as escalated before the webhook was asked, so a failing webhook meant silence."""
    webhook.status = 503
    await tell(database, clock, http, webhook.settings)
    assert (webhook.notices, await escalations(database)) == ([("overdue", late)], 0)
    async with database.begin() as tx:
        assert (await tasks.read(tx, vault))[0].escalated_at is None

    webhook.status = 200
    await tell(database, clock, http, webhook.settings)
    assert len(webhook.notices) == 1, "it is claimed for a while"
    await lease_over(database)
    await tell(database, clock, http, webhook.settings)
    assert (webhook.notices, await escalations(database)) == ([("overdue", late)] * 2, 1)
    async with database.begin() as tx:
        assert (await tasks.read(tx, vault))[0].escalated_at is not None

    await lease_over(database)
    await tell(database, clock, http, webhook.settings)
    assert (len(webhook.notices), await escalations(database)) == (2, 1), "told once is enough"
    assert len(set(webhook.ids)) == 1, "the second is the same news"


async def test_what_is_signed_with_another_secret_is_not_heard(
    database: Database, vault: Vault, clock: Clock, http: aiohttp.ClientSession, webhook: Receiver
) -> None:
    async with database.begin() as tx:
        task_id, _ = await open_task(tx, vault, Kind.PLATFORM, now=clock.now(), detail="x")
    wrong = webhook.settings.model_copy(update={"secret": SECRET[::-1]})
    await tell(database, clock, http, wrong)
    assert webhook.notices == []
    await lease_over(database)
    await tell(database, clock, http, webhook.settings)
    assert webhook.notices == [("opened", task_id)]


async def test_a_late_question_is_told_to_its_owner_and_then_above(
    database: Database, vault: Vault, clock: Clock, http: aiohttp.ClientSession, webhook: Receiver
) -> None:
    clock.move_to(datetime(2026, 11, 24, 17, 0, tzinfo=CHINA))  # a Tuesday
    async with database.begin() as tx:
        for login, roles in (("wei", [Role.MEDICAL]), ("chief", [Role.MEDICAL, Role.MANAGER])):
            await staff.add(tx, login, roles, clock.now(), by="test")
        task_id, due = await open_task(tx, vault, Kind.MEDICAL_INFORMATION, now=clock.now())
        await task_alarms.notified(tx, task_id, clock.now())
        await acknowledge(tx, vault, task_id, "wei", clock.now())
    assert due.replace(second=0, microsecond=0) == datetime(2026, 11, 26, 17, 0, tzinfo=CHINA), "two days"
    clock.move_to(due + timedelta(minutes=1))
    await tell(database, clock, http, webhook.settings)
    assert [(one["event"], one["task"], one["owner"]) for one in webhook.told] == [
        ("overdue", task_id, "wei")
    ]
    await lease_over(database)
    await tell(database, clock, http, webhook.settings)
    assert len(webhook.told) == 1, "its owner has two hours"
    clock.move_to(due + timedelta(hours=3, minutes=1))
    await lease_over(database)
    await tell(database, clock, http, webhook.settings)
    assert len(webhook.told) == 1, "nobody is called in the evening"
    clock.move_to(datetime(2026, 11, 27, 9, 1, tzinfo=CHINA))
    await lease_over(database)
    await tell(database, clock, http, webhook.settings)
    assert [webhook.told[-1]["event"], webhook.told[-1]["above"]] == ["raised", ["chief"]]
    await lease_over(database)
    await tell(database, clock, http, webhook.settings)
    assert len(webhook.told) == 2, "told once is enough"


async def test_nobody_listening_is_not_telling(
    database: Database, vault: Vault, clock: Clock, http: aiohttp.ClientSession, webhook: Receiver
) -> None:
    """F18: a webhook that refuses connections; the task is told of when it is back."""
    async with database.begin() as tx:
        task_id, _ = await open_task(tx, vault, Kind.PLATFORM, now=clock.now(), detail="x")
    nobody = endpoints.Webhook.model_validate({"url": f"http://127.0.0.1:{free_port()}/", "secret": SECRET})
    await tell(database, clock, http, nobody)
    await lease_over(database)
    await tell(database, clock, http, webhook.settings)
    assert webhook.notices == [("opened", task_id)]
