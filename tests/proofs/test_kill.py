"""An acknowledged message is never lost and acted on once, and replies keep their order: kill -9 anywhere."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.phone import Phone
from tests.proofs.house import House, Spoken, house

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
REMINDER = "utter_too_fast"  # any approved text without a placeholder


async def test_fifty_kills_lose_nothing_and_do_nothing_twice(tmp_path: Path) -> None:
    points = tmp_path / "points"
    points.mkdir()
    async with house(tmp_path / "home", workers=3, MEDREP_KILL_AT=str(points)) as home:
        phones = await home.doctors(CONTACTS)
        # A platform that hangs up because this machine is slow is not what is tried here.
        await home.control("faults", {"webhook": {"timeout_seconds": 20}})
        began = time.monotonic()
        plans = await remind(home, phones)
        killed: Counter[str] = Counter()
        async with asyncio.TaskGroup() as talking:
            for number in range(KILLS):
                killed[await kill_one(home, points, number, talking, phones)] += 1
        lasted = time.monotonic() - began
        assert sum(killed.values()) == KILLS and sum(len(said) for said in home.sent.values()) >= MESSAGES
        await home.settled(90)
        # What the platform's count held back leaves when the person writes.
        for phone in phones:
            await home.say(phone, type="image", wait=False)
        await home.settled(90)
        uncertain = await judge(home, phones, plans)
        print(  # noqa: T201 - figures for whoever runs it
            f"\n{KILLS} kills ({killed['at random']} at random) in {lasted:.0f} s, "
            f"uncertain sends: {uncertain}; all in {time.monotonic() - began:.0f} s"
        )


async def kill_one(
    home: House, points: Path, number: int, talking: asyncio.TaskGroup, phones: list[Phone]
) -> str:
    """Some messages set out, and an app process dies at a named point, or at a random moment.

    Returns where it died.
    """
    async with asyncio.timeout(60):
        while len(home.apps()) < 2:
            await asyncio.sleep(0.1)
    point = POINTS[number % len(POINTS)] if number % 5 else "at random"
    flag = points / point
    if point != "at random":
        flag.touch()
    for phone in random.sample(phones, 6):
        talking.create_task(speak(home, phone, random.choice((1, 1, 2, 3))))
    if point != "at random" and await gone(flag, 5.0):
        return point
    flag.unlink(missing_ok=True)
    await asyncio.sleep(random.random())
    home.kill(random.choice(home.apps()))
    return "at random"


async def speak(home: House, phone: Phone, count: int) -> None:
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


async def remind(home: House, phones: list[Phone]) -> int:
    """One reminder for each contact every 10 s, three times; they become contacts by it."""
    for phone in phones:
        await home.say(phone, type="image")
    await home.settled(60)
    now = datetime.now(UTC)
    query = text(
        "INSERT INTO plan "
        "(contact_id, person_id, rrule, starts_at, next_due, grace, template, basis, purpose) "
        "SELECT contact.id, person_id, 'FREQ=SECONDLY;INTERVAL=10;COUNT=3', :due, :due, 3600, :template, "
        "'response:' || :template || '@', 'service' FROM contact WHERE account = 'sandbox'"
    )
    async with home.db.begin() as tx:
        done = await tx.execute(query, {"due": now + timedelta(seconds=10), "template": REMINDER})
    return int(done.rowcount)


# ---------------------------------------------------------------- judging


async def judge(home: House, phones: list[Phone], plans: int) -> dict[str, int]:
    """Everything promised, from the database and from what the phones show. Returns the uncertain sends."""
    acknowledged = await acknowledgements(home)
    stored = await home.rows(
        "SELECT key, inbox.state, turn.state FROM inbox LEFT JOIN turn ON turn.id = turn_id"
    )
    turns = {key: (state, turn) for key, state, turn in stored}
    for key in acknowledged:
        assert key in turns, "acknowledged and lost"
        assert turns[key] in (("done", "done"), ("done", None)), (key, turns[key])
    double = await home.rows(
        "SELECT turn_id FROM outbox WHERE turn_id IS NOT NULL GROUP BY turn_id HAVING count(*) > 2"
    )
    assert not double, "a turn has its reply, and at most one more message"
    assert not await home.rows("SELECT 1 FROM turn WHERE state NOT IN ('done')")
    for phone in phones:
        await told(home, phone)
    await tasks_match_turns(home)
    await reminders_left_once(home, plans)
    return dict(await home.rows("SELECT via, count(*) FROM outbox WHERE state = 'unknown' GROUP BY via"))


async def acknowledgements(home: House) -> set[str]:
    """The keys of messages whose delivery the gateway acknowledged."""
    entries = (await home.control("log?kind=delivery", method="GET"))["entries"]
    good = {entry["msg_id"] for entry in entries if entry.get("outcome") in ("replied", "acknowledged")}
    return {f"m:{msg_id}" for msg_id in good if msg_id}


async def told(home: House, phone: Phone) -> None:
    """The chat shows each reply once and in order; one whose fate is recorded as uncertain at most once."""
    rows = [row for row in await home.spoken(phone.openid) if row.turn is not None or row.unordered]
    assert {row.state for row in rows} <= {"sent", "unknown"}, [(r.state, r.fault) for r in rows]
    shown = [item["text"] for item in await phone.replies()]
    reminders = await home.rows(
        "SELECT count(*) FROM outbox JOIN contact ON contact.id = contact_id "
        "WHERE template IS NOT NULL AND outbox.state = 'sent' AND address_hmac = :digest",
        digest=home.vault.keyring.digest("contact.address", f"wechat:sandbox:{phone.openid}"),
    )
    in_line = [row for row in rows if not row.unordered]
    at_once = [row for row in rows if row.unordered]
    left = aligned(shown, in_line)
    left = minus(left, at_once)
    assert len(left) >= reminders[0][0], (left, reminders)
    assert len(set(left)) <= 1, f"shown more often than said: {left}"


def aligned(shown: list[str], rows: list[Spoken]) -> list[str]:
    """What is shown beside `rows`, which must be there in order; uncertain ones may be missing."""
    left = []
    waiting = list(rows)
    for item in shown:
        skip = next(
            (
                number
                for number, row in enumerate(waiting)
                if item.startswith(row.text) and all(r.state == "unknown" for r in waiting[:number])
            ),
            None,
        )
        if skip is None:
            left.append(item)
        else:
            waiting = waiting[skip + 1 :]
    assert all(row.state == "unknown" for row in waiting), f"never shown, or out of order: {waiting}\n{shown}"
    return left


def minus(shown: list[str], rows: list[Spoken]) -> list[str]:
    left = list(shown)
    for row in rows:
        found = next((item for item in left if item.startswith(row.text)), None)
        assert found is not None or row.state == "unknown", row
        if found is not None:
            left.remove(found)
    return left


async def tasks_match_turns(home: House) -> None:
    """Every red flag has its task, and no turn opened the same task twice."""
    flags = await home.rows("SELECT count(*) FROM inbox WHERE screening ? 'red_flag'")
    assert await home.rows("SELECT count(*) FROM task WHERE kind = 'emergency'") == flags
    done = await home.rows(
        "SELECT count(*), count(DISTINCT turn_id) FROM effect WHERE action = 'action_hand_over'"
    )
    opened = await home.rows("SELECT count(*) FROM task WHERE kind = 'hand_over'")
    assert done[0][0] == done[0][1] == opened[0][0]
    twice = await home.rows(
        "SELECT subject FROM evidence WHERE kind = 'turn.done' GROUP BY subject HAVING count(*) > 1"
    )
    assert not twice


async def reminders_left_once(home: House, plans: int) -> None:
    found = await home.rows("SELECT count(*), count(DISTINCT (plan_id, due_at)) FROM occurrence")
    assert found == [(plans * 3, plans * 3)]
    rows: list[Any] = await home.rows(
        "SELECT occurrence.state, outbox.state, count(outbox.id) FROM occurrence LEFT JOIN outbox "
        "ON (refs ->> 'plan')::bigint = plan_id AND (refs ->> 'due')::timestamptz = due_at "
        "GROUP BY plan_id, due_at, occurrence.state, outbox.state"
    )
    for occurrence, outbox, count in rows:
        assert (occurrence, count) in (("queued", 1), ("missed", 0)), (occurrence, outbox, count)
        assert outbox in ("sent", "unknown", None), outbox


pytestmark = pytest.mark.timeout(420)
