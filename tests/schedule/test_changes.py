"""Timers are cancelled and moved: one occurrence, or all that follows."""

from __future__ import annotations

from typing import Any

import pytest

from bot.model import Fault, MedrepError
from bot.runtime.services import Services
from bot.schedule.changes import cancel, move, move_series
from bot.store.contacts import Contact
from tests.schedule.setting import DAY, EIGHT, HOUR, MINUTE, next_due, remind, rows, tick


@pytest.fixture
def services(services: Services) -> Services:
    """An hour before."""
    services.clock.move_to(EIGHT - HOUR)
    return services


async def occurrences(services: Services) -> list[Any]:
    return await rows(services, "SELECT due_at, state, reason FROM occurrence ORDER BY due_at")


async def test_a_cancelled_timer_is_never_due_again_and_what_was_queued_does_not_leave(
    services: Services, patient: Contact
) -> None:
    timer = await remind(services, patient, EIGHT)
    assert await tick(services, EIGHT + MINUTE) == 1
    async with services.db.begin() as tx:
        assert await cancel(tx, timer, services.clock.now()) == 1
    assert await occurrences(services) == [(EIGHT, "cancelled", "cancelled")]
    assert await rows(services, "SELECT state, fault FROM outbox") == [("cancelled", "cancelled")]
    assert await next_due(services) is None
    assert await tick(services, EIGHT + DAY + MINUTE) == 0
    facts = await rows(services, "SELECT facts ->> 'pending' FROM evidence WHERE kind = 'timer.cancelled'")
    assert facts == [("1",)]


async def test_what_is_with_the_platform_ends_by_itself(services: Services, patient: Contact) -> None:
    timer = await remind(services, patient, EIGHT)
    await tick(services, EIGHT + MINUTE)
    await rows(services, "UPDATE outbox SET state = 'sending' RETURNING id")
    async with services.db.begin() as tx:
        assert await cancel(tx, timer, services.clock.now()) == 0
    assert await occurrences(services) == [(EIGHT, "pending", None)]
    async with services.db.begin() as tx:
        with pytest.raises(MedrepError) as refused:
            await move(tx, timer, services.clock.now(), due=EIGHT, to=EIGHT + HOUR)
    assert refused.value.fault == Fault.CONFLICT


async def test_one_occurrence_is_cancelled_ahead_and_the_next_takes_place(
    services: Services, patient: Contact
) -> None:
    timer = await remind(services, patient, EIGHT, "FREQ=DAILY;COUNT=2")
    async with services.db.begin() as tx:
        await cancel(tx, timer, services.clock.now(), due=EIGHT)
        with pytest.raises(MedrepError) as refused:
            await cancel(tx, timer, services.clock.now(), due=EIGHT)
    assert refused.value.fault == Fault.NOT_FOUND
    assert await tick(services, EIGHT + MINUTE) == 0
    assert await tick(services, EIGHT + DAY + MINUTE) == 1
    expected = [(EIGHT, "cancelled", "cancelled"), (EIGHT + DAY, "pending", None)]
    assert await occurrences(services) == expected
    assert await next_due(services) is None, "the count counts what was cancelled"


async def test_a_queued_occurrence_is_cancelled_and_the_series_goes_on(
    services: Services, patient: Contact
) -> None:
    timer = await remind(services, patient, EIGHT)
    await tick(services, EIGHT + MINUTE)
    async with services.db.begin() as tx:
        assert await cancel(tx, timer, services.clock.now(), due=EIGHT) == 1
    assert await occurrences(services) == [(EIGHT, "cancelled", "cancelled")]
    assert await next_due(services) == EIGHT + DAY


async def test_one_occurrence_is_moved_and_the_series_stays(services: Services, patient: Contact) -> None:
    timer = await remind(services, patient, EIGHT)
    ten = EIGHT.replace(hour=10)
    async with services.db.begin() as tx:
        await move(tx, timer, services.clock.now(), due=EIGHT, to=EIGHT.replace(hour=9))
        await move(tx, timer, services.clock.now(), due=EIGHT.replace(hour=9), to=ten)
    assert await tick(services, EIGHT + MINUTE) == 0
    assert await tick(services, ten + MINUTE) == 1
    assert await occurrences(services) == [(ten, "pending", None)]
    assert await next_due(services) == EIGHT + DAY
    ((expires,),) = await rows(services, "SELECT expires_at FROM outbox")
    assert expires == ten + 30 * MINUTE


async def test_a_moved_occurrence_missed_in_a_downtime_hides_none_of_the_rule(
    services: Services, patient: Contact
) -> None:
    timer = await remind(services, patient, EIGHT)
    ten = EIGHT.replace(hour=10)
    async with services.db.begin() as tx:
        await move(tx, timer, services.clock.now(), due=EIGHT, to=ten)
    assert await tick(services, EIGHT + 2 * DAY + MINUTE) == 1
    days = [(ten, "missed", "downtime"), (EIGHT + DAY, "missed", "downtime")]
    assert await occurrences(services) == [*days, (EIGHT + 2 * DAY, "pending", None)]
    assert await next_due(services) == EIGHT + 3 * DAY


async def test_a_queued_occurrence_is_moved_while_it_waits(services: Services, patient: Contact) -> None:
    timer = await remind(services, patient, EIGHT)
    await tick(services, EIGHT + MINUTE)
    ten = EIGHT.replace(hour=10)
    async with services.db.begin() as tx:
        await move(tx, timer, services.clock.now(), due=EIGHT, to=ten)
    assert await occurrences(services) == [(ten, "pending", None)]
    ((until, expires),) = await rows(services, "SELECT not_before, expires_at FROM outbox")
    assert (until, expires) == (ten, ten + 30 * MINUTE)
    assert await next_due(services) == EIGHT + DAY


async def test_no_occurrence_is_moved_past_the_next_or_into_the_past(
    services: Services, patient: Contact
) -> None:
    timer = await remind(services, patient, EIGHT)
    for to, fault in ((EIGHT + DAY, Fault.CONFLICT), (EIGHT - DAY, Fault.BAD_INPUT)):
        async with services.db.begin() as tx:
            with pytest.raises(MedrepError) as refused:
                await move(tx, timer, services.clock.now(), due=EIGHT, to=to)
        assert refused.value.fault == fault
    async with services.db.begin() as tx:
        with pytest.raises(MedrepError) as refused:
            await move(tx, timer, services.clock.now(), due=EIGHT + DAY, to=EIGHT + DAY + MINUTE)
    assert refused.value.fault == Fault.NOT_FOUND


async def test_the_series_is_moved_and_keeps_its_count(services: Services, patient: Contact) -> None:
    timer = await remind(services, patient, EIGHT, "FREQ=DAILY;COUNT=3")
    assert await tick(services, EIGHT + MINUTE) == 1
    ten = EIGHT.replace(hour=10) + DAY
    async with services.db.begin() as tx:
        await move_series(tx, timer, services.clock.now(), to=ten)
    assert await tick(services, EIGHT + DAY + MINUTE) == 0
    assert await tick(services, ten + MINUTE) == 1
    assert await tick(services, ten + DAY + MINUTE) == 1
    assert await next_due(services) is None
    assert [due for due, *_ in await occurrences(services)] == [EIGHT, ten, ten + DAY]
    async with services.db.begin() as tx:
        with pytest.raises(MedrepError) as refused:
            await move_series(tx, timer, services.clock.now(), to=ten + 5 * DAY)
    assert refused.value.fault == Fault.NOT_FOUND
