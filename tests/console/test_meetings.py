"""Meetings at the console: a doctor is invited from their page, and colleagues see who is to come."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import uuid4

from bot import meetings
from bot.inbound.trigger import trigger
from bot.meetings import Answer, InvitationRow
from bot.model import Purpose
from bot.store import desk
from bot.store import meetings as rows
from bot.store.triggers import Trigger
from tests.console.conftest import HOSTILE, Office, Visitor
from tests.console.test_dealings import ready
from tests.console.test_rows import reading
from tests.console.test_visiting import NOON, at
from tests.meetings.hall import LECTURE, OTHER, THEN, announce, call_off, meeting

LATE = NOON + timedelta(hours=11, minutes=30)  # in the quiet hours
TOPIC = "糖尿病肾病规范管理（试）"


async def hall(office: Office) -> tuple[Visitor, str]:
    """A lecture is announced; 周代表, and the page of a doctor who agreed to hear of such things."""
    visitor, path = await ready(office, NOON)
    await office.stage.agree()
    await announce(office.stage, meeting())
    return visitor, path


async def invited(office: Office, whose: str, meeting_id: str = LECTURE) -> InvitationRow:
    services = office.stage.services
    async with services.db.begin() as tx:
        return await meetings.invite(tx, office.contacts[whose], meeting_id, whose, services.clock.now())


async def answered(office: Office, whose: str, said: Answer) -> None:
    services, contact = office.stage.services, office.contacts[whose]
    async with services.db.begin() as tx:
        row = await rows.to_meeting(tx, LECTURE, contact.person_id)
        assert row is not None
        await meetings.answer(tx, row, contact, said, uuid4(), services.clock.now())


async def states(office: Office) -> list[str]:
    return [state for (state,) in await office.stage.rows("SELECT state FROM meeting_invitation ORDER BY id")]


async def test_a_doctor_is_invited_from_their_page_and_asked_in_the_chat(office: Office) -> None:
    visitor, path = await hall(office)
    shown = await visitor.get(path)
    section = part(shown, "meetings")
    assert "现在可以问" in section and TOPIC in section and "12月9日 19:30" in section
    assert "邀请</button>" in section and "disabled" not in section
    await visitor.post(f"{path}/meeting", meeting=LECTURE)
    ((state, by),) = await office.stage.rows("SELECT state, invited_by FROM meeting_invitation")
    assert (state, by) == ("waiting", "zhou")
    assert await office.stage.rows("SELECT name, purpose FROM timer") == [("meeting_invite", "service")]
    shown = await visitor.get(path)
    section = part(shown, "meetings")
    assert "等着问" in section and "zhou 邀请" in section and f'value="{LECTURE}"' not in section
    assert "邀请参会：《" in shown, "on the timeline"
    assert "已经在邀请名单里" in await visitor.post(f"{path}/meeting", 409, meeting=LECTURE)


def part(shown: str, name: str) -> str:
    """One section of a page."""
    return next(one for one in re.findall(r"<section.*?</section>", shown, re.S) if f'"{name}"' in one[:90])


async def test_what_cannot_be_asked_now_says_so_and_what_would_come_too_late_is_not_asked(
    office: Office,
) -> None:
    visitor, path = await hall(office)
    await announce(office.stage, meeting(OTHER, LATE + timedelta(hours=2), topic="今夜的会（试）"))
    await at(office, LATE)
    section = part(await visitor.get(path), "meetings")
    assert "免打扰时间" in section and "会议开始前没有机会就作废" in section and "排队邀请" in section
    assert "会议已经开始了" in section
    assert "会议已经开始了" in await visitor.post(f"{path}/meeting", 409, meeting=OTHER)
    await visitor.post(f"{path}/meeting", meeting=LECTURE)
    assert await states(office) == ["waiting"]


async def test_a_closed_window_keeps_the_invitation_waiting_for_a_message(office: Office) -> None:
    visitor, path = await hall(office)
    await office.stage.write("UPDATE send_window SET closes_at = :at", at=NOON - timedelta(hours=1))
    section = part(await visitor.get(path), "meetings")
    assert "医生来消息后就发，会议开始前没有机会就作废" in section and "排队邀请" in section


async def test_who_wants_none_of_it_or_is_nobody_verified_is_not_invited(office: Office) -> None:
    visitor, path = await hall(office)
    withdrawn = "UPDATE consent SET withdrawn_at = now() WHERE purpose = 'service'"
    for change, why in (
        (withdrawn, "没有同意接收会议通知"),
        ("UPDATE person SET stopped_at = now()", "已要求不再主动联系"),
        ("UPDATE doctor SET verified_at = NULL", "不能邀请参会"),
    ):
        await office.stage.write(change)
        section = part(await visitor.get(path), "meetings")
        assert why in section and "disabled" in section, why
        assert why in await visitor.post(f"{path}/meeting", 409, meeting=LECTURE)
    assert await states(office) == []


async def test_what_is_no_meeting_or_none_any_more_is_not_invited_to(office: Office) -> None:
    visitor, path = await hall(office)
    await visitor.post(f"{path}/meeting", 404, meeting="unheard-of")
    for hostile in ("../x", "<script>", "", "x" * 81, "'; DROP TABLE person"):
        await visitor.post(f"{path}/meeting", 404, meeting=hostile)
    await visitor.post(f"{path}/meeting", 413, meeting="x" * 82)
    await call_off(office.stage)
    assert "取消或撤下" in await visitor.post(f"{path}/meeting", 409, meeting=LECTURE)
    await announce(office.stage, meeting(OTHER))
    await at(office, THEN)
    assert "已经开始" in await visitor.post(f"{path}/meeting", 409, meeting=OTHER)
    assert TOPIC not in await visitor.get(path)


async def test_an_invitation_is_recalled_until_the_doctor_has_said_whether_they_come(office: Office) -> None:
    visitor, path = await hall(office)
    await visitor.post(f"{path}/meeting", meeting=LECTURE)
    ((number,),) = await office.stage.rows("SELECT id FROM meeting_invitation")
    recall = f"{path}/invited/{number}/recall"
    assert recall in await visitor.get(path)
    other = f"/console/doctors/{office.doctors['wu'].hex}/invited/{number}/recall"
    await (await office.as_("wu")).post(other, 404)
    await (await office.as_("zheng")).post(other, 404)
    await (await office.as_("wu")).post(recall, 404)
    await visitor.post(recall)
    assert await states(office) == ["withdrawn"]
    assert not await office.stage.rows("SELECT 1 FROM timer WHERE next_due IS NOT NULL")
    assert await office.stage.rows("SELECT facts FROM evidence WHERE kind = 'meeting.recalled'") == [
        ({"login": "zhou"},)
    ]
    assert "已经结束" in await visitor.post(recall, 409)
    assert "已撤回" in part(await visitor.get(path), "meetings")
    await visitor.post(f"{path}/meeting", meeting=LECTURE)
    await answered(office, "zhou", Answer.UNSURE)
    shown = await visitor.get(path)
    assert "到时候看" in part(shown, "meetings") and recall in shown
    await answered(office, "zhou", Answer.ACCEPTED)
    shown = await visitor.get(path)
    assert "参加" in part(shown, "meetings") and recall not in shown and "医生参加会议" in shown
    assert "已经答复" in await visitor.post(recall, 409)


async def test_what_nobody_answered_and_what_was_never_put_reads_so(office: Office) -> None:
    visitor, path = await hall(office)
    await invited(office, "zhou")
    await at(office, THEN)
    assert "没能问到" in part(await visitor.get(path), "meetings"), "it has begun"
    await office.stage.write(
        "UPDATE meeting_invitation SET state = 'asked', asked = 1, asked_at = :at", at=NOON
    )
    assert "已问" in part(await visitor.get(path), "meetings")
    await at(office, THEN + timedelta(hours=1))
    assert "没有答复" in part(await visitor.get(path), "meetings")
    for change, read in (
        ("asked = 1", "没有答复"),
        ("asked = 0", "没能问到"),
        ("answered_at = ends_at", "到时候看"),
    ):
        ended = f"UPDATE meeting_invitation SET state = 'expired', ended_at = ends_at, {change}"  # noqa: S608
        await office.stage.write(ended)
        assert read in part(await visitor.get(path), "meetings")


async def test_a_day_names_the_meetings_ahead_and_what_ones_doctors_say(office: Office) -> None:
    visitor, path = await hall(office)
    day = part(await visitor.get("/console/"), "meetings")
    assert TOPIC in day and "还没有邀请您的医生" in day
    await invited(office, "zhou")
    await invited(office, "wu")
    await answered(office, "wu", Answer.ACCEPTED)
    day = part(await visitor.get("/console/"), "meetings")
    assert f"{path}#meetings" in day and "等着问" in day
    assert "李乙" not in day and "参加" not in day, "another rep's doctor"
    assert "<script>" not in day and "&lt;script&gt;" in day
    everyone = part(await (await office.as_("zheng")).get("/console/"), "meetings")
    assert "李乙</a> 参加" in everyone and "等着问" in everyone
    assert 'id="meetings"' not in await (await office.as_("wei")).get("/console/")
    await at(office, THEN + timedelta(hours=1))
    assert TOPIC not in part(await visitor.get("/console/"), "meetings")


async def test_a_day_is_told_that_a_doctor_has_answered(office: Office) -> None:
    await hall(office)
    await invited(office, "zhou")
    found = set()
    for said in (None, Answer.UNSURE, Answer.ACCEPTED):
        if said is not None:
            await answered(office, "zhou", said)
        async with reading(office, "zhou") as tx:
            found.add(await desk.work_state(tx, NOON))
    assert len(found) == 3


async def test_each_colleague_counts_and_sees_the_doctors_that_are_theirs(office: Office) -> None:
    await hall(office)
    await invited(office, "zhou")
    await invited(office, "wu")
    await answered(office, "wu", Answer.DECLINED)
    seen = {
        "zhou": {"&lt;script&gt;"},
        "wu": {"李乙"},
        "alien": set(),
        "zheng": {"&lt;script&gt;", "李乙"},
        "wei": {"&lt;script&gt;", "李乙"},
        "shen": {"&lt;script&gt;", "李乙"},
        "zhu": {"&lt;script&gt;", "李乙"},
    }
    for login, doctors in seen.items():
        visitor = await office.as_(login)
        listed = await visitor.get("/console/meetings")
        assert TOPIC in listed and "这里只能查看" in listed
        assert (f"邀请 {len(doctors)}<" in listed) is bool(doctors), login
        assert ("不参加 1<" in listed) is ("李乙" in doctors), login
        shown = await visitor.get(f"/console/meetings/{LECTURE}")
        assert "这里只能查看" in shown and "https://meeting.example.com/lecture" in shown
        assert {name for name in ("&lt;script&gt;", "李乙") if name in shown} == doctors, login
        if not doctors:
            assert "还没有人受邀" in shown
    for login in ("feng", "jiang", "han", "yang"):
        visitor = await office.as_(login)
        await visitor.get("/console/meetings", 403)
        assert "/console/meetings" not in await visitor.get("/console/")


async def test_a_meeting_called_off_or_over_is_past(office: Office) -> None:
    visitor, _ = await hall(office)
    assert TOPIC in part(await visitor.get("/console/meetings"), "ahead")
    await call_off(office.stage)
    past = part(await visitor.get("/console/meetings"), "past")
    assert TOPIC in past and "已撤下" in past
    assert "不再邀请" in await visitor.get(f"/console/meetings/{LECTURE}")
    await announce(office.stage, meeting(OTHER, topic="另一场（试）"))
    await at(office, THEN + timedelta(hours=1))
    past = part(await visitor.get("/console/meetings"), "past")
    assert "另一场（试）" in past and "已批准" in past
    assert "已经结束" in await visitor.get(f"/console/meetings/{OTHER}")


async def test_without_meetings_the_pages_say_so(office: Office) -> None:
    visitor = await office.as_("zhou")
    shown = await visitor.get("/console/meetings")
    assert "近期没有会议" in shown and "还没有结束的会议" in shown
    assert "近期没有会议" in await visitor.get("/console/")
    path = f"/console/doctors/{office.doctors['zhou'].hex}"
    assert "近期没有适合这位医生的会议" in await visitor.get(path)
    for hostile in ("nothing", "..%2Fx", "%3Cscript%3E", "x" * 90, "a%00b", "%27%3B--"):
        await visitor.get(f"/console/meetings/{hostile}", 404)


async def test_a_topic_as_an_attacker_would_word_it_is_a_topic(office: Office) -> None:
    visitor, path = await ready(office, NOON)
    await announce(office.stage, meeting(topic=HOSTILE, speaker=HOSTILE, place="<b>x"))
    await invited(office, "zhou")
    for where in ("/console/", "/console/meetings", f"/console/meetings/{LECTURE}", path, f"{path}/brief"):
        shown = await visitor.get(where)
        assert "&lt;script&gt;" in shown and "<script>alert" not in shown and "<b>x" not in shown, where


async def test_the_brief_names_an_invitation_and_where_it_stands(office: Office) -> None:
    visitor, path = await hall(office)
    await invited(office, "zhou")
    shown = await visitor.get(f"{path}/brief")
    assert "等着邀请参会" in part(shown, "open") and TOPIC in part(shown, "open")
    assert "#meetings" in part(shown, "open") and "会议邀请" in part(shown, "open")
    await answered(office, "zhou", Answer.ACCEPTED)
    shown = await visitor.get(f"{path}/brief")
    assert "答应参会" in part(shown, "promised") and TOPIC not in part(shown, "open")
    await answered(office, "zhou", Answer.DECLINED)
    assert TOPIC not in await visitor.get(f"{path}/brief")


async def test_who_names_themselves_is_shown_as_such(office: Office) -> None:
    visitor, path = await hall(office)
    services, contact = office.stage.services, office.contacts["zhou"]
    async with services.db.begin() as tx:
        (lecture, *_) = await meetings.upcoming(tx, NOON)
        await meetings.join(tx, contact, lecture, uuid4(), NOON)
    assert "医生自己报名" in part(await visitor.get(path), "meetings")
    assert "自己报名" in await visitor.get(f"/console/meetings/{LECTURE}")
    for login in ("wei", "jiang"):
        section = part(await (await office.as_(login)).get(path), "meetings")
        assert "参加" in section and "<button" not in section
        assert ("/console/meetings/" in section) is (login == "wei"), "who may not open it has no link"


async def test_a_question_that_waits_stands_among_what_is_to_leave(office: Office) -> None:
    visitor, path = await hall(office)
    row, services = await invited(office, "zhou"), office.stage.services
    refs = {"invitation": row.id}
    turn = Trigger(
        office.contacts["zhou"], meetings.ASK, refs, Purpose.SERVICE, row.subject, key="x", expires_at=THEN
    )
    async with services.db.begin() as tx:
        assert await trigger(tx, services.vault, turn, NOON)
    assert "邀请参会" in part(await visitor.get(path), "queued")
