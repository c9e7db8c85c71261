"""Meetings put in force as in life, and the phone's owner as a verified doctor whom a colleague invites."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from bot.clock import CHINA
from bot.content import withdraw
from bot.knowledge import Content, Meeting
from bot.meetings import InvitationRow, invite
from bot.store import content as revisions
from tests.approved import in_force
from tests.running import index
from tests.stage import ENCODER, Stage

NOON = datetime(2026, 12, 2, 11, 0, tzinfo=CHINA)  # a Wednesday
THEN = datetime(2026, 12, 9, 19, 30, tzinfo=CHINA)
OTHER = "symposium"  # a month later
LECTURE = "lecture"


def meeting(meeting_id: str = LECTURE, at: datetime = THEN, **change: Any) -> Meeting:
    fields = {
        "id": meeting_id,
        "topic": "糖尿病肾病规范管理（试）",
        "speaker": "虚教授",
        "host": "示例制药",
        "starts_at": at,
        "ends_at": at + timedelta(hours=1),
        "link": "https://meeting.example.com/lecture",
    }
    return Meeting.model_validate({**fields, **change})


async def announce(stage: Stage, *meetings: Meeting) -> None:
    """They are approved and published, in place of what they replace."""
    services = stage.services
    content = Content(meetings=meetings)
    await in_force(services.db, content, services.clock.now(), ENCODER, index())


async def call_off(stage: Stage, meeting_id: str = LECTURE) -> None:
    services = stage.services
    async with services.db.begin() as tx:
        (found,) = [one for one in await revisions.of_item(tx, meeting_id) if one.state == "published"]
    await withdraw(services.db, found.id, "yi-xue", "试", services.clock.now(), ENCODER, index())


async def verified(stage: Stage) -> None:
    """The phone's owner is a doctor of the list."""
    contact = await stage.contact()
    await stage.write(
        "INSERT INTO doctor (person_id, external_id, name_enc, hospital, digest, verified_at, updated_at) "
        "VALUES (:person, 'D1', '', '示例县医院', '', now(), now())",
        person=contact.person_id,
    )


async def invited(stage: Stage, meeting_id: str = LECTURE) -> InvitationRow:
    contact = await stage.contact()
    async with stage.services.db.begin() as tx:
        return await invite(tx, contact, meeting_id, "zhou", stage.services.clock.now())


@pytest.fixture
async def hall(open_window: Stage) -> Stage:
    """A lecture and a symposium are announced; the phone's owner is a doctor whom we may tell of them."""
    stage = open_window
    await stage.move(NOON)
    await stage.agree()
    await verified(stage)
    symposium = meeting(OTHER, THEN + timedelta(days=30), topic="高血压规范管理（试）")
    await announce(stage, meeting(), symposium)
    return stage
