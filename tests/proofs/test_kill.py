"""An acknowledged message is never lost and acted on once, and replies keep their order: kill -9 anywhere."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bot.dialogue.version import read_dialogue
from bot.settings import ROOT
from tests.phone import Phone
from tests.proofs.judgement import judge
from tests.proofs.scene import Scene

MESSAGES, CONTACTS, KILLS = 500, 40, 50
POINTS = (
    "accept.before_commit",
    "accept.committed",
    "inbox.claimed",
    "inbox.turned",
    "inbox.before_commit",
    "inbox.committed",
    "effects.before_commit",
    "effects.committed",
    "passive.claimed",
    "passive.before_commit",
    "outbox.claimed",
    "outbox.before_send",
    "outbox.sent",
    "ticker.before_commit",
)
QUESTIONS = (
    "二甲双胍肾功能不全能用吗",
    "氨氯地平漏服了怎么办",
    "缬沙坦孕妇能用吗",
    "阿托伐他汀肝病患者能用吗",
    "我要找人工",
    "没有糖尿病的人可以吃二甲双胍减肥吗",
    "谢谢",
    "缬沙坦会引起高血钾吗",
)
RED_FLAG = "我现在胸口疼得厉害，喘不上气"
REMINDER = "utter_goodbye"
REMINDER_TEXT = read_dialogue(ROOT).text(REMINDER)  # any approved text without a placeholder


@pytest.mark.timeout(900)
async def test_fifty_kills_lose_nothing_and_do_nothing_twice(home: Scene) -> None:
    """The platform hangs up after 5 s and tries three times, as WeChat does: so the double is by itself."""
    phones = await home.doctors(CONTACTS)
    began = time.monotonic()
    for phone in phones:
        await home.say(phone, type="image", wait=False)
    await home.settled(60)
    killed: Counter[str] = Counter()
    async with asyncio.TaskGroup() as talking:
        for number in range(KILLS):
            killed[await kill_one(home, number, talking, phones)] += 1
    lasted = time.monotonic() - began
    assert len(killed) > len(POINTS) // 2, f"too few of the named points were reached: {killed}"
    assert sum(killed.values()) == KILLS and sum(len(messages) for messages in home.sent.values()) >= MESSAGES
    await home.settled(90)
    # What the platform's count held back leaves when the person writes.
    while held := await home.rows("SELECT 1 FROM outbox WHERE state = 'held'"):
        assert len(held) < MESSAGES
        await asyncio.gather(*(home.say(phone, type="image", wait=False) for phone in home.phones))
        await home.settled(90)
    uncertain = await judge(home, phones, REMINDER_TEXT)
    await reminders_left_once(home)
    assert "OK" in await asyncio.to_thread(home.service.prints, "evidence", "verify")
    print(  # noqa: T201 - figures for whoever runs it
        f"\n{KILLS} kills {dict(killed)} in {lasted:.0f} s, "
        f"uncertain sends: {uncertain}; all in {time.monotonic() - began:.0f} s"
    )


async def kill_one(home: Scene, number: int, talking: asyncio.TaskGroup, phones: list[Phone]) -> str:
    """Some messages set out, and an app process dies at a named point, or at a random moment.

    Returns where it died.
    """
    async with asyncio.timeout(60):
        while len(home.apps()) < 2 or not await home.one_is_ready():
            await asyncio.sleep(0.1)
    point = POINTS[number % len(POINTS)] if number % 5 else "at random"
    flag = home.points / point
    if point != "at random":
        flag.touch()
    for phone in random.sample(phones, 6):
        talking.create_task(speak(home, phone, random.choice((1, 1, 2, 3))))
    if point.startswith(("outbox", "ticker")):
        await home.remind(REMINDER)
    if point != "at random" and await gone(flag, 5.0):
        return point
    flag.unlink(missing_ok=True)
    await asyncio.sleep(random.random())
    home.kill(random.choice(home.apps()))
    return "at random"


async def speak(home: Scene, phone: Phone, count: int) -> None:
    """A few messages in quick succession."""
    for _ in range(count):
        chance = random.random()
        if chance < 0.25:
            what = {"type": "image"}
        else:
            what = {"type": "text", "content": RED_FLAG if chance < 0.3 else random.choice(QUESTIONS)}
        await home.say(phone, wait=random.random() < 0.5, **what)


async def gone(flag: Path, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            while flag.exists():
                await asyncio.sleep(0.02)
    except TimeoutError:
        return False
    return True


async def reminders_left_once(home: Scene) -> None:
    """Each left once, is recorded as uncertain, or as missed; and no more were shown than left."""
    due = "SELECT count(*) FROM timer WHERE action = 'message'"
    came = "SELECT count(*) FROM occurrence WHERE action = 'message'"
    assert await home.rows(due) == await home.rows(came)
    rows: list[Any] = await home.rows(
        "SELECT occurrence.state, outbox.state, count(outbox.id) FROM occurrence LEFT JOIN outbox "
        "ON occurrence_id = occurrence.id WHERE occurrence.action = 'message' "
        "GROUP BY occurrence.id, outbox.state"
    )
    for occurrence, outbox, count in rows:
        left_us = outbox in ("sent", "unknown") and occurrence == outbox and count == 1
        assert left_us or (occurrence, outbox, count) == ("missed", None, 0), (occurrence, outbox, count)
    shown = [item["text"] for phone in home.phones for item in await phone.replies()].count(REMINDER_TEXT)
    left = Counter(outbox for _, outbox, _ in rows)
    assert left["sent"] <= shown <= left["sent"] + left["unknown"]
