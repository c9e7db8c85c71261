"""What pacing is asked about is read from the rows that the exit reads."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from bot.clock import CHINA
from bot.model import Purpose
from bot.outbound.policy import WEEK
from bot.people import stop
from bot.visits import Begin, Never, VisitTerms, Wait, pace
from bot.visits.doctor_now import read_doctor
from tests.stage import Stage

WEDNESDAY = datetime(2026, 12, 2, 10, tzinfo=CHINA)
TERMS = VisitTerms(date(2026, 11, 1))


async def paced(stage: Stage) -> Begin | Wait | Never:
    contact, services = await stage.contact(), stage.services
    async with services.db.begin() as tx:
        doctor = await read_doctor(tx, services, contact)
    return pace(services.clock.now(), TERMS, doctor, services.limits)


@pytest.fixture
async def doctor(stage: Stage) -> Stage:
    """Their message has been dealt with a quarter of an hour ago, on a Wednesday morning."""
    await stage.move(WEDNESDAY)
    await stage.phone.send(type="image", wait=True)
    await stage.agree()
    await stage.write("UPDATE turn SET started_at = now() - interval '15 minutes'")
    return stage


async def test_a_visit_begins_in_the_window_that_their_message_opened(doctor: Stage) -> None:
    found = await paced(doctor)
    assert isinstance(found, Begin)
    assert (
        found.why.startswith("可以开始：医生发来消息，平台允许发到12月4日（周五）10:0")
        and "还可发5条" in found.why
    )


async def test_what_was_sent_of_whatever_purpose_fills_the_cap(doctor: Stage) -> None:
    for purpose in (Purpose.SERVICE, Purpose.PROMOTION):
        row = await doctor.queue(purpose=purpose)
        await doctor.at_once()
        await doctor.sender.push()
        assert (await doctor.row(row)).state == "sent"
    found = await paced(doctor)
    assert isinstance(found, Wait) and found.until is not None and "近7天主动联系已达上限" in found.why
    assert abs(found.until - (WEDNESDAY + WEEK)) < timedelta(minutes=5)


async def test_a_conversation_a_stop_and_a_closed_window_are_seen(doctor: Stage) -> None:
    await doctor.write(
        "INSERT INTO turn (id, contact_id, state, fence, lease_until, started_at) "
        "VALUES (gen_random_uuid(), :contact, 'done', 1, now(), now())",
        contact=(await doctor.contact()).id,
    )
    found = await paced(doctor)
    assert isinstance(found, Wait) and found.why.startswith("医生正在对话中")
    await doctor.write("UPDATE turn SET started_at = now() - interval '15 minutes'")
    await doctor.move(WEDNESDAY + timedelta(days=2, minutes=10))
    found = await paced(doctor)
    assert isinstance(found, Wait) and found.until is None
    contact, now = await doctor.contact(), doctor.services.clock.now()
    async with doctor.services.db.begin() as tx:
        await stop.stop(tx, contact, now)
    assert await paced(doctor) == Never("医生已要求不再主动联系")
