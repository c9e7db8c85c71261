"""The doctor's page: what is known with its source, what is suggested, and a visit that begins from there."""

from __future__ import annotations

from datetime import date, datetime

from bot import profiles
from bot.clock import CHINA
from bot.content import seed_content
from bot.tasks import Kind, open_task
from bot.visits import seed_plans
from tests.console.conftest import Office

NOON = datetime(2026, 12, 2, 11, 0, tzinfo=CHINA)  # a Wednesday, in working hours
NIGHT = datetime(2026, 12, 1, 22, 30, tzinfo=CHINA)


async def at(office: Office, moment: datetime) -> None:
    """The doctors have just been heard at this moment; plans are there."""
    services = office.stage.services
    await office.stage.move(moment)
    await seed_content(services.db, moment)
    await seed_plans(services.db, moment)
    closes = "UPDATE send_window SET closes_at = CAST(:at AS timestamptz) + interval '1 day'"
    await office.stage.write(closes, at=moment)
    await office.stage.write("UPDATE turn SET state = 'done', started_at = started_at - interval '1 hour'")


async def test_a_visit_begins_from_the_page_and_stands_on_the_record(office: Office) -> None:
    await at(office, NOON)
    visitor, path = await office.as_("zhou"), f"/console/doctors/{office.doctors['zhou'].hex}"
    shown = await visitor.get(path)
    assert "可以开始" in shown and "还没有拜访过" in shown
    await visitor.post(f"{path}/visit")
    ((state, forced, by),) = await office.stage.rows(
        "SELECT visit.state, visit.forced, evidence.facts ->> 'by' FROM visit "
        "JOIN evidence ON evidence.kind = 'visit.planned'"
    )
    assert (state, forced, by) == ("waiting", False, "zhou")
    again = await visitor.post(f"{path}/visit", 409)
    assert "已有一次拜访" in again and "等待开始" in again
    other = await office.as_("wu")
    await other.post(f"{path}/visit", 404)
    await (await office.as_("wei")).post(f"{path}/visit", 403)


async def test_what_stands_in_the_way_is_said_before_the_click(office: Office) -> None:
    await at(office, NIGHT)
    visitor, path = await office.as_("zhou"), f"/console/doctors/{office.doctors['zhou'].hex}"
    shown = await visitor.get(path)
    assert "免打扰时间" in shown and "disabled" in shown
    assert "免打扰时间" in await visitor.post(f"{path}/visit", 409)

    await at(office, NOON)
    await office.registered("zhou", date(2026, 11, 30))
    assert "备案已到期" in await visitor.post(f"{path}/visit", 409)
    assert not await office.stage.rows("SELECT 1 FROM visit")


async def test_a_tag_shows_its_source_and_a_suggestion_is_settled(office: Office) -> None:
    await at(office, NOON)
    services, person = office.stage.services, office.doctors["zhou"]
    async with services.db.begin() as tx:
        await profiles.note_by_colleague(tx, person, "interest", "高血压", "zhou", NOON)
    await office.stage.write(
        "INSERT INTO suggestion (person_id, contact_id, rule, subject, facts, made_at, expires_at, state) "
        "SELECT person_id, id, 'no_contact', 'contact', '{\"days\": 40}', :at, "
        "CAST(:at AS timestamptz) + interval '9 days', 'open' FROM contact WHERE person_id = :person",
        at=NOON,
        person=person,
    )
    visitor, path = await office.as_("zhou"), f"/console/doctors/{person.hex}"
    shown = await visitor.get(path)
    assert "高血压" in shown and "同事登记" in shown and "zhou 登记" in shown
    ((number,),) = await office.stage.rows("SELECT id FROM suggestion")
    first, others = await visitor.get("/console/"), await (await office.as_("wu")).get("/console/")
    assert "建议联系" in first and "约一次简短的拜访" in first and "已40天没有往来" in first, (
        "whom to see, and why"
    )
    assert "建议联系" in others and "已40天没有往来" not in others
    await (await office.as_("wu")).post(f"{path}/suggestions/{number}", 404, decision="done:met")
    await visitor.post(f"{path}/suggestions/{number}", decision="done:met")
    rows = await office.stage.rows("SELECT state, outcome, decided_by FROM suggestion")
    assert rows == [("done", "met", "zhou")]
    assert "已见面" not in await visitor.get(path), "what is settled is no suggestion any more"
    assert "已40天没有往来" not in await visitor.get("/console/")


async def test_who_has_said_that_they_do_it_is_named_to_all_who_look(office: Office) -> None:
    services, now = office.stage.services, office.stage.services.clock.now()
    async with services.db.begin() as tx:
        number, _ = await open_task(
            tx, services.vault, Kind.HAND_OVER, now=now, contact=office.contacts["zhou"]
        )
    rep, manager = await office.as_("zhou"), await office.as_("zheng")
    assert "还没有人接" in await manager.get("/console/")
    await rep.post(f"/console/tasks/{number}/acknowledge")
    shown = await manager.get("/console/")
    assert "周代表 已接" in shown and "还没有人接" not in shown
