"""What processes share: platform tokens, the business clock, what is published, the results of actions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from bot.app import listeners, tidying
from bot.clock import real_now
from bot.dialogue.action_calls import ActionCall, once
from bot.dialogue.publishing import publish_dialogue
from bot.dialogue.version import Dialogue
from bot.model import Fault, MedrepError, Message
from bot.outbound.platform_tokens import PlatformTokens
from bot.runtime.key_report import report
from bot.runtime.notifications import Notifications
from bot.runtime.services import Services
from bot.settings import read_accounts
from bot.store import business_clock, key_holders, turns
from bot.tasks import Kind, open_task
from connectors.wechat import WeChat
from tests.pushing import Pushed
from tests.stage import DOCTORS, Stage, opened


@pytest.fixture
async def other(stage: Stage) -> Any:
    """Another process's base on the same database and home."""
    async with AsyncExitStack() as stack:
        yield await opened(stack, stage.services.home, stage.services.db.url)


def wechat_of(stage: Stage, services: Services) -> WeChat:
    settings = read_accounts(services.home / "sandbox.toml").wechat["sandbox"]
    tokens = PlatformTokens(services.db, services.vault.keyring)
    return WeChat(DOCTORS, settings, stage.gateway, tokens, stage.http)


# ---------------------------------------------------------------- tokens


async def test_one_process_fetches_the_token_for_all(stage: Stage, other: Services) -> None:
    people = [await stage.phone.newcomer(stage.http, stage.double, f"甲{number}") for number in range(12)]
    for person in people:
        await person.send(type="image", wait=True)
        contact = await stage.contact(person.openid)
        async with stage.services.db.begin() as tx:
            await stage.queue_in(tx, contact, stage.draft())
    second = Pushed(other, {DOCTORS: wechat_of(stage, other)})
    await asyncio.gather(*(outbox.push() for outbox in (stage.sender, second) for _ in range(3)))
    assert len(await stage.calls("message/custom/send")) == 12
    assert len(await stage.calls("stable_token")) == 1


async def test_a_refused_token_is_renewed_once_for_all(open_window: Stage, other: Services) -> None:
    stage = open_window
    await stage.queue()
    await stage.sender.push()
    await stage.control("tokens", {"account": "sandbox", "revoke": True})
    accounts = [
        WeChat(
            DOCTORS,
            read_accounts(services.home / "sandbox.toml").wechat["sandbox"],
            stage.gateway,
            tokens,
            stage.http,
        )
        for services in (stage.services, other)
        for tokens in [PlatformTokens(services.db, services.vault.keyring)]
    ]
    sends = [wechat.send(stage.phone.openid, Message("好"), key="k") for wechat in accounts * 3]
    await asyncio.gather(*sends, return_exceptions=True)
    assert len(await stage.calls("stable_token")) == 2, "one for each token"


async def test_the_token_is_not_readable_in_the_database(open_window: Stage) -> None:
    await open_window.queue()
    await open_window.sender.push()
    ((kept,),) = await open_window.rows("SELECT token_enc FROM platform_token")
    token = await PlatformTokens(open_window.services.db, open_window.services.vault.keyring).get(
        DOCTORS, _never
    )
    assert len(token) > 20 and token.encode() not in bytes(kept)


async def _never() -> tuple[str, int]:
    raise AssertionError("there is one")


# ---------------------------------------------------------------- clock and versions


async def listening(stage: Stage, services: Services) -> asyncio.Task[None]:
    changed, heard = asyncio.Event(), listeners(stage.workers, stage.sender, stage.gateway)

    async def run() -> None:
        await asyncio.gather(Notifications(services, changed, heard).run(), *tidying(services, changed))

    task = asyncio.create_task(run())
    await asyncio.sleep(0.5)
    return task


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.05)


async def stopped(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_the_business_clock_moves_in_every_process(stage: Stage, other: Services) -> None:
    tasks = [await listening(stage, services) for services in (stage.services, other)]
    async with stage.services.db.begin() as tx:
        await business_clock.move(tx, 86_400)
    await asyncio.sleep(0.5)
    for services in (stage.services, other):
        assert timedelta(hours=23) < services.clock.now() - real_now() < timedelta(hours=25)
    await stopped(*tasks)


async def test_a_new_master_key_wraps_in_every_process_at_once(stage: Stage, other: Services) -> None:
    task = await listening(stage, other)
    """F6: here the two share a key folder."""
    keyring = stage.services.vault.keyring
    async with stage.services.db.begin() as tx:
        name = await key_holders.prepare(tx, keyring)
    await until(lambda: name in other.vault.keyring.masters)
    assert other.vault.keyring.current != name
    await report(other)  # a copy that came by file, it finds within seconds
    async with stage.services.db.begin() as tx:
        await key_holders.activate(tx, keyring)
    await until(lambda: other.vault.keyring.current == name)
    async with other.db.begin() as tx:
        person = await other.vault.create(tx, "newcomer", real_now())
    found = await stage.rows("SELECT master FROM data_key WHERE id = :id", id=person)
    assert found == [(name,)]
    await stopped(task)


async def test_what_was_told_while_nobody_listened_is_read_on_return(stage: Stage, other: Services) -> None:
    task = await listening(stage, other)
    admin = stage.services.db
    async with admin.begin() as tx:
        await business_clock.move(tx, 3_600)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(stopped, task)
        # Its listening connection is cut, and before it is back something is published and moved.
        await cut_listeners(stage)
        async with admin.begin() as tx:
            await business_clock.move(tx, 7_200)
            files = dict(stage.services.published.dialogue.files) | {"config.yml": "# changed"}
            await publish_dialogue(tx, Dialogue(files), "test", real_now())
        await asyncio.sleep(2.5)
        assert other.clock.offset == timedelta(seconds=7_200)
        assert other.published.dialogue.files["config.yml"] == "# changed"


async def cut_listeners(stage: Stage) -> None:
    """End every connection that only listens, as a restart of the database would."""
    query = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
        "WHERE query LIKE 'LISTEN%' AND datname = current_database()"
    )
    async with await psycopg.AsyncConnection.connect(stage.services.db.url, autocommit=True) as connection:
        row = await (await connection.execute(query)).fetchone()  # type: ignore[arg-type]
    assert row is not None and row[0] >= 1


# ---------------------------------------------------------------- effects


@pytest.fixture
async def turn(open_window: Stage) -> UUID:
    async with open_window.services.db.begin() as tx:
        claim = await turns.claim_next(tx, real_now(), timedelta(seconds=30))
    assert claim is not None
    return claim.turn_id


class Action:
    """Opens a task, slowly, and counts how often it ran."""

    def __init__(self, fails: bool = False) -> None:
        self.runs = 0
        self._fails = fails

    async def __call__(self, call: ActionCall) -> dict[str, Any]:
        self.runs += 1
        await open_task(
            call.tx, call.services.vault, Kind.HAND_OVER, now=call.now, contact=call.contact, detail="找人"
        )
        await asyncio.sleep(0.05)
        if self._fails:
            raise MedrepError(Fault.BAD_INPUT, "no")
        return {"events": [], "responses": [{"text": f"第{self.runs}次"}]}


async def count(stage: Stage, table: str) -> int:
    return int((await stage.rows(f"SELECT count(*) FROM {table}"))[0][0])  # noqa: S608


async def test_a_repeated_action_call_returns_what_the_first_did(open_window: Stage, turn: UUID) -> None:
    stage, action = open_window, Action()
    first = await once(stage.services, turn, "action_hand_over", 0, action)
    evidence = await count(stage, "evidence")
    again = await once(stage.services, turn, "action_hand_over", 0, action)
    assert first == again and action.runs == 1
    assert await count(stage, "task") == await count(stage, "effect") == 1
    assert await count(stage, "evidence") == evidence, "a repeat writes nothing"
    await once(stage.services, turn, "action_hand_over", 1, action)
    assert action.runs == 2, "the second call of the same action in a turn is another"


async def test_concurrent_repeats_over_processes_run_once(
    open_window: Stage, other: Services, turn: UUID
) -> None:
    stage, action = open_window, Action()
    calls = [
        once(services, turn, "action_hand_over", 0, action)
        for services in (stage.services, other)
        for _ in range(4)
    ]
    results = await asyncio.gather(*calls)
    assert action.runs == 1 and all(result == results[0] for result in results)
    assert await count(stage, "task") == 1


async def test_an_action_that_fails_leaves_nothing(open_window: Stage, turn: UUID) -> None:
    stage, action = open_window, Action(fails=True)
    before = await count(stage, "evidence")
    for _ in range(2):
        with pytest.raises(MedrepError):
            await once(stage.services, turn, "action_hand_over", 0, action)
    assert action.runs == 2
    assert await count(stage, "task") == await count(stage, "effect") == 0
    assert await count(stage, "evidence") == before


async def test_an_action_of_a_turn_that_is_over_is_refused(open_window: Stage, turn: UUID) -> None:
    stage, action = open_window, Action()
    for over in ("done", "failed", "retry"):
        await stage.write("UPDATE turn SET state = :over WHERE id = :turn", over=over, turn=turn)
        with pytest.raises(MedrepError) as error:
            await once(stage.services, turn, "action_hand_over", 0, action)
        assert error.value.fault == Fault.NOT_FOUND
    assert action.runs == await count(stage, "task") == 0


async def test_an_action_of_no_turn_is_refused(stage: Stage) -> None:
    with pytest.raises(MedrepError) as error:
        await once(stage.services, UUID(int=1), "action_hand_over", 0, Action())
    assert error.value.fault == Fault.NOT_FOUND
