"""Each message delivered three times at once, to four processes: answered once, in order."""

from __future__ import annotations

import asyncio
import random

from tests.phone import Phone
from tests.proofs.judgement import judge
from tests.proofs.scene import Scene

QUESTIONS = ("二甲双胍肾功能不全能用吗", "氨氯地平漏服了怎么办", "缬沙坦孕妇能用吗", "我要找人工", "谢谢")


async def test_a_burst_delivered_three_times_is_answered_once_and_in_order(home: Scene) -> None:
    await home.control("faults", {"webhook": {"copies": 3, "timeout_seconds": 20}})
    phones = await home.doctors(12)
    await asyncio.gather(*(burst(home, phone) for phone in phones))
    await home.settled(90)
    while await home.rows("SELECT 1 FROM outbox WHERE state = 'held'"):
        await asyncio.gather(*(home.say(phone, type="image", wait=False) for phone in phones))
        await home.settled(60)
    assert await judge(home, phones) == {}, "nothing of this is uncertain"
    per_key = await home.rows("SELECT count(*) FROM inbox GROUP BY channel, account, key HAVING count(*) > 1")
    assert not per_key
    sent = sum(len(home.sent[phone.openid]) for phone in phones)
    stored = await home.rows("SELECT count(*) FROM inbox WHERE kind IN ('text', 'media')")
    assert stored[0][0] >= sent


async def burst(home: Scene, phone: Phone) -> None:
    for number in range(8):
        what = {"type": "image"} if number % 4 == 3 else {"type": "text", "content": random.choice(QUESTIONS)}
        await home.say(phone, wait=False, **what)
        await asyncio.sleep(random.choice((0.0, 0.05, 0.3)))


async def test_fragments_become_one_turn_answered_on_the_last_connection(home: Scene) -> None:
    (phone,) = await home.doctors(1)
    await home.say(phone, type="image")
    await home.settled(20)
    phone.replies_read = len(await phone.replies())
    first = asyncio.create_task(home.say(phone, type="text", content="请问"))
    await asyncio.sleep(0.4)
    second = await home.say(phone, type="text", content="二甲双胍肾功能不全能用吗")
    (item,) = await phone.next()
    assert "eGFR" in item["text"] and item["via"] == "passive"
    assert (await first)["outcome"] == "acknowledged" and second["outcome"] == "replied"
    assert item["answers"] == second["item"]
    await phone.silent(2.0)
