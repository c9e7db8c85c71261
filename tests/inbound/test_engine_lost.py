"""An engine that hangs or dies of a turn: that one is given up; neighbours and outages are another matter."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

import bot.dialogue.engine_client
import bot.inbound.turns
from bot.clock import real_now
from bot.model import Inbound, InboundKind
from bot.service.postgres import free_port
from bot.store import turns
from tests.stage import DOCTORS, Stage

POISON = "毒"


class Mortal:
    """What speaks the engine's protocol and, like a real one, serves one turn after another; it never ends
    the one with `POISON` in it, and until somebody starts it again, which takes a moment, it says nothing."""

    def __init__(self, stage: Stage) -> None:
        self.asked: Counter[str] = Counter()
        self.hangs = False
        self._reply = stage.services.published.dialogue.text("utter_media")

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/ready", self.ready), web.post("/turn", self.turn)]

    async def ready(self, request: web.Request) -> web.Response:
        if self.hangs:
            await asyncio.sleep(60)
        return web.json_response({"model": "m"})

    async def turn(self, request: web.Request) -> web.Response:
        body = await request.json()
        text = body["input"]["text"]
        self.asked[text] += 1
        if POISON in text:
            self.hangs = True
            asyncio.get_running_loop().call_later(0.6, setattr, self, "hangs", False)
        await asyncio.sleep(0.05)
        if self.hangs:
            await asyncio.sleep(60)
        reply = {"text": self._reply, "choices": [], "response": "utter_media", "custom": None}
        return web.json_response(
            {
                "turn_id": body["turn_id"],
                "model": "m",
                "intent": {"name": "verify", "confidence": 1.0},
                "entities": [],
                "actions": [],
                "replies": [reply],
                "conversation": {"events": []},
            }
        )


@pytest.fixture
async def mortal(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Mortal]:
    mortal, app, port = Mortal(stage), web.Application(), free_port()
    app.add_routes(mortal.routes())
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    stage.engine._url = f"http://127.0.0.1:{port}"
    monkeypatch.setattr(bot.dialogue.engine_client, "TURN_SECONDS", 0.3)
    monkeypatch.setattr(bot.dialogue.engine_client, "READY_SECONDS", 0.2)
    monkeypatch.setattr(bot.inbound.turns, "POLL", 0.1)
    monkeypatch.setattr(bot.inbound.turns, "ENGINE_RETRY", bot.inbound.turns.ENGINE_RETRY / 20)
    yield mortal
    await runner.cleanup()


async def say(stage: Stage, who: str, content: str) -> None:
    inbound = Inbound(DOCTORS, who, f"m:{who}:{content}", InboundKind.TEXT, datetime.now(UTC), text=content)
    await stage.gateway.accept(inbound, passive=False)


async def over(stage: Stage, seconds: float) -> dict[str, int]:
    """The states of all messages once none waits, or when time is up."""
    running = asyncio.create_task(stage.workers.run())
    states: dict[str, int] = {}
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while True:
                rows = await stage.rows("SELECT state, count(*) FROM inbox GROUP BY state")
                states = {state: int(count) for state, count in rows}
                if set(states) <= {"done", "failed"}:
                    break
                await asyncio.sleep(0.05)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return states


async def test_what_the_engine_does_not_survive_is_given_up_and_all_else_answered(
    stage: Stage, mortal: Mortal
) -> None:
    await say(stage, "o-poison", POISON)
    for number in range(6):
        await say(stage, f"o{number}", f"第{number}句")
    assert await over(stage, 30) == {"failed": 1, "done": 6}
    assert mortal.asked[POISON] == bot.inbound.turns.ATTEMPTS
    ((fault, attempts),) = await stage.rows("SELECT fault, attempts FROM turn WHERE state = 'failed'")
    assert (fault, attempts) == ("engine_lost", bot.inbound.turns.ATTEMPTS)
    assert "failed_turn" in await stage.tasks(), "a person looks after it"
    # The last attempt may be what opened the circuit: then the engine is asked again, and is well.
    async with asyncio.timeout(10):
        while not await stage.engine.probe():
            await asyncio.sleep(0.1)


async def test_an_outage_counts_against_no_turn(stage: Stage, mortal: Mortal) -> None:
    mortal.hangs = True
    asyncio.get_running_loop().call_later(6.0, setattr, mortal, "hangs", False)
    for number in range(3):
        await say(stage, f"o{number}", f"第{number}句")
    assert await over(stage, 30) == {"done": 3}
    counted: dict[str, Any] = dict(await stage.rows("SELECT contact_id, attempts FROM turn"))
    assert max(counted.values()) <= 2, "that it was under way when the engine fell silent, and the answer"


async def test_a_worker_that_died_is_no_failure_of_the_engine(stage: Stage, mortal: Mortal) -> None:
    """Kills and one hiccup of the engine together gave a turn up that nothing was wrong with."""
    await say(stage, "o1", "第一句")
    for _ in range(bot.inbound.turns.ATTEMPTS - 1):
        async with stage.services.db.begin() as tx:
            assert await turns.claim_next(tx, real_now(), timedelta(seconds=-1)) is not None
    mortal.hangs = True
    asyncio.get_running_loop().call_later(1.0, setattr, mortal, "hangs", False)
    assert await over(stage, 30) == {"done": 1}
    assert await stage.rows("SELECT failures FROM turn") == [(1,)]
