"""Timers that run a function of ours: once, whoever ticks, and each occurrence to its end."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from sqlalchemy import insert

from bot.app import JOBS
from bot.inbound.trigger import trigger
from bot.model import Fault, MedrepError
from bot.privacy.retention import RULES
from bot.runtime.services import Services
from bot.schedule.beginning import Beginning, Job
from bot.schedule.changes import set_jobs
from bot.store.contacts import Contact
from bot.store.tables import offer
from tests.schedule.setting import HOUR, ends, rows, tick


async def jobs(services: Services, **jobs: Job) -> Beginning:
    """These jobs run hourly, in this process."""
    async with services.db.begin() as tx:
        await set_jobs(tx, dict.fromkeys(jobs, "FREQ=HOURLY"), services.clock.now())
    return Beginning(services, trigger, jobs)


async def run(services: Services, beginning: Beginning) -> None:
    """What is due begins and ends."""
    await tick(services)
    await beginning.begin()
    await asyncio.gather(*beginning._running)


async def test_retention_is_a_job_of_the_app(services: Services, patient: Contact) -> None:
    now = services.clock.now()
    old = now - timedelta(days=RULES[0].days + 1)
    async with services.db.begin() as tx:
        offered = {
            "contact_id": patient.id,
            "person_id": patient.person_id,
            "body_enc": b"",
            "offered_at": old,
        }
        await tx.execute(insert(offer).values(**offered))
    async with services.db.begin() as tx:
        await set_jobs(tx, {name: rule for name, (_, rule) in JOBS.items()}, now)
    await run(services, Beginning(services, trigger, {name: job for name, (job, _) in JOBS.items()}))
    assert await rows(services, "SELECT 1 FROM offer") == []
    assert await ends(services) == [("sent", None)] * len(JOBS)
    ((due,),) = await rows(services, "SELECT next_due FROM timer WHERE name = 'retention'")
    assert now < due <= now + HOUR


async def test_a_job_runs_once_an_hour_whoever_ticks_and_once_after_a_downtime(services: Services) -> None:
    ran = list[int]()

    async def count(_: Services) -> None:
        ran.append(1)

    both = [await jobs(services, count=count), await jobs(services, count=count)]
    for hours, times in ((0, 1), (1, 2), (30, 3)):
        services.clock.move_to(services.clock.now() + hours * HOUR)
        for _ in range(2):
            await asyncio.gather(*(run(services, beginning) for beginning in both))
        assert len(ran) == times
    assert await ends(services) == [("sent", None)] * 3
    assert await rows(services, "SELECT 1 FROM evidence WHERE kind = 'reminders.missed'") == []


async def test_a_job_that_fails_is_missed_and_runs_again_next_time(services: Services) -> None:
    ran = list[int]()

    async def fails(_: Services) -> None:
        ran.append(1)
        if len(ran) == 1:
            raise MedrepError(Fault.TAMPERED)
        if len(ran) == 2:
            raise ZeroDivisionError

    beginning = await jobs(services, fails=fails)
    for _ in range(3):
        await run(services, beginning)
        services.clock.move_to(services.clock.now() + HOUR)
    assert await ends(services) == [("missed", "tampered"), ("missed", "ZeroDivisionError"), ("sent", None)]


async def test_a_job_under_way_at_the_end_of_its_process_is_missed_or_unknown(services: Services) -> None:
    begun = asyncio.Event()

    async def endless(_: Services) -> None:
        begun.set()
        await asyncio.Event().wait()

    async def process() -> asyncio.Task[None]:
        """One whose job is under way."""
        begun.clear()
        await tick(services)
        running = asyncio.create_task((await jobs(services, endless=endless)).run())
        await begun.wait()
        return running

    async def end(running: asyncio.Task[None]) -> None:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    await jobs(services, endless=endless)
    await end(await process())
    assert await ends(services) == [("missed", "shut down")]
    # A process that dies writes nothing.
    services.clock.move_to(services.clock.now() + HOUR)
    running = await process()
    died = "UPDATE occurrence SET lease_until = now() - interval '1 s' WHERE state = 'pending' RETURNING id"
    await rows(services, died)
    await (await jobs(services, endless=endless)).begin()
    assert (await ends(services))[1] == ("unknown", "its process died")
    await end(running)


async def test_a_job_whose_rule_nobody_can_read_ends_and_no_other(services: Services) -> None:
    ran = list[int]()

    async def count(_: Services) -> None:
        ran.append(1)

    beginning = await jobs(services, broken=count, whole=count)
    await rows(services, "UPDATE timer SET rrule = 'FREQ=SOMETIMES' WHERE name = 'broken' RETURNING id")
    await run(services, beginning)
    assert len(ran) == 1
    assert sorted(await ends(services)) == [("missed", "unreadable rule"), ("sent", None)]
    assert await rows(services, "SELECT name FROM timer WHERE next_due IS NOT NULL") == [("whole",)]


async def test_a_job_that_is_no_more_ends(services: Services) -> None:
    async def nothing(_: Services) -> None:
        pass

    await jobs(services, count=nothing)
    async with services.db.begin() as tx:
        await set_jobs(tx, {"other": "FREQ=DAILY"}, services.clock.now())
    assert await rows(services, "SELECT name FROM timer WHERE next_due IS NOT NULL") == [("other",)]
