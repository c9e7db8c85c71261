"""The engine hung and down: webhooks are acknowledged, red flags answered, and all else after it is back."""

from __future__ import annotations

import asyncio
import re
import signal
import time

import pytest

from tests.phone import Phone
from tests.proofs.judgement import judge
from tests.proofs.scene import Scene

QUESTION = "二甲双胍肾功能不全能用吗"
RED_FLAG = "我现在胸口疼得厉害，喘不上气"
ENGINE = "-m engine"


async def seconds_to_help(home: Scene, phone: Phone) -> float:
    """How long a red flag takes from being sent to being answered in the chat."""
    began = time.monotonic()
    await home.say(phone, type="text", content=RED_FLAG)
    while "120" not in (await phone.replies())[-1]["text"]:
        await asyncio.sleep(0.02)
        assert time.monotonic() - began < 10
    return time.monotonic() - began


async def circuits(home: Scene) -> float:
    """How many processes have their circuit to the engine closed."""
    async with home.http.get(f"{home.service.url}/metrics") as answer:
        found = re.findall(r"^medrep_engine_available (\S+)", await answer.text(), re.MULTILINE)
    return float(found[0])


async def asked(home: Scene, phones: list[Phone], rounds: int) -> list[float]:
    """Every phone asks, one question after the other; how long each took to be acknowledged."""

    async def ask(phone: Phone) -> list[float]:
        took = []
        for _ in range(rounds):
            began = time.monotonic()
            receipt = await home.say(phone, type="text", content=QUESTION)
            assert receipt["outcome"] in ("acknowledged", "replied"), receipt
            took.append(time.monotonic() - began)
        return took

    return [one for took in await asyncio.gather(*map(ask, phones)) for one in took]


@pytest.mark.timeout(240)
async def test_a_hung_engine_keeps_nobody_waiting_and_loses_nothing(home: Scene) -> None:
    *phones, patient = await home.doctors(9)
    await home.say(patient, type="image")
    assert home.signal(ENGINE, signal.SIGSTOP) >= 1
    try:
        # At first nobody knows; connections wait their 3 s in vain, safety does not.
        first = asyncio.create_task(asked(home, phones, 1))
        await asyncio.sleep(0.5)
        assert await seconds_to_help(home, patient) < 2
        assert max(await first) < 5, "WeChat hangs up after 5 s"
        async with asyncio.timeout(60):
            while await circuits(home) > 0:
                await asked(home, phones, 1)
        took = sorted(await asked(home, phones, 3))
        assert took[len(took) // 2] < 0.5, took
        assert await seconds_to_help(home, patient) < 2
        await asyncio.sleep(5)
    finally:
        home.signal(ENGINE, signal.SIGCONT)
    await answered(home, [*phones, patient])


@pytest.mark.timeout(240)
async def test_a_dead_engine_comes_back_and_finds_everything(home: Scene) -> None:
    *phones, patient = await home.doctors(9)
    await home.say(patient, type="image")
    assert home.signal(ENGINE, signal.SIGKILL) >= 1
    assert await seconds_to_help(home, patient) < 2
    took = await asked(home, phones, 3)
    assert max(took) < 5
    assert await seconds_to_help(home, patient) < 2
    await answered(home, [*phones, patient])


async def answered(home: Scene, phones: list[Phone]) -> None:
    """All of it, once, in order; and the circuits close."""
    await home.settled(120)
    while await home.rows("SELECT 1 FROM outbox WHERE state = 'held'"):
        await asyncio.gather(*(home.say(phone, type="image", wait=False) for phone in phones))
        await home.settled(60)
    await judge(home, phones)
    for phone in phones[:-1]:
        assert any("eGFR" in item["text"] for item in await phone.replies())
    async with asyncio.timeout(30):
        while await circuits(home) < home.workers:
            await asked(home, phones[:4], 1)
