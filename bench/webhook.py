"""The webhook: acknowledged while the engine hangs, and the whole path from message to passive reply."""

from __future__ import annotations

import asyncio
import json
import time
from itertools import count
from typing import Any

import aiohttp

from bench.clinic import ACCOUNT, Clinic, clinic
from bench.sides import APP_PYTHON
from bench.table import Figure, at_most
from bench.turns import TURNS, Timing, block, quantile
from bench.wechat import Platform
from bot.service.process import plain_environment
from bot.settings import ROOT

CLIENTS = (1, 4)
DOCTORS = 200
RATE = 200.0  # messages a second
OPEN_SECONDS = 60.0  # for the circuit to open
DRAIN_SECONDS = 300.0
FIRST_MSG_ID = 9_000_000_000_000_000  # above whatever the sandbox itself numbers


async def main(*, quick: bool) -> list[Figure]:
    """One service for both: first the whole path, then the engine hung under load."""
    blocks, talks, seconds = (1, 4, 3.0) if quick else (4, 12, 20.0)
    doctors = max(DOCTORS, (blocks + 1) * talks * len(CLIENTS))
    numbers = count(FIRST_MSG_ID)
    async with clinic(doctors) as place, aiohttp.ClientSession(place.service.url) as http:
        path = await whole_path(place, http, blocks, talks, numbers)
        memory = place.memory()
        hung = await acknowledged(place, http, seconds, numbers)
    parts = ", ".join(f"{part} {size:.0f}" for part, size in memory.items())
    return [
        *path,
        Figure("whole service: memory", f"{sum(memory.values()):.0f} MB ({parts})"),
        Figure(
            "whole service: start-up", f"{place.start:.1f} s; first start {place.set_up:.1f} s, model given"
        ),
        *hung,
    ]


# ---------------------------------------------------------------- the whole path


async def whole_path(
    place: Clinic, http: aiohttp.ClientSession, blocks: int, talks: int, numbers: count[int]
) -> list[Figure]:
    """The ten turns as signed and encrypted WeChat messages, answered on their own connections."""
    platform, doctors = place.platform, iter(place.doctors)
    timings = {clients: Timing() for clients in CLIENTS}
    bare = 0

    async def say(talk: int, text: str, _: str) -> None:
        nonlocal bare
        said = await one(http, platform, place.doctors[talk], text, next(numbers))
        bare += not said

    async def run(clients: int, timing: Timing) -> None:
        first = place.doctors.index(next(doctors))
        for _ in range(talks - 1):
            next(doctors)
        await block(say, clients, range(first, first + talks), timing)

    await run(max(CLIENTS), Timing())
    bare = 0
    for _ in range(blocks):
        for clients in CLIENTS:
            await run(clients, timings[clients])
    figures = [Figure(f"webhook to reply, {n} client{'s' * (n > 1)}", str(timings[n])) for n in CLIENTS]
    return [
        *figures,
        Figure("answered without their reply in it", f"{bare} of {blocks * talks * 10 * len(CLIENTS)}"),
    ]


async def one(http: aiohttp.ClientSession, platform: Platform, openid: str, text: str, number: int) -> str:
    """The passive reply to one message; "" when the platform got its bare acknowledgement."""
    url, body = platform.letter(openid, text, number)
    async with http.post(url, data=body, headers={"Content-Type": "text/xml"}) as answer:
        assert answer.status == 200, answer.status
        return platform.said(await answer.read())


# ---------------------------------------------------------------- the engine hung


async def acknowledged(
    place: Clinic, http: aiohttp.ClientSession, seconds: float, numbers: count[int]
) -> list[Figure]:
    """Messages at `RATE` while the engine hangs with its circuit open; nothing is lost, all is answered."""
    doctors = place.doctors[:DOCTORS]
    await _reachable(place, http, doctors)
    with place.engine_hung():
        await _opened(place, http, numbers)
        messages = [
            (doctors[number % len(doctors)], TURNS[number % len(TURNS)][0], next(numbers))
            for number in range(int(RATE * seconds))
        ]
        result = await _sent(place, messages)
        assert not await place.engine_available(http), "the circuit closed while the engine hung"
    went_on = time.perf_counter()
    latencies = [one for one in result["latency"] if one is not None]
    keys = [f"m:{number}" for number in result["acknowledged"]]
    stored = place.ask("SELECT count(*) FROM inbox WHERE account = %s AND key = ANY(%s)", ACCOUNT, keys)[0][0]
    states = await _drained(place, keys)
    p50, p99 = (quantile(latencies, q) * 1000 for q in (0.5, 0.99))
    return [
        Figure(
            "engine hung: webhook to acknowledged",
            f"p50 {p50:.0f} ms  p99 {p99:.0f} ms  max {max(latencies) * 1000:.0f} ms  n={len(messages)}",
        ),
        at_most("engine hung: p99 at 200 a second", p99, 250, " ms", digits=0),
        Figure(
            "engine hung: not acknowledged", str(len(messages) - len(keys)), "0", len(keys) == len(messages)
        ),
        Figure("engine hung: acknowledged and lost", str(len(keys) - stored), "0", stored == len(keys)),
        Figure(
            "engine back: answered",
            f"{states.get('done', 0)} of {len(keys)} in {time.perf_counter() - went_on:.0f} s",
            "all",
            states.get("done", 0) == len(keys),
        ),
        Figure("engine back: replies", _replies(place)),
        Figure("sender's own worst delay", f"{result['late'] * 1000:.0f} ms"),
    ]


async def _reachable(place: Clinic, http: aiohttp.ClientSession, doctors: tuple[str, ...]) -> None:
    """Everybody writes once over the sandbox, which from then on takes pushed replies to them."""
    for openid in doctors:
        body = {"account": ACCOUNT, "openid": openid, "type": "text", "content": "您好", "wait": True}
        async with http.post("/sandbox/api/messages", json=body) as answer:
            assert answer.status == 200, await answer.text()


async def _opened(place: Clinic, http: aiohttp.ClientSession, numbers: count[int]) -> None:
    """Let a few turns run into the hung engine until the circuit is open."""
    began = time.perf_counter()
    while await place.engine_available(http):
        assert time.perf_counter() - began < OPEN_SECONDS, "the circuit did not open"
        doctors = place.doctors[:8]
        await asyncio.gather(*(one(http, place.platform, who, "您好", next(numbers)) for who in doctors))


async def _sent(place: Clinic, messages: list[tuple[str, str, int]]) -> dict[str, Any]:
    orders = {"home": str(place.home), "url": place.service.url, "rate": RATE, "messages": messages}
    sender = await asyncio.create_subprocess_exec(
        *(str(APP_PYTHON), "-m", "bench.load"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env=plain_environment(),
    )
    out, _ = await sender.communicate(json.dumps(orders).encode())
    assert sender.returncode == 0
    result: dict[str, Any] = json.loads(out)
    return result


async def _drained(place: Clinic, keys: list[str]) -> dict[str, int]:
    """Inbox states of these messages once none waits any more, or time is up."""
    deadline = time.perf_counter() + DRAIN_SECONDS
    while True:
        rows = place.ask("SELECT state, count(*) FROM inbox WHERE key = ANY(%s) GROUP BY state", keys)
        states = {str(state): int(number) for state, number in rows}
        if set(states) <= {"done", "failed"} or time.perf_counter() > deadline:
            return states
        await asyncio.sleep(0.25)


def _replies(place: Clinic) -> str:
    """Outbox rows of all turns by state."""
    rows = place.ask("SELECT state, count(*) FROM outbox GROUP BY state ORDER BY count(*) DESC")
    return ", ".join(f"{number} {state}" for state, number in rows)
