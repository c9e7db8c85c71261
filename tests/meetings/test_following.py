"""What becomes of invitations by itself, and what is sent about a meeting through the one exit."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from bot.meetings import Answer, InvitationRow, answer, ask, facts, look_after
from bot.model import Purpose
from bot.people import consent, stop
from bot.schedule.timers import Timers
from bot.store.outbox import Draft, Part
from tests.meetings.hall import LECTURE, NOON, OTHER, THEN, announce, call_off, invited, meeting
from tests.stage import Stage

DAY_BEFORE, SHORTLY_BEFORE = THEN - timedelta(days=1), THEN - timedelta(minutes=30)
LATER = THEN + timedelta(days=3)


@pytest.fixture
async def coming(hall: Stage) -> Stage:
    """The doctor has accepted the lecture."""
    await answers(hall, await invited(hall))
    return hall


async def answers(stage: Stage, row: InvitationRow, given: Answer = Answer.ACCEPTED) -> InvitationRow:
    contact = await stage.contact()
    async with stage.services.db.begin() as tx:
        return await answer(tx, row, contact, given, uuid4(), stage.services.clock.now())


async def heard(stage: Stage, moment: datetime) -> list[str]:
    """What the phone's owner hears of us when it is that time, who wrote a while ago and was answered."""
    await stage.move(moment)
    await writes(stage)
    before = len(await said(stage))
    await Timers(stage.services).tick()
    await stage.at_once()
    await stage.sender.push()
    return (await said(stage))[before:]


async def writes(stage: Stage) -> None:
    """They open the platform's window."""
    await stage.phone.send(type="image", wait=True)
    while await stage.workers.turn():
        pass
    await stage.write("UPDATE outbox SET passive_until = NULL, retry_at = now() WHERE state = 'waiting'")
    for _ in range(2):  # the introduction, and this answer behind it
        await stage.sender.push()
    await stage.write("UPDATE turn SET started_at = now() - interval '1 hour'")


async def said(stage: Stage) -> list[str]:
    """Texts of ours that left, by their basis."""
    rows = await stage.rows(
        "SELECT basis FROM outbox WHERE state = 'sent' AND purpose = 'service' ORDER BY sent_at, id"
    )
    return [basis.partition(":")[2].partition("@")[0] for (basis,) in rows]


async def standing(stage: Stage, meeting_id: str = LECTURE) -> tuple[str, int]:
    query = "SELECT state, cardinality(timers) FROM meeting_invitation WHERE meeting_id = :meeting"
    ((state, timers),) = await stage.rows(query, meeting=meeting_id)
    return state, timers


async def test_who_comes_is_reminded_twice_whatever_the_weekly_cap_says(coming: Stage) -> None:
    full = "UPDATE outbox SET purpose = 'service', sent_at = :at WHERE sent_at IS NOT NULL"
    for _ in range(2):
        await writes(coming)
    await coming.write(full, at=DAY_BEFORE - timedelta(hours=1))
    assert await heard(coming, DAY_BEFORE + timedelta(seconds=1)) == ["utter_meeting_day"]
    assert await heard(coming, SHORTLY_BEFORE + timedelta(seconds=1)) == ["utter_meeting_soon"]
    states = "SELECT state FROM occurrence ORDER BY due_at"
    assert [state for (state,) in await coming.rows(states)] == ["sent", "sent"]


async def test_who_declined_or_stopped_is_not(coming: Stage) -> None:
    ((invitation_id,),) = await coming.rows("SELECT id FROM meeting_invitation")
    contact = await coming.contact()
    async with coming.services.db.begin() as tx:
        await consent.withdraw(tx, contact, Purpose.SERVICE, coming.services.clock.now(), source="message")
    await look_after(coming.services)
    assert await standing(coming) == ("accepted", 0), "what they said stands; nothing is sent about it"
    assert await heard(coming, DAY_BEFORE + timedelta(seconds=1)) == []
    async with coming.services.db.begin() as tx:
        await consent.restore(tx, contact, coming.services.clock.now(), source="message")
    await look_after(coming.services)
    assert await standing(coming) == ("accepted", 1), "they hear of meetings again"
    async with coming.services.db.begin() as tx:
        await stop.stop(tx, contact, coming.services.clock.now())
    await look_after(coming.services)
    assert await heard(coming, SHORTLY_BEFORE + timedelta(seconds=1)) == []
    assert invitation_id


async def test_an_open_invitation_of_who_has_stopped_is_withdrawn(hall: Stage) -> None:
    await invited(hall)
    contact = await hall.contact()
    async with hall.services.db.begin() as tx:
        await stop.stop(tx, contact, hall.services.clock.now())
    await look_after(hall.services)
    assert await standing(hall) == ("withdrawn", 0)


async def test_a_moved_meeting_is_told_once_and_reminded_of_at_its_new_time(coming: Stage) -> None:
    await announce(coming, meeting(at=LATER, place="示例县中心医院三楼会议室", link=None))
    await look_after(coming.services)
    await look_after(coming.services)
    assert await standing(coming) == ("accepted", 3)
    assert await heard(coming, NOON + timedelta(minutes=20)) == ["utter_meeting_moved"]
    assert await heard(coming, DAY_BEFORE + timedelta(seconds=1)) == [], "the old date"
    assert await heard(coming, SHORTLY_BEFORE + timedelta(seconds=1)) == []
    assert await heard(coming, LATER - timedelta(days=1) + timedelta(seconds=1)) == ["utter_meeting_day"]
    ((moved,),) = await coming.rows("SELECT count(*) FROM evidence WHERE kind = 'meeting.moved'")
    assert moved == 1


async def test_a_reminder_that_comes_before_the_move_is_seen_is_not_sent(coming: Stage) -> None:
    await announce(coming, meeting(at=LATER))
    assert await heard(coming, DAY_BEFORE + timedelta(seconds=1)) == []


async def test_who_is_not_asked_yet_is_asked_of_the_new_time_and_nobody_else_is_told(hall: Stage) -> None:
    await invited(hall)
    declined = await answers(hall, await invited(hall, OTHER), Answer.DECLINED)
    await announce(hall, meeting(at=LATER), meeting(OTHER, LATER))
    await look_after(hall.services)
    assert await standing(hall) == ("waiting", 1)
    assert await standing(hall, OTHER) == ("declined", 0)
    ((last,),) = await hall.rows(
        "SELECT max(starts_at + make_interval(secs => grace)) FROM timer WHERE next_due IS NOT NULL"
    )
    assert timedelta() <= LATER - last < timedelta(minutes=5)
    assert declined.accepted_at is None


async def test_who_comes_is_told_once_that_it_is_called_off(coming: Stage) -> None:
    await invited(coming, OTHER)
    await call_off(coming)
    await call_off(coming, OTHER)
    await look_after(coming.services)
    await look_after(coming.services)
    assert await standing(coming) == ("withdrawn", 1)
    assert await standing(coming, OTHER) == ("withdrawn", 0), "who was not asked hears nothing"
    assert await heard(coming, NOON + timedelta(minutes=20)) == ["utter_meeting_called_off"]
    assert await heard(coming, DAY_BEFORE + timedelta(seconds=1)) == []


async def test_what_nobody_answered_expires_with_its_meeting(hall: Stage) -> None:
    row = await invited(hall)
    async with hall.services.db.begin() as tx:
        await ask(tx, row, NOON)
    await answers(hall, await invited(hall, OTHER))
    await hall.move(THEN + timedelta(hours=2))
    await look_after(hall.services)
    assert await standing(hall) == ("expired", 0)
    assert (await standing(hall, OTHER))[0] == "accepted"


async def test_where_the_window_is_closed_a_reminder_leaves_as_the_accounts_template(coming: Stage) -> None:
    await coming.move(DAY_BEFORE + timedelta(seconds=1))
    await coming.write("UPDATE send_window SET closes_at = :past", past=NOON)
    await Timers(coming.services).tick()
    await coming.sender.push()
    (call,) = await coming.calls("message/template/send")
    data = json.loads(call["body"])["data"]
    assert data["thing1"]["value"] == "糖尿病肾病规范管理（试）"
    assert data["time2"]["value"] == "12月9日（周三）19:30"


def part(stage: Stage, name: str, **values: str) -> Draft:
    dialogue = stage.services.published.dialogue
    text = dialogue.text(f"utter_meeting_{name}", **values)
    return Draft((Part(text, dialogue.basis(f"utter_meeting_{name}")),), Purpose.REPLY)


@pytest.mark.parametrize(
    ("change", "leaves"),
    [
        ({}, True),
        ({"starts": "12月10日（周四）19:30"}, False),
        ({"venue": "线上参加：https://meeting.example.com/elsewhere"}, False),
        ({"speaker": "另一位教授"}, False),
        ({"meeting": "没有批准过的会"}, False),
        ({"meeting": "高血压规范管理（试）"}, False),
    ],
)
async def test_the_exit_proves_each_fact_of_a_meeting(
    hall: Stage, change: dict[str, str], leaves: bool
) -> None:
    await writes(hall)
    values: dict[str, Any] = {**facts(meeting()), **change}
    number = await hall.queue(draft=part(hall, "one", **values))
    await hall.sender.push()
    row = await hall.row(number)
    assert (row.state == "sent") == leaves
    if not leaves:
        assert row.fault == "no_basis"


async def test_nothing_of_a_meeting_leaves_once_it_is_moved_called_off_or_to_who_is_not_verified(
    hall: Stage,
) -> None:
    async def state(name: str = "one", **values: str) -> str:
        await writes(hall)
        number = await hall.queue(draft=part(hall, name, **(values or facts(meeting()))))
        for _ in range(2):  # what is blocked leaves an apology behind
            await hall.at_once()
            await hall.sender.push()
        return str((await hall.row(number)).state)

    gone = {"called_off": meeting().topic}
    assert await state("gone", **gone) == "blocked", "it takes place"
    await announce(hall, meeting(at=LATER))
    assert await state() == "blocked"
    await call_off(hall)
    assert await state(**facts(meeting(at=LATER))) == "blocked"
    assert await state("gone", **gone) == "sent"
    await hall.write("UPDATE doctor SET verified_at = NULL")
    assert await state("gone", **gone) == "blocked"
