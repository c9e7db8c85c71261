"""What a platform that gives no token leads to: nothing uncertain, few questions, all of it sent later."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.outbound.platform_tokens import MOST_FAILURES, PlatformTokens
from bot.settings import read_accounts
from connectors.wechat import WeChat
from tests.pushing import Pushed
from tests.stage import DOCTORS, Stage, opened


@pytest.fixture
async def second(stage: Stage) -> AsyncIterator[Pushed]:
    """The sender of another process."""
    async with AsyncExitStack() as stack:
        services = await opened(stack, stage.services.home, stage.services.db.url)
        settings = read_accounts(services.home / "sandbox.toml").wechat["sandbox"]
        tokens = PlatformTokens(services.db, services.vault.keyring)
        wechat = WeChat(DOCTORS, settings, stage.gateway, tokens, stage.http)
        yield Pushed(services, {DOCTORS: wechat})


async def queue_for(stage: Stage, people: int) -> None:
    """One message for each of so many."""
    for number in range(people):
        person = await stage.phone.newcomer(stage.http, stage.double, f"甲{number}")
        await person.send(type="image", wait=True)
        contact = await stage.contact(person.openid)
        async with stage.services.db.begin() as tx:
            await stage.queue_in(tx, contact, stage.draft())


@asynccontextmanager
async def sending(*senders: Pushed) -> AsyncIterator[None]:
    """These loops run."""
    tasks = [asyncio.create_task(sender.run()) for sender in senders]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def states(stage: Stage) -> dict[str, int]:
    return dict(await stage.rows("SELECT state, count(*)::int FROM outbox GROUP BY state"))


async def settled(stage: Stage, wanted: dict[str, int], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while await states(stage) != wanted:
            await asyncio.sleep(0.2)


async def pause_over(stage: Stage) -> None:
    """What waits for its next try need not wait any longer (real time cannot be moved)."""
    await stage.at_once()
    await stage.write("UPDATE circuit SET open_until = now()")
    await stage.write("UPDATE platform_token SET ask_after = now()")


async def test_a_token_that_cannot_be_had_sends_nothing_and_leaves_nothing_uncertain(
    open_window: Stage,
) -> None:
    stage = open_window
    row = await stage.queue()
    await stage.fault("hang", api="stable_token", seconds=3)
    await stage.sender.push()
    found = await stage.row(row)
    assert (found.state, found.fault, found.written_at) == ("waiting", "transient", None)
    assert not await stage.calls("message/custom/send")
    await pause_over(stage)
    await stage.sender.push()
    assert (await stage.row(row)).state == "sent"


async def test_forty_messages_outlive_a_token_endpoint_that_hangs(stage: Stage) -> None:
    """F2: 38 of 40 messages that were never sent became `unknown`, for good."""
    await queue_for(stage, 40)
    await stage.fault("hang", api="stable_token", seconds=30, times=None)
    began = time.monotonic()
    async with sending(stage.sender):
        await asyncio.sleep(4)  # longer than a lease
        assert set(await states(stage)) <= {"waiting", "sending"}
        assert await stage.calls("message/custom/send") == []
        asked = len(await stage.calls("stable_token"))
        assert asked <= 4 * (time.monotonic() - began) / 6, "a busy machine sleeps longer than it was told to"
        await stage.control("faults", method="DELETE")
        await settled(stage, {"sent": 40}, 30)
    assert len(await stage.calls("message/custom/send")) == 40
    assert "uncertain_send" not in await stage.tasks()


async def test_who_dies_waiting_for_a_token_has_sent_nothing(open_window: Stage) -> None:
    """F2: the row counted as handed over, so the end of its process made it `unknown`."""
    stage = open_window
    row = await stage.queue()
    await stage.fault("hang", api="stable_token", seconds=30)
    dying = asyncio.create_task(stage.sender.push())
    while not await stage.calls("stable_token"):
        await asyncio.sleep(0.05)
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    assert (await stage.row(row)).state == "sending"
    await stage.write("UPDATE outbox SET lease_until = now() - interval '1 s'")
    await stage.sender.tidy()
    assert (await stage.row(row)).state == "waiting"
    await stage.sender.push()
    assert (await stage.row(row)).state == "sent"
    assert await stage.used() == 1


ANSWERS: dict[str, dict[str, Any]] = {
    "html": {"body": "<html>系统繁忙</html>", "content_type": "text/html"},
    "503": {"status": 503, "body": "unavailable", "content_type": "text/plain"},
    "mistyped": {"body": '{"access_token": 7, "expires_in": 7200}'},
    "lifetime as text": {"body": '{"access_token": "x", "expires_in": "7200"}'},
    "refused": {"body": '{"errcode": 40125, "errmsg": "invalid appsecret"}'},
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
async def test_a_failed_token_answer_is_asked_for_with_pauses_that_all_processes_keep(
    stage: Stage, second: Pushed, answer: dict[str, Any]
) -> None:
    """F16: each of these was asked for 18 times a second."""
    await queue_for(stage, 4)
    await stage.fault("answer", api="stable_token", times=None, **answer)
    began = time.monotonic()
    with capture_logs() as logs:
        async with sending(stage.sender, second):
            await asyncio.sleep(2.5)
    asked = await stage.calls("stable_token")
    assert 1 <= len(asked) <= 2 * (time.monotonic() - began) / 2.5, "at 0 and 1 s"
    failures = [line for line in logs if line["event"] == "token.failed"]
    assert [line["failures"] for line in failures] == list(range(1, len(asked) + 1)), "one line each"
    assert await states(stage) == {"waiting": 4}
    await stage.control("faults", method="DELETE")
    await pause_over(stage)
    while await stage.sender.push():
        pass
    assert await states(stage) == {"sent": 4}
    ((count, after),) = await stage.rows("SELECT failures, ask_after FROM platform_token")
    assert (count, after) == (0, None)


async def test_a_lasting_failure_is_the_accounts_and_uses_up_no_tries(open_window: Stage) -> None:
    """F16: without end the message failed after its tries, and nobody was told of the account."""
    stage = open_window
    row = await stage.queue()
    await stage.fault("answer", api="stable_token", status=503, body="", times=None)
    for _ in range(MOST_FAILURES + 4):
        await stage.sender.push()
        await pause_over(stage)
    found = await stage.row(row)
    assert (found.state, found.fault, found.attempts) == ("waiting", "token", MOST_FAILURES - 1)
    assert await stage.tasks() == {"platform"}
    ((seconds,),) = await stage.rows(
        "SELECT max(extract(epoch FROM ask_after - now()))::int FROM platform_token"
    )
    assert seconds <= 30


async def test_a_short_life_is_used_and_not_asked_for_at_each_send(open_window: Stage) -> None:
    """F16: a token that lives less than five minutes was asked for before each message."""
    stage = open_window
    await stage.control("tokens", {"account": "sandbox", "lifetime": 60})
    for _ in range(4):
        await stage.queue()
    while await stage.sender.push():
        pass
    assert await states(stage) == {"sent": 4}
    assert len(await stage.calls("stable_token")) == 1


async def test_errcode_0_with_another_status_is_not_sent(open_window: Stage) -> None:
    """F17: errcode 0 with HTTP 500 or 404 counted as sent."""
    stage = open_window
    first = await stage.queue()
    await stage.fault("answer", status=500)
    await stage.sender.push()
    assert (await stage.row(first)).state == "unknown"
    second = await stage.queue()
    await stage.fault("answer", status=404)
    await stage.sender.push()
    found = await stage.row(second)
    assert (found.state, found.fault) == ("waiting", "no_permission")
    assert await stage.tasks() == {"uncertain_send", "platform"}
    await pause_over(stage)
    await stage.sender.push()
    assert (await stage.row(second)).state == "sent"
    assert len(await stage.reply_texts()) == 1
