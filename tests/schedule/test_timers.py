"""A due reminder leaves once or is recorded missed, with its reason."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, text

from bot.clock import CHINA, Clock
from bot.dialogue.published import Published
from bot.knowledge.encoder import Encoder
from bot.model import Account, Audience, Channel
from bot.people import stop
from bot.runtime.services import Services
from bot.schedule.timers import BATCH, Timers
from bot.store import contact_view, contacts, outbox_outcomes
from bot.store.contacts import Contact
from bot.store.database import Database
from bot.store.keys import Vault
from bot.store.tables import plan

EIGHT = datetime(2026, 11, 21, 8, 0, tzinfo=CHINA)


@pytest.fixture
def services(database: Database, vault: Vault, clock: Clock, home: Path) -> Services:
    clock.move_to(EIGHT)
    return Services(database, vault, clock, Published(database, Encoder()), home)


@pytest.fixture
async def patient(services: Services) -> Contact:
    async with services.db.begin() as tx:
        account = Account(Channel.WECHAT, "p")
        return await contacts.find_or_add(
            tx, services.vault, account, Audience.PATIENT, "o1", services.clock.now()
        )


async def add_plan(
    services: Services, contact: Contact, due: datetime, rule: str = "FREQ=DAILY", count: int = 1
) -> None:
    row = {
        "contact_id": contact.id,
        "person_id": contact.person_id,
        "rrule": rule,
        "starts_at": due,
        "next_due": due,
        "grace": 1800,
        "template": "utter_dose",
        "refs": {"drug": "x"},
        "basis": "response:utter_dose@1",
        "purpose": "medication",
    }
    async with services.db.begin() as tx:
        await tx.execute(insert(plan), [row] * count)


async def rows(services: Services, query: str) -> list[Any]:
    async with services.db.begin() as tx:
        return list((await tx.execute(text(query))).all())


async def test_due_is_queued_once_and_the_plan_moves_on(services: Services, patient: Contact) -> None:
    await add_plan(services, patient, EIGHT - timedelta(minutes=1))
    ticker = Timers(services)
    assert await ticker.tick() == 1
    assert await ticker.tick() == 0
    ((state, template, expires),) = await rows(services, "SELECT state, template, expires_at FROM outbox")
    assert (state, template) == ("waiting", "utter_dose")
    assert expires == EIGHT + timedelta(minutes=29)
    ((due,),) = await rows(services, "SELECT next_due FROM plan")
    assert due == EIGHT + timedelta(days=1, minutes=-1)


async def test_tickers_side_by_side_queue_each_plan_once(services: Services, patient: Contact) -> None:
    await add_plan(services, patient, EIGHT - timedelta(minutes=1), count=BATCH * 2 + 7)
    queued = await asyncio.gather(*(Timers(services).tick() for _ in range(4)))
    assert sum(queued) == BATCH * 2 + 7
    assert (await rows(services, "SELECT count(*) FROM outbox"))[0][0] == BATCH * 2 + 7


async def test_downtime_is_recorded_and_only_what_is_in_grace_leaves(
    services: Services, patient: Contact
) -> None:
    await add_plan(services, patient, EIGHT - timedelta(days=3, minutes=10))
    assert await Timers(services).tick() == 1, "today's is ten minutes late, within its grace"
    found = await rows(services, "SELECT state, reason FROM occurrence ORDER BY due_at")
    assert [tuple(row) for row in found] == [("missed", "downtime")] * 3 + [("queued", None)]
    incidents = await rows(services, "SELECT facts FROM evidence WHERE kind = 'reminders.missed'")
    assert [row[0] for row in incidents] == [{"count": 3}], "one outage is one incident"


async def test_past_its_grace_it_is_missed(services: Services, patient: Contact) -> None:
    await add_plan(services, patient, EIGHT - timedelta(hours=2))
    assert await Timers(services).tick() == 0
    assert [tuple(r) for r in await rows(services, "SELECT state, reason FROM occurrence")] == [
        ("missed", "downtime")
    ]
    assert not await rows(services, "SELECT 1 FROM outbox")


async def test_who_said_stop_is_not_reminded(services: Services, patient: Contact) -> None:
    await add_plan(services, patient, EIGHT - timedelta(minutes=1))
    async with services.db.begin() as tx:
        await stop.stop(tx, patient, services.clock.now())
    assert await Timers(services).tick() == 0
    assert [r[0] for r in await rows(services, "SELECT reason FROM occurrence")] == ["stopped"]


async def test_a_finished_rule_ends_the_plan(services: Services, patient: Contact) -> None:
    await add_plan(services, patient, EIGHT - timedelta(minutes=1), "FREQ=DAILY;COUNT=1")
    assert await Timers(services).tick() == 1
    assert [r[0] for r in await rows(services, "SELECT next_due FROM plan")] == [None]


async def test_twice_a_day_keeps_wall_clock_time(services: Services, patient: Contact) -> None:
    await add_plan(services, patient, EIGHT, "FREQ=DAILY;BYHOUR=8,20;BYMINUTE=0;BYSECOND=0")
    services.clock.move_to(EIGHT + timedelta(seconds=2))
    await Timers(services).tick()
    assert [r[0] for r in await rows(services, "SELECT next_due FROM plan")] == [EIGHT.replace(hour=20)]


async def test_a_rule_nobody_can_read_ends_its_own_plan_and_no_other(
    services: Services, patient: Contact
) -> None:
    await add_plan(services, patient, EIGHT - timedelta(minutes=1), "FREQ=SOMETIMES")
    await add_plan(services, patient, EIGHT - timedelta(minutes=1))
    assert await Timers(services).tick() == 1
    found = await rows(services, "SELECT state, reason FROM occurrence ORDER BY plan_id")
    assert [tuple(row) for row in found] == [("missed", "unreadable rule"), ("queued", None)]
    assert (await rows(services, "SELECT next_due IS NULL FROM plan ORDER BY id"))[0][0]


@pytest.mark.parametrize("why", ["stopped", "unreachable", "expired"])
async def test_a_queued_reminder_that_never_leaves_is_missed_with_its_reason(
    services: Services, patient: Contact, why: str
) -> None:
    await add_plan(services, patient, EIGHT - timedelta(minutes=1))
    assert await Timers(services).tick() == 1
    async with services.db.begin() as tx:
        if why == "stopped":
            await stop.stop(tx, patient, services.clock.now())
        elif why == "unreachable":
            await outbox_outcomes.cancel_open(tx, patient.id)
        else:
            await outbox_outcomes.expired(tx, EIGHT + timedelta(hours=1), 10)
    found = await rows(services, "SELECT occurrence.state, reason, outbox.state FROM occurrence, outbox")
    ended = "expired" if why == "expired" else "cancelled"
    assert [tuple(row) for row in found] == [("missed", why, ended)]


async def test_what_was_due_and_what_is_due_next_is_seen_from_outside(
    services: Services, patient: Contact
) -> None:
    await add_plan(services, patient, EIGHT)
    await Timers(services).tick()
    async with services.db.begin() as tx:
        now, ahead = await contact_view.timers(tx, patient.id)
        (message,) = await contact_view.messages(tx, patient.id)
    assert (now.state, now.due, now.sent_at) == ("queued", EIGHT, None)
    assert (ahead.state, ahead.due) == ("pending", EIGHT + timedelta(days=1))
    assert (message.lane, message.purpose, message.due) == ("proactive", "medication", EIGHT)
