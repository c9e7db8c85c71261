"""A due reminder leaves once or is recorded missed, with its reason."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from bot.clock import CHINA
from bot.model import Fault, MedrepError
from bot.people import stop
from bot.runtime.services import Services
from bot.schedule.timers import BATCH
from bot.store import contact_view, erasure, outbox_outcomes
from bot.store.contacts import Contact
from tests.schedule.setting import DAY, EIGHT, HOUR, MINUTE, ends, next_due, remind, rows, tick

MANY = """
    INSERT INTO timer (contact_id, person_id, action, name, refs, purpose, rrule, starts_at, next_due, grace)
    SELECT contact_id, person_id, action, name, refs, purpose, rrule, starts_at, next_due, grace
    FROM (SELECT * FROM timer LIMIT 1) AS one CROSS JOIN generate_series(1, :count)
"""


async def test_due_is_queued_once_and_the_timer_moves_on(services: Services, patient: Contact) -> None:
    await remind(services, patient, EIGHT - MINUTE)
    assert await tick(services) == 1
    assert await tick(services) == 0
    ((state, body, expires),) = await rows(services, "SELECT state, body_enc, expires_at FROM outbox")
    assert (state, body) == ("waiting", None), "its text is made when it is sent"
    assert expires == EIGHT + 29 * MINUTE
    assert await next_due(services) == EIGHT + DAY - MINUTE


async def test_tickers_side_by_side_queue_each_timer_once(services: Services, patient: Contact) -> None:
    for number in range(3):
        await remind(services, patient, EIGHT - number * MINUTE)
    async with services.db.begin() as tx:
        await tx.execute(text(MANY), {"count": BATCH * 2 + 4})
    queued = await asyncio.gather(*(tick(services) for _ in range(4)))
    assert sum(queued) == BATCH * 2 + 7
    assert (await rows(services, "SELECT count(*) FROM outbox"))[0][0] == BATCH * 2 + 7


async def test_downtime_is_recorded_and_only_what_is_in_grace_leaves(
    services: Services, patient: Contact
) -> None:
    await remind(services, patient, EIGHT - 3 * DAY - 10 * MINUTE)
    assert await tick(services) == 1, "today's is ten minutes late, within its grace"
    assert await ends(services) == [("missed", "downtime")] * 3 + [("pending", None)]
    incidents = await rows(services, "SELECT facts FROM evidence WHERE kind = 'reminders.missed'")
    assert [row[0] for row in incidents] == [{"count": 3}], "one outage is one incident"


async def test_past_its_grace_it_is_missed(services: Services, patient: Contact) -> None:
    await remind(services, patient, EIGHT - 2 * HOUR)
    assert await tick(services) == 0
    assert await ends(services) == [("missed", "downtime")]
    assert not await rows(services, "SELECT 1 FROM outbox")


async def test_who_said_stop_is_not_reminded(services: Services, patient: Contact) -> None:
    await remind(services, patient, EIGHT - MINUTE)
    async with services.db.begin() as tx:
        await stop.stop(tx, patient, services.clock.now())
    assert await tick(services) == 0
    assert await ends(services) == [("cancelled", "stopped")]


async def test_a_finished_rule_ends_the_timer(services: Services, patient: Contact) -> None:
    await remind(services, patient, EIGHT - MINUTE, "FREQ=DAILY;COUNT=1")
    assert await tick(services) == 1
    assert await next_due(services) is None


async def test_twice_a_day_keeps_wall_clock_time(services: Services, patient: Contact) -> None:
    await remind(services, patient, EIGHT, "FREQ=DAILY;BYHOUR=8,20;BYMINUTE=0;BYSECOND=0")
    services.clock.move_to(EIGHT + timedelta(seconds=2))
    await tick(services)
    assert await next_due(services) == EIGHT.replace(hour=20)


async def test_a_rule_nobody_can_read_ends_its_own_timer_and_no_other(
    services: Services, patient: Contact
) -> None:
    for _ in range(2):
        await remind(services, patient, EIGHT - MINUTE)
    await rows(services, "UPDATE timer SET rrule = 'FREQ=SOMETIMES' WHERE id = 1 RETURNING id")
    assert await tick(services) == 1
    assert await ends(services) == [("missed", "unreadable rule"), ("pending", None)]
    assert (await rows(services, "SELECT next_due IS NULL FROM timer ORDER BY id"))[0][0]


@pytest.mark.parametrize("why", ["stopped", "unreachable", "expired"])
async def test_a_queued_reminder_that_never_leaves_says_why(
    services: Services, patient: Contact, why: str
) -> None:
    await remind(services, patient, EIGHT - MINUTE)
    assert await tick(services) == 1
    async with services.db.begin() as tx:
        if why == "stopped":
            await stop.stop(tx, patient, services.clock.now())
        elif why == "unreachable":
            await outbox_outcomes.cancel_open(tx, patient.id)
        else:
            await outbox_outcomes.expired(tx, EIGHT + HOUR, 10)
    found = await rows(services, "SELECT occurrence.state, reason, outbox.state FROM occurrence, outbox")
    ended = "expired" if why == "expired" else "cancelled"
    assert found == [("cancelled" if why == "stopped" else "missed", why, ended)]


async def test_what_was_due_and_what_is_due_next_is_seen_from_outside(
    services: Services, patient: Contact
) -> None:
    await remind(services, patient, EIGHT)
    await tick(services)
    async with services.db.begin() as tx:
        now, ahead = await contact_view.timers(tx, patient.id)
        (message,) = await contact_view.messages(tx, patient.id)
    assert (now.state, now.due, now.sent_at) == ("pending", EIGHT, None)
    assert (ahead.state, ahead.due) == ("pending", EIGHT + DAY)
    assert (message.lane, message.purpose, message.due) == ("proactive", "medication", EIGHT)


async def test_a_timer_without_a_rule_is_due_once(services: Services, patient: Contact) -> None:
    await remind(services, patient, EIGHT + HOUR, None)
    assert await tick(services) == 0
    services.clock.move_to(EIGHT + HOUR + MINUTE)
    assert await tick(services) == 1
    assert await next_due(services) is None
    assert await tick(services) == 0


async def test_the_time_zone_is_the_persons(services: Services, patient: Contact) -> None:
    """Eight in the morning of New York, through the end of its summer time."""
    new_york = ZoneInfo("America/New_York")
    begins = datetime(2026, 10, 31, 8, tzinfo=new_york)
    services.clock.move_to(begins)
    await remind(services, patient, begins, zone=new_york.key)
    await tick(services)
    due = await next_due(services)
    assert due == datetime(2026, 11, 1, 8, tzinfo=new_york)
    assert due - begins.astimezone(UTC) == timedelta(hours=25)


async def test_monthly_on_the_31st_is_due_on_the_last_day_and_then_on_the_31st_again(
    services: Services, patient: Contact
) -> None:
    begins = datetime(2027, 1, 31, 8, tzinfo=CHINA)
    await remind(services, patient, begins, "FREQ=MONTHLY")
    due = []
    for _ in range(4):
        moment = await next_due(services)
        assert moment is not None
        due.append(moment.astimezone(CHINA).date().isoformat()[5:])
        assert await tick(services, moment + MINUTE) == 1
    assert due == ["01-31", "02-28", "03-31", "04-30"]


async def test_references_are_ids(services: Services, patient: Contact) -> None:
    for words in ({"drug": "二甲双胍"}, {"name": "Li Lei"}, {"note": ""}, {"long": "x" * 81}):
        with pytest.raises(MedrepError) as refused:
            await remind(services, patient, EIGHT, refs=words)
        assert refused.value.fault == Fault.BAD_INPUT
    await remind(services, patient, EIGHT, refs={"dose": 7, "plan": "met-500.v2"})


async def test_an_erasure_under_way_holds_up_no_ticker(services: Services, patient: Contact) -> None:
    """An erasure locks the contact first and its timers later; the ticker the other way round."""
    await remind(services, patient, EIGHT - MINUTE)
    async with services.db.begin() as tx:
        await erasure.lock(tx, [patient.person_id])
        async with asyncio.timeout(10):
            assert await tick(services) == 0
    assert await tick(services) == 1
