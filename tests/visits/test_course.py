"""The course of a visit in rows: begun by itself, moved, ended by nobody, and bound by what they said."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import uuid4

import pytest

from bot import staff
from bot.clock import CHINA
from bot.content import seed_content
from bot.dialogue.said import SESSION
from bot.model import Purpose
from bot.outbound.circumstances import Intent, read_circumstances
from bot.outbound.policy import Defer
from bot.outbound.release import may_leave
from bot.people import consent, stop, takeover
from bot.schedule.timers import Timers
from bot.staff import Role
from bot.store import visit_plans, visits
from bot.store.visits import VisitRow
from bot.tasks import Kind, open_task
from bot.visits import (
    Step,
    ask_step,
    look_after,
    move,
    open_visit,
    plan_visit,
    request_visit,
    seed_plans,
    set_automatic,
)
from tests.stage import Stage

NOON = datetime(2026, 12, 2, 11, 0, tzinfo=CHINA)  # a Wednesday, in working hours
NIGHT = datetime(2026, 12, 1, 22, 30, tzinfo=CHINA)


@pytest.fixture
async def visited(open_window: Stage) -> Stage:
    """The phone's owner is a verified doctor who cares for diabetes, and plans are there."""
    stage = open_window
    await stage.move(NOON)
    await seed_content(stage.services.db, NOON)
    await seed_plans(stage.services.db, NOON)
    async with stage.services.db.begin() as tx:
        for plan in await visit_plans.plans(tx):
            await set_automatic(tx, plan.id, "manager", NOON, automatic=True)
    contact = await stage.contact()
    await stage.write(
        "INSERT INTO doctor (person_id, external_id, name_enc, hospital, interests, digest, verified_at, "
        "updated_at) VALUES (:person, 'T-1', '', '示例医院', '{糖尿病}', '', :at, :at)",
        person=contact.person_id,
        at=NOON,
    )
    await stage.write("UPDATE turn SET state = 'done', started_at = started_at - interval '1 hour'")
    await heard(stage, NOON)
    return stage


async def heard(stage: Stage, moment: datetime) -> None:
    closes = "UPDATE send_window SET closes_at = CAST(:at AS timestamptz) + interval '1 day', used = 0"
    await stage.write(closes, at=moment)


async def the_visit(stage: Stage) -> VisitRow | None:
    contact = await stage.contact()
    async with stage.services.db.begin() as tx:
        found = await visits.of_person(tx, contact.person_id, 1)
    return found[0] if found else None


async def timers_of(stage: Stage) -> list[tuple[str, datetime]]:
    return await stage.rows("SELECT name, next_due FROM timer WHERE subject LIKE 'visit:%' ORDER BY id")


async def test_it_begins_by_itself_when_pacing_lets_it(visited: Stage) -> None:
    stage = visited
    await look_after(stage.services)
    visit = await the_visit(stage)
    assert visit is not None
    assert (visit.plan_id, visit.state, visit.forced) == ("metformin-basics", "waiting", False)
    ((name, due),) = await timers_of(stage)
    assert name == "visit_begin" and NOON <= due < NOON + timedelta(minutes=1)
    await look_after(stage.services)
    assert len(await stage.rows("SELECT 1 FROM visit")) == 1, "one at a time"


async def test_at_night_it_waits_for_the_morning(visited: Stage) -> None:
    await visited.move(NIGHT)
    await heard(visited, NIGHT)
    await look_after(visited.services)
    ((_, due),) = await timers_of(visited)
    assert due == datetime(2026, 12, 2, 9, 0, tzinfo=CHINA)


@pytest.mark.parametrize("why", ["stopped", "withdrawn", "no window", "not automatic", "visited"])
async def test_it_does_not_begin_by_itself(visited: Stage, why: str) -> None:
    stage, contact = visited, await visited.contact()
    async with stage.services.db.begin() as tx:
        if why == "stopped":
            await stop.stop(tx, contact, NOON)
        elif why == "withdrawn":
            await consent.withdraw(tx, contact, Purpose.PROMOTION, NOON, source="message")
        elif why == "visited":
            plan = (await visit_plans.plans(tx))[0]
            number = await plan_visit(tx, contact, plan, NOON, begins=NOON)
            assert number is not None
            await visits.change(tx, number, begun_at=NOON - timedelta(days=3))
            await visits.end_one(tx, number, "completed", NOON - timedelta(days=3))
            await visits.change(tx, number, planned_at=NOON - timedelta(days=3))
            await visit_plans.stop_plan(tx, "amlodipine-basics", NOON)
    if why == "no window":
        await stage.write("UPDATE send_window SET closes_at = :at", at=NOON)
    if why == "not automatic":
        await stage.write("UPDATE visit_plan SET automatic = false")
    await look_after(stage.services)
    assert not await stage.rows("SELECT 1 FROM visit WHERE state <> 'ended'")


async def test_it_waits_while_the_doctor_waits_for_a_person(visited: Stage) -> None:
    """Also when it was planned before. A meeting is announced all the same; once a colleague has spoken with
    them they are visited."""
    stage, contact = visited, await visited.contact()
    services, vault = stage.services, stage.services.vault

    async def waits(purpose: Purpose, subject: str = "visit:1") -> bool:
        intent = Intent(contact.id, purpose, uuid4(), subject)
        async with services.db.begin() as tx:
            await consent.give(tx, contact, purpose, NOON, source="message", text_version="1")
            facts = await read_circumstances(tx, services, {contact.id: contact}, [intent])
        found = may_leave(services, intent, facts[contact.id])
        return isinstance(found, Defer) and found.why == "person"

    assert not await waits(Purpose.PROMOTION)
    async with services.db.begin() as tx:
        await staff.add(tx, "li", [Role.REP], NOON, by="test")
        await open_task(tx, vault, Kind.HAND_OVER, now=NOON, contact=contact, detail="转人工")
        newcomer = await vault.create(tx, "newcomer", NOON)
    await stage.write("UPDATE task SET person_id = :id", id=newcomer)  # before they were known for a doctor
    assert await waits(Purpose.PROMOTION) and not await waits(Purpose.SERVICE)
    assert not await waits(Purpose.PROMOTION, "send:metformin-kidney@li"), "that is a colleague's answer"
    await look_after(services)
    ((_, due),) = await timers_of(stage)
    assert due > NOON + timedelta(minutes=1), "not at once"
    async with services.db.begin() as tx:
        await takeover.start(tx, contact, "li", NOON, services.limits)
        await takeover.end(tx, contact, "li", NOON)
    assert not await waits(Purpose.PROMOTION)


async def test_no_answer_ends_it_without_a_word(visited: Stage) -> None:
    stage, contact = visited, await visited.contact()
    await look_after(stage.services)
    visit = await the_visit(stage)
    assert visit is not None
    async with stage.services.db.begin() as tx:
        assert await ask_step(tx, visit, contact, Step.PERMISSION, uuid4(), NOON, ours=True)
    queued = await stage.rows("SELECT count(*) FROM outbox")
    await stage.move(NOON + SESSION - timedelta(minutes=1))
    await look_after(stage.services)
    assert not await stage.rows("SELECT 1 FROM visit WHERE state = 'ended'")
    await stage.move(NOON + SESSION + timedelta(minutes=1))
    await look_after(stage.services)
    ended = await the_visit(stage)
    assert ended is not None and (ended.state, ended.ending) == ("ended", "no_answer")
    assert await stage.rows("SELECT count(*) FROM outbox") == queued


async def test_a_visit_whose_turn_never_begins_ends_with_the_reason(visited: Stage) -> None:
    stage = visited
    await look_after(stage.services)
    await stage.move(NOON + timedelta(days=3))
    await Timers(stage.services).tick()
    await look_after(stage.services)
    ended = (await stage.rows("SELECT state, ending FROM visit ORDER BY id"))[0]
    assert ended == ("ended", "downtime"), "nobody was there when it was due"


async def test_the_newest_appointment_counts_and_a_stop_ends_all(visited: Stage) -> None:
    stage, contact = visited, await visited.contact()
    await look_after(stage.services)
    visit = await the_visit(stage)
    assert visit is not None
    turn = uuid4()
    async with stage.services.db.begin() as tx:
        await ask_step(tx, visit, contact, Step.PERMISSION, uuid4(), NOON, ours=True)
    for days in (1, 2):
        async with stage.services.db.begin() as tx:
            again = await open_visit(tx, contact, NOON)
            assert again is not None
            await move(tx, again, contact, NOON + timedelta(days=days), turn, NOON)
    assert [due for _, due in await timers_of(stage) if due] == [NOON + timedelta(days=2)]
    async with stage.services.db.begin() as tx:
        await stop.stop(tx, contact, NOON)
        contact = await stage.contact()
    contact = await stage.contact()
    async with stage.services.db.begin() as tx:
        assert await open_visit(tx, contact, NOON) is None
    ended = await the_visit(stage)
    assert ended is not None and ended.ending == "stopped"
    assert not [due for _, due in await timers_of(stage) if due]


async def under_way(stage: Stage) -> VisitRow:
    """Its first question was put."""
    contact = await stage.contact()
    await look_after(stage.services)
    visit = await the_visit(stage)
    assert visit is not None
    async with stage.services.db.begin() as tx:
        await ask_step(tx, visit, contact, Step.PERMISSION, uuid4(), NOON, ours=True)
    return visit


@pytest.mark.parametrize("how", ["stop", "withdrawal"])
async def test_a_stop_in_the_middle_ends_it_as_one(visited: Stage, how: str) -> None:
    """Not hours later, as if the doctor had said nothing."""
    stage, contact = visited, await visited.contact()
    await under_way(stage)
    now = stage.services.clock.now()
    async with stage.services.db.begin() as tx:
        if how == "stop":
            await stop.stop(tx, contact, now)
        else:
            await consent.withdraw(tx, contact, Purpose.PROMOTION, now, source="message")
    await look_after(stage.services)
    ended = await the_visit(stage)
    assert ended is not None and (ended.state, ended.ending) == ("ended", "stopped")


async def test_a_colleague_who_takes_over_ends_it(visited: Stage) -> None:
    """What is said to the colleague is no answer to us afterwards."""
    stage, contact = visited, await visited.contact()
    await under_way(stage)
    async with stage.services.db.begin() as tx:
        await staff.add(tx, "manager", [Role.MANAGER], NOON, by="test")
        await takeover.start(tx, contact, "manager", NOON, stage.services.limits)
    await look_after(stage.services)
    ended = await the_visit(stage)
    assert ended is not None and (ended.state, ended.ending) == ("ended", "handed_over")


async def test_who_comes_before_the_hour_is_not_called_upon_at_it(visited: Stage) -> None:
    stage, contact = visited, await visited.contact()
    await under_way(stage)
    async with stage.services.db.begin() as tx:
        visit = await open_visit(tx, contact, NOON)
        assert visit is not None
        await move(tx, visit, contact, NOON + timedelta(days=1), uuid4(), NOON)
    assert [due for _, due in await timers_of(stage) if due] == [NOON + timedelta(days=1)]
    async with stage.services.db.begin() as tx:
        visit = await open_visit(tx, contact, NOON)
        assert visit is not None and visit.state == "moved"
        await ask_step(tx, visit, contact, Step.PERMISSION, uuid4(), NOON)
    assert not [due for _, due in await timers_of(stage) if due]
    gone_on = await the_visit(stage)
    assert gone_on is not None and (gone_on.state, gone_on.asked) == ("under_way", 1), "counted anew"


async def test_what_they_ask_for_after_a_stop_is_theirs_until_they_stop_again(visited: Stage) -> None:
    stage, contact = visited, await visited.contact()
    async with stage.services.db.begin() as tx:
        await consent.withdraw(tx, contact, Purpose.PROMOTION, NOON, source="message")
        plan = (await visit_plans.plans(tx))[0]
        later = NOON + timedelta(hours=1)
        assert await request_visit(tx, contact, plan, later) is not None
        assert await open_visit(tx, contact, later) is not None
    async with stage.services.db.begin() as tx:
        await consent.give(tx, contact, Purpose.PROMOTION, later, text_version="1", source="message")
        await consent.withdraw(tx, contact, Purpose.PROMOTION, later, source="message")
        assert await open_visit(tx, contact, later) is None
    ended = await the_visit(stage)
    assert ended is not None and ended.ending == "stopped"
