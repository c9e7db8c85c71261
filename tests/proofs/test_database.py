"""PostgreSQL is killed under load: nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import random
import signal

import pytest

from tests.phone import Phone
from tests.proofs.judgement import acknowledged, judge
from tests.proofs.scene import Scene

QUESTIONS = ("二甲双胍肾功能不全能用吗", "氨氯地平漏服了怎么办", "我要找人工", "谢谢")


@pytest.mark.timeout(240)
async def test_a_killed_database_comes_back_and_nothing_is_lost(home: Scene) -> None:
    phones = await home.doctors(15)
    talking = [asyncio.create_task(talk(home, phone)) for phone in phones]
    for _ in range(3):
        await asyncio.sleep(4)
        assert home.signal("/bin/postgres", signal.SIGKILL) == 1
    await asyncio.gather(*talking)
    await home.back()
    await home.settled(120)
    while await home.rows("SELECT 1 FROM outbox WHERE state = 'held'"):
        await asyncio.gather(*(home.say(phone, type="image", wait=False) for phone in phones))
        await home.settled(60)
    await judge(home, phones)
    assert len(await acknowledged(home)) > 50
    assert "OK" in await asyncio.to_thread(home.service.prints, "evidence", "verify")


async def talk(home: Scene, phone: Phone) -> None:
    for _ in range(8):
        await home.say(phone, type="text", content=random.choice(QUESTIONS))
        await asyncio.sleep(random.uniform(0.2, 1.5))
