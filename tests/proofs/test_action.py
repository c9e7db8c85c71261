"""An action that fails: tried again, then said and handed to a person; never half done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg

from bot.service.postgres import Cluster
from tests.proofs.scene import Scene

QUESTION = "没有糖尿病的人可以吃二甲双胍减肥吗"
SAID = "没能及时答复"


@asynccontextmanager
async def effects_refused(home: Scene) -> AsyncIterator[None]:
    """PostgreSQL refuses to store what an action did: its transaction fails at its very end."""
    url = Cluster(home.service.home).url("medrep_owner")
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as owner:
        await owner.execute("ALTER TABLE effect ADD CONSTRAINT refused CHECK (false) NOT VALID")
        try:
            yield
        finally:
            await owner.execute("ALTER TABLE effect DROP CONSTRAINT refused")


async def count(home: Scene, table: str) -> int:
    return int((await home.rows(f"SELECT count(*) FROM {table}"))[0][0])  # noqa: S608


async def test_it_is_tried_again_then_said_and_nothing_is_half_done(home: Scene) -> None:
    (phone,) = await home.doctors(1)
    await phone.ask("谢谢")
    effects, tasks = await count(home, "effect"), await count(home, "task")
    async with effects_refused(home):
        reply = await phone.ask(QUESTION, seconds=40)
        assert SAID in reply and "医学信息" not in reply
        await home.settled(20)
        assert await count(home, "effect") == effects
        assert await count(home, "task") == tasks + 1
        ((kind,),) = await home.rows("SELECT kind FROM task ORDER BY id DESC LIMIT 1")
        assert kind == "failed_turn"
        ((state, attempts),) = await home.rows(
            "SELECT state, attempts FROM turn ORDER BY started_at DESC LIMIT 1"
        )
        assert state == "failed" and attempts > 1
    reply = await phone.ask(QUESTION)
    assert "医学信息" in reply, "and the next one is answered"
    await home.write("UPDATE turn SET state = 'done' WHERE state = 'failed'")  # the judgement allows none
    await home.write("UPDATE inbox SET state = 'done' WHERE state = 'failed'")


async def test_what_failed_once_is_answered_once(home: Scene) -> None:
    (phone,) = await home.doctors(1)
    await phone.ask("谢谢")
    async with effects_refused(home):
        await phone.send(type="text", content=QUESTION)
        async with asyncio.timeout(20):
            while not await home.rows("SELECT 1 FROM turn WHERE state = 'retry'"):
                await asyncio.sleep(0.05)
    (item,) = await phone.next(1, 30)
    assert "医学信息" in item["text"]
    assert await home.rows(
        "SELECT count(*) FROM effect WHERE turn_id = (SELECT id FROM turn ORDER BY started_at DESC LIMIT 1)"
    ) == [(1,)]
    await phone.silent(3)
