"""Timers that begin a turn, or run a function of ours: once, apart from reminders, and each to its end."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from bot.app import JOBS
from bot.clock import real_now
from bot.inbound.trigger import trigger
from bot.model import Fault, MedrepError, Purpose
from bot.privacy.retention import RULES
from bot.runtime.services import Services
from bot.schedule.beginning import Job
from bot.schedule.changes import cancel, set_jobs
from bot.schedule.timers import Timers
from bot.store.timers import Action
from tests.schedule.setting import remind
from tests.stage import Stage

HOUR = timedelta(hours=1)


async def ends(stage: Stage) -> list[Any]:
    return await stage.rows("SELECT state, reason FROM occurrence ORDER BY id")


async def triggered(stage: Stage, **more: Any) -> tuple[int, int]:
    """A timer of a turn that is due, ticked: its id, and its trigger's."""
    now = stage.services.clock.now()
    timer = await remind(
        stage.services,
        await stage.contact(),
        now,
        None,
        action=Action.TRIGGER,
        wording="greet",
        refs={"visit": 7},
        purpose=Purpose.SERVICE,
        **more,
    )
    await Timers(stage.services, trigger, {}).tick()
    return timer, int((await stage.rows("SELECT max(id) FROM inbox WHERE kind = 'trigger'"))[0][0] or 0)


async def tick(stage: Stage) -> None:
    await Timers(stage.services, trigger, {}).tick()


async def spoke(stage: Stage, inbox: int, **row: Any) -> int:
    """As if the turn of this trigger had been made, and had said something."""
    made = await stage.queue("utter_thanks", Purpose.SERVICE)
    await stage.write(
        "WITH one AS (UPDATE inbox SET state = 'done', turn_id = gen_random_uuid() WHERE id = :inbox"
        " RETURNING turn_id) UPDATE outbox SET turn_id = one.turn_id FROM one WHERE outbox.id = :row",
        inbox=inbox,
        row=made,
    )
    return made


async def test_a_due_turn_is_triggered_once_with_its_ids(open_window: Stage) -> None:
    stage = open_window
    timer, inbox = await triggered(stage)
    for _ in range(2):
        await tick(stage)
    ((count,),) = await stage.rows("SELECT count(*) FROM inbox WHERE kind = 'trigger'")
    assert count == 1
    ((subject, purpose, expires),) = await stage.rows(
        "SELECT subject, purpose, expires_at FROM inbox WHERE kind = 'trigger'"
    )
    ((due,),) = await stage.rows("SELECT due_at FROM occurrence")
    assert (subject, purpose, expires) == ("dose:7", "service", due + timedelta(minutes=30))
    assert await stage.rows("SELECT timer_id, inbox_id, state FROM occurrence") == [(timer, inbox, "pending")]


@pytest.mark.parametrize(
    ("state", "fault", "end"),
    [
        ("sent", None, ("sent", None)),
        ("unknown", "ambiguous", ("unknown", "ambiguous")),
        ("failed", "rejected", ("missed", "rejected")),
        ("cancelled", "no_consent", ("missed", "no_consent")),
        ("cancelled", "stopped", ("cancelled", "stopped")),
    ],
)
async def test_it_ends_when_what_was_said_has_left_or_never_will(
    open_window: Stage, state: str, fault: str | None, end: tuple[str, str | None]
) -> None:
    stage = open_window
    _, inbox = await triggered(stage)
    row = await spoke(stage, inbox)
    await tick(stage)
    assert await ends(stage) == [("pending", None)], "its message waits"
    update = "UPDATE outbox SET state = :state, fault = :fault WHERE id = :id"
    await stage.write(update, state=state, fault=fault, id=row)
    await tick(stage)
    assert await ends(stage) == [end]


@pytest.mark.parametrize(
    ("state", "fault", "end"),
    [
        ("done", None, ("missed", "nothing said")),
        ("expired", "quiet hours", ("missed", "quiet hours")),
        ("failed", "engine_failed", ("missed", "engine_failed")),
        ("cancelled", "no_consent", ("missed", "no_consent")),
        ("cancelled", "stopped", ("cancelled", "stopped")),
    ],
)
async def test_it_ends_with_a_turn_that_said_nothing(
    open_window: Stage, state: str, fault: str | None, end: tuple[str, str]
) -> None:
    stage = open_window
    _, inbox = await triggered(stage)
    update = "UPDATE inbox SET state = :state, fault = :fault WHERE id = :id"
    await stage.write(update, state=state, fault=fault, id=inbox)
    await tick(stage)
    assert await ends(stage) == [end]


async def test_a_turn_that_waits_is_cancelled_with_its_timer(open_window: Stage) -> None:
    stage = open_window
    timer, _ = await triggered(stage)
    async with stage.services.db.begin() as tx:
        assert await cancel(tx, timer, stage.services.clock.now()) == 1
    assert await stage.rows("SELECT state FROM inbox WHERE kind = 'trigger'") == [("cancelled",)]
    await tick(stage)
    assert await ends(stage) == [("cancelled", "cancelled")]


async def test_what_its_turn_has_queued_is_cancelled_too(open_window: Stage) -> None:
    stage = open_window
    timer, inbox = await triggered(stage)
    row = await spoke(stage, inbox)
    async with stage.services.db.begin() as tx:
        assert await cancel(tx, timer, stage.services.clock.now()) == 1
    assert (await stage.row(row)).state == "cancelled"
    await tick(stage)
    assert await ends(stage) == [("cancelled", "cancelled")]


async def test_a_turn_found_due_before_a_downtime_is_missed_after_its_grace(open_window: Stage) -> None:
    """The process died between the batch and the trigger."""
    stage = open_window
    timers = Timers(stage.services, trigger, {})
    await remind(
        stage.services, await stage.contact(), stage.services.clock.now(), None, action=Action.TRIGGER
    )
    await timers._batch()
    assert await ends(stage) == [("pending", None)]
    await stage.move(stage.services.clock.now() + HOUR)
    await timers.tick()
    assert await ends(stage) == [("missed", "expired")]
    assert await stage.rows("SELECT 1 FROM inbox WHERE kind = 'trigger'") == []


async def jobs(stage: Stage, job: Job) -> Timers:
    async with stage.services.db.begin() as tx:
        await set_jobs(tx, {"count": "FREQ=HOURLY"}, stage.services.clock.now())
    return Timers(stage.services, trigger, {"count": job})


async def test_retention_is_a_job_of_the_app(open_window: Stage) -> None:
    stage, now = open_window, open_window.services.clock.now()
    old = now - timedelta(days=RULES[0].days + 1)
    await stage.write(
        "INSERT INTO offer (contact_id, person_id, body_enc, offered_at)"
        " SELECT id, person_id, '', :at FROM contact ON CONFLICT (contact_id) DO UPDATE SET offered_at = :at",
        at=old,
    )
    rules = {name: rule for name, (_, rule) in JOBS.items()}
    timers = Timers(stage.services, trigger, {name: job for name, (job, _) in JOBS.items()})
    async with stage.services.db.begin() as tx:
        await set_jobs(tx, rules, now)
    await timers.tick()
    await timers.finished()
    assert await stage.rows("SELECT 1 FROM offer") == []
    assert await ends(stage) == [("sent", None)]
    ((due,),) = await stage.rows("SELECT next_due FROM timer WHERE name = 'retention'")
    assert now < due <= now + HOUR


async def test_a_job_runs_once_an_hour_whoever_ticks_and_once_after_a_downtime(open_window: Stage) -> None:
    stage, ran = open_window, list[int]()

    async def count(_: Services) -> None:
        ran.append(1)

    both = [await jobs(stage, count), await jobs(stage, count)]
    for hours, times in ((0, 1), (1, 2), (30, 3)):
        await stage.move(stage.services.clock.now() + hours * HOUR)
        for _ in range(2):
            await asyncio.gather(*(timers.tick() for timers in both))
            await asyncio.gather(*(timers.finished() for timers in both))
        assert len(ran) == times
    assert await ends(stage) == [("sent", None)] * 3
    assert await stage.rows("SELECT 1 FROM evidence WHERE kind = 'reminders.missed'") == []


async def test_a_job_that_fails_is_missed_and_runs_again_next_time(open_window: Stage) -> None:
    stage, ran = open_window, list[int]()

    async def fails(_: Services) -> None:
        ran.append(1)
        if len(ran) == 1:
            raise MedrepError(Fault.TAMPERED)
        if len(ran) == 2:
            raise ZeroDivisionError

    timers = await jobs(stage, fails)
    for _ in range(3):
        await timers.tick()
        await timers.finished()
        await stage.move(stage.services.clock.now() + HOUR)
    assert await ends(stage) == [("missed", "tampered"), ("missed", "ZeroDivisionError"), ("sent", None)]


async def test_a_job_under_way_at_the_end_of_its_process_is_missed_or_unknown(open_window: Stage) -> None:
    stage, begun = open_window, asyncio.Event()

    async def endless(_: Services) -> None:
        begun.set()
        await asyncio.Event().wait()

    timers = await jobs(stage, endless)
    await timers.tick()
    await begun.wait()
    await timers._beginning.stop()
    assert await ends(stage) == [("missed", "shut down")]
    # A process that dies writes nothing.
    await stage.move(stage.services.clock.now() + HOUR)
    begun.clear()
    await timers.tick()
    await begun.wait()
    await stage.write("UPDATE occurrence SET lease_until = :then", then=real_now() - HOUR)
    await (await jobs(stage, endless)).tick()
    assert (await ends(stage))[1] == ("unknown", "its process died")
    await timers._beginning.stop()


async def test_a_job_that_is_no_more_ends(open_window: Stage) -> None:
    stage = open_window

    async def nothing(_: Services) -> None:
        pass

    await jobs(stage, nothing)
    async with stage.services.db.begin() as tx:
        await set_jobs(tx, {"other": "FREQ=DAILY"}, stage.services.clock.now())
    assert await stage.rows("SELECT name FROM timer WHERE next_due IS NOT NULL") == [("other",)]
