"""Who is invited, what they answer, and what is set and cancelled with it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest

from bot.meetings import Answer, InvitationRow, answer, ask, join, offered, to_ask, upcoming, withdraw
from bot.model import Fault, MedrepError
from tests.meetings.hall import LECTURE, NOON, OTHER, THEN, announce, call_off, invited, meeting
from tests.stage import Stage


async def answered(stage: Stage, row: InvitationRow, given: Answer) -> InvitationRow:
    contact = await stage.contact()
    async with stage.services.db.begin() as tx:
        return await answer(tx, row, contact, given, uuid4(), stage.services.clock.now())


async def pending(stage: Stage) -> list[str]:
    """What is still to be sent about an invitation, by its timer."""
    rows = await stage.rows(
        "SELECT name FROM timer WHERE next_due IS NOT NULL AND subject LIKE 'meeting:%' ORDER BY next_due"
    )
    return [name for (name,) in rows]


async def refusal(stage: Stage, meeting_id: str = LECTURE) -> Fault:
    with pytest.raises(MedrepError) as refused:
        await invited(stage, meeting_id)
    return refused.value.fault


async def test_an_invitation_waits_to_be_put_and_is_one_for_a_meeting_and_a_person(hall: Stage) -> None:
    row = await invited(hall)
    assert (row.state, row.starts_at, row.invited_by) == ("waiting", THEN, "zhou")
    assert await pending(hall) == ["meeting_invite"]
    query = (
        "SELECT purpose, starts_at + make_interval(secs => grace) FROM timer WHERE name = 'meeting_invite'"
    )
    ((purpose, last),) = await hall.rows(query)
    assert purpose == "service"
    assert timedelta() <= THEN - last < timedelta(seconds=2), "it is not put once it has begun"
    assert await refusal(hall) == Fault.CONFLICT
    ((facts,),) = await hall.rows("SELECT facts FROM evidence WHERE kind = 'meeting.invited'")
    assert facts == {"meeting": LECTURE, "by": "zhou"}


async def test_two_colleagues_invite_at_the_same_moment_and_one_of_them_is_told(hall: Stage) -> None:
    found = await asyncio.gather(invited(hall), invited(hall), return_exceptions=True)
    assert {type(one) for one in found} == {InvitationRow, MedrepError}
    assert len(await pending(hall)) == 1


async def test_what_is_not_in_force_has_begun_or_is_for_nobody_verified_is_refused(hall: Stage) -> None:
    assert await refusal(hall, "unheard-of") == Fault.NOT_FOUND
    await hall.move(THEN)
    assert await refusal(hall) == Fault.BAD_INPUT
    await hall.move(NOON)
    await call_off(hall)
    assert await refusal(hall) == Fault.NOT_FOUND
    await hall.write("UPDATE doctor SET verified_at = NULL")
    assert await refusal(hall, OTHER) == Fault.CONFLICT


async def test_who_accepts_is_reminded_a_day_and_half_an_hour_before_and_not_once_they_decline(
    hall: Stage,
) -> None:
    row = await answered(hall, await invited(hall), Answer.ACCEPTED)
    assert row.accepted_at is not None
    due = await hall.rows("SELECT name, next_due FROM timer WHERE next_due IS NOT NULL ORDER BY next_due")
    assert due == [("meeting_day", THEN - timedelta(days=1)), ("meeting_soon", THEN - timedelta(minutes=30))]
    declined = await answered(hall, row, Answer.DECLINED)
    assert (declined.accepted_at, await pending(hall)) == (None, [])
    again = await answered(hall, declined, Answer.ACCEPTED)
    assert len(again.timers) == 2, "the last word counts"
    facts = await hall.rows(
        "SELECT facts ->> 'answered' FROM evidence WHERE kind = 'meeting.answered' ORDER BY id"
    )
    assert facts == [("accepted",), ("declined",), ("accepted",)]


async def test_a_reminder_whose_time_is_past_is_not_set(hall: Stage) -> None:
    row = await invited(hall)
    await hall.move(THEN - timedelta(hours=2))
    assert len((await answered(hall, row, Answer.ACCEPTED)).timers) == 1
    assert await pending(hall) == ["meeting_soon"]


async def test_who_is_unsure_is_asked_no_more_and_may_still_say(hall: Stage) -> None:
    row = await answered(hall, await invited(hall), Answer.UNSURE)
    contact = await hall.contact()
    async with hall.services.db.begin() as tx:
        assert await to_ask(tx, contact, NOON) is None
    assert await pending(hall) == []
    assert (await answered(hall, row, Answer.ACCEPTED)).state == "accepted"


async def test_of_two_the_one_that_was_put_last_is_answered(hall: Stage) -> None:
    first = await invited(hall)
    second = await invited(hall, OTHER)
    contact = await hall.contact()
    async with hall.services.db.begin() as tx:
        assert await to_ask(tx, contact, NOON) is None, "neither was put"
        found = await to_ask(tx, contact, NOON, second.id)
        assert found is not None and found.row == second and found.meeting.id == OTHER
        assert await ask(tx, second, NOON) == 0
        found = await to_ask(tx, contact, NOON)
        assert found is not None and (found.row.id, found.row.state, found.row.asked) == (
            second.id,
            "asked",
            1,
        )
        await ask(tx, first, NOON + timedelta(hours=1))
        found = await to_ask(tx, contact, NOON)
        assert found is not None and found.row.id == first.id


async def test_who_has_stopped_or_wants_no_word_of_meetings_has_nothing_to_answer(hall: Stage) -> None:
    row = await invited(hall)
    async with hall.services.db.begin() as tx:
        await ask(tx, row, NOON)
    for wish in (
        "UPDATE person SET stopped_at = now()",
        "UPDATE consent SET withdrawn_at = now() WHERE purpose = 'service'",
    ):
        await hall.write(wish)
        contact = await hall.contact()
        async with hall.services.db.begin() as tx:
            assert await to_ask(tx, contact, NOON) is None
        await hall.write("UPDATE person SET stopped_at = NULL")


async def test_a_withdrawn_invitation_may_be_made_anew(hall: Stage) -> None:
    row = await invited(hall)
    async with hall.services.db.begin() as tx:
        await withdraw(tx, row, NOON, "recalled")
    assert await pending(hall) == []
    anew = await invited(hall)
    assert (anew.id, anew.state) == (row.id, "waiting")
    assert await pending(hall) == ["meeting_invite"]


async def test_somebody_puts_their_name_down_without_being_asked(hall: Stage) -> None:
    contact = await hall.contact()
    async with hall.services.db.begin() as tx:
        (lecture, _) = await upcoming(tx, NOON)
        row = await join(tx, contact, lecture, uuid4(), NOON)
        assert (row.state, row.invited_by, len(row.timers)) == ("accepted", "self", 2)
        assert (await join(tx, contact, lecture, uuid4(), NOON)).timers == row.timers, "once"


async def test_what_is_offered_fits_and_says_how_it_stands(hall: Stage) -> None:
    await announce(
        hall,
        meeting("others", specialties=["儿科"]),
        meeting("theirs", THEN + timedelta(days=2), interests=["糖尿病"]),
        meeting("soon", NOON + timedelta(hours=1)),
    )
    await invited(hall)
    contact = await hall.contact()

    async def found(department: str = "内分泌科") -> list[tuple[str, bool]]:
        async with hall.services.db.begin() as tx:
            listed = await offered(
                tx, contact.person_id, department, ["2型糖尿病"], hall.services.clock.now()
            )
        return [(one.meeting.id, one.invitable) for one in listed]

    assert await found() == [("theirs", True), ("soon", True), (LECTURE, False), (OTHER, True)]
    assert ("others", True) in await found("儿科")
    await invited(hall, "others")
    assert (await found())[-1] == ("others", False), "whom somebody invited all the same"
    await hall.move(NOON + timedelta(hours=3))
    await call_off(hall, "theirs")
    assert {name for name, _ in await found()} == {LECTURE, OTHER, "others"}, "over, or called off"
    await call_off(hall)
    assert (LECTURE, False) in await found(), "they were invited to it"
