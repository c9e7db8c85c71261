"""What a rep does for one doctor from the page: material, a time, an invitation, who it is; and the brief."""

from __future__ import annotations

import asyncio
import re
from datetime import datetime, timedelta
from typing import Any

from bot.clock import CHINA
from bot.doctors import issue_codes
from bot.store import doctors as doctor_rows
from bot.tasks import Kind, open_task
from tests.console.conftest import Office, Visitor
from tests.console.test_visiting import NIGHT, NOON, at
from tests.inbound.test_gateway import statements

MATERIAL, MESSAGE = "metformin-digest", "metformin-km-renal"


async def ready(office: Office, moment: datetime) -> tuple[Visitor, str]:
    """Content is in force here, the doctor within the platform's window; 周代表, and the doctor's page."""
    await at(office, moment)
    await office.stage.services.published.load()
    await office.stage.write("UPDATE inbox SET state = 'done' WHERE state = 'waiting'")  # no engine is here
    return await office.as_("zhou"), f"/console/doctors/{office.doctors['zhou'].hex}"


async def sent(office: Office) -> list[Any]:
    return await office.stage.rows(
        "SELECT state, purpose, subject, basis FROM outbox WHERE subject LIKE 'send:%' ORDER BY id"
    )


async def test_material_leaves_with_its_basis_and_a_link_of_the_doctors_own(office: Office) -> None:
    visitor, path = await ready(office, NOON)
    shown = await visitor.get(path)
    assert "现在可以发出" in shown and MATERIAL in shown
    await visitor.post(f"{path}/send", item=MATERIAL)
    ((state, purpose, subject, basis),) = await sent(office)
    assert (state, purpose, subject) == ("waiting", "promotion", f"send:{MATERIAL}@zhou")
    assert basis.startswith("response:utter_material_rep@")
    assert "这一份已经在等待发送" in await visitor.post(f"{path}/send", 409, item=MATERIAL)
    # That it leaves, and is read, the journey shows (tests/journeys/test_doctor_page.py).
    shown = await visitor.get(path)
    assert "周代表请我把这份资料发给您" in shown and "仅供医学药学专业人士阅读" in shown and "/m/" in shown
    assert "zhou 发送" in await visitor.get(path)
    await visitor.post(f"{path}/send", item=MESSAGE)
    assert (await sent(office))[1][3].startswith(f"content:{MESSAGE}@")


async def test_a_page_asks_once_where_to_write_and_what_binds_it(office: Office) -> None:
    visitor, path = await ready(office, NOON)
    await visitor.get(path)
    with statements() as asked:
        await visitor.get(path)
    once = {
        "where one may write": "SELECT contact.id, contact.channel, ",
        "the week": "SELECT contact.person_id, outbox.turn_id, outbox.sent_at AS moment",
        "conversations": "SELECT contact.person_id, turn.id AS turn_id",
        "windows": "SELECT contact_id, act, closes_at, allowance - used",
    }
    heads = [" ".join(sql.split()) for sql in asked]
    found = {what: sum(sql.startswith(head) for sql in heads) for what, head in once.items()}
    assert found == dict.fromkeys(once, 1)
    consents = sum("last.text_version" in sql for sql in asked)
    assert consents == 5, "for what binds us, their terms, their tags and suggestions, and whom a visit suits"
    assert len(asked) < 53, "the whole page"


async def test_what_cannot_leave_now_says_so_waits_and_is_recalled(office: Office) -> None:
    visitor, path = await ready(office, NIGHT)
    shown = await visitor.get(path)
    assert "现在是免打扰时间；点了以后先等着，12月2日" in shown.replace("明天08:00", "12月2日")
    assert "排队发送" in shown
    await visitor.post(f"{path}/send", item=MATERIAL)
    ((number,),) = await office.stage.rows("SELECT id FROM outbox WHERE subject LIKE 'send:%'")
    await office.stage.services.move_clock(NIGHT)  # the loops take the clock that all processes share
    async with office.stage.running():
        for _ in range(100):
            if (await office.stage.rows("SELECT fault FROM outbox WHERE id = :id", id=number))[0][0]:
                break
            await asyncio.sleep(0.1)
    page = await visitor.get(path)
    assert "等着发出的" in page and "现在不合适" in page and "再看" in page
    await (await office.as_("wu")).post(f"{path}/messages/{number}/recall", 404)
    await visitor.post(f"{path}/messages/{number}/recall")
    assert [row[0] for row in await sent(office)] == ["cancelled"]
    assert "收不回来" in await visitor.post(f"{path}/messages/{number}/recall", 409)


async def test_a_doctor_who_wants_none_of_it_gets_none(office: Office) -> None:
    visitor, path = await ready(office, NOON)
    await office.stage.write("UPDATE person SET stopped_at = now() WHERE id = :id", id=office.doctors["zhou"])
    shown = await visitor.get(path)
    assert "医生已要求不再主动联系" in shown
    for what, form in (
        ("send", {"item": MATERIAL}),
        ("appointment", {"kind": "call", "at": "2026-12-03T10:00"}),
    ):
        assert "医生已要求不再主动联系" in await visitor.post(f"{path}/{what}", 409, **form)
    assert await sent(office) == []
    assert not await office.stage.rows("SELECT 1 FROM appointment")


async def test_nothing_that_is_not_in_force_is_sent(office: Office) -> None:
    visitor, path = await ready(office, NOON)
    assert "已下线或已过期" in await visitor.post(f"{path}/send", 409, item="no-such-thing")
    await visitor.post(f"{path}/send", 404, item="../x")
    await visitor.get("/console/content/no-such-thing", 404)
    shown = await visitor.get(f"/console/content/{MATERIAL}")
    assert "修订" in shown and "仅供医学药学专业人士阅读" in shown


async def test_a_time_is_proposed_and_a_newer_one_takes_its_place(office: Office) -> None:
    visitor, path = await ready(office, NOON)
    for wrong in ("", "2026-12-01T10:00", "2027-06-01T10:00", "soon", "9999-12-31T10:00", "0001-01-01T10:00"):
        await visitor.post(f"{path}/appointment", 409, kind="call", at=wrong)
    assert "那时是免打扰时间" in await visitor.post(
        f"{path}/appointment", 409, kind="call", at="2026-12-03T03:00"
    )
    await visitor.post(f"{path}/appointment", 409, kind="dinner", at="2026-12-03T10:00")
    await visitor.post(f"{path}/appointment", kind="call", at="2026-12-03T10:00")
    await visitor.post(f"{path}/appointment", kind="visit", at="2026-12-04T15:00")
    rows = await office.stage.rows("SELECT kind, state, at FROM appointment ORDER BY id")
    assert [(kind, state) for kind, state, _ in rows] == [("call", "withdrawn"), ("visit", "waiting")]
    assert rows[1][2] == datetime(2026, 12, 4, 15, tzinfo=CHINA)
    timers = await office.stage.rows("SELECT name, purpose, next_due IS NULL FROM timer ORDER BY id")
    assert timers == [("appointment_ask", "promotion", True), ("appointment_ask", "promotion", False)]
    shown = await visitor.get(path)
    assert "等着问医生" in shown and "约到科室拜访" in shown


async def test_a_proposal_whose_hour_has_passed_is_asked_no_more(office: Office) -> None:
    visitor, path = await ready(office, NOON)
    await visitor.post(f"{path}/appointment", kind="call", at="2026-12-03T10:00")
    assert "等着问医生" in await visitor.get(path)
    await office.stage.write(
        "INSERT INTO occurrence (timer_id, action, due_at, state, reason) "
        "SELECT timer_id, 'trigger', proposed_at, 'cancelled', 'stopped' FROM appointment"
    )
    shown = await visitor.get(path)
    assert "没能问到" in shown and "等着问医生" not in shown, "its turn was refused"
    await office.stage.write("UPDATE appointment SET state = 'asked', asked = 1, asked_at = :now", now=NOON)
    assert "已问，等答复" in await visitor.get(path)
    await at(office, datetime(2026, 12, 3, 10, tzinfo=CHINA))
    shown = await visitor.get(path)
    assert "没有答复" in shown and "医生没有答复，时间已过" in shown and "等答复" not in shown


async def test_another_time_that_the_doctor_named_stands_until_then(office: Office) -> None:
    visitor, path = await ready(office, NOON)
    await visitor.post(f"{path}/appointment", kind="call", at="2026-12-03T10:00")
    named = datetime(2026, 12, 4, 15, tzinfo=CHINA)
    await office.stage.write(
        "UPDATE appointment SET state = 'other', other_at = :named, ended_at = :now", named=named, now=NOON
    )
    await at(office, datetime(2026, 12, 3, 12, tzinfo=CHINA))
    assert "医生想改到" in await visitor.get(f"{path}/brief"), "after the hour that was proposed"
    await at(office, named)
    assert "医生想改到" not in await visitor.get(f"{path}/brief")


async def test_a_day_begins_with_the_times_agreed_with_doctors(office: Office) -> None:
    visitor, path = await ready(office, NOON)
    assert "没有约好的时间" in await visitor.get("/console/")
    await visitor.post(f"{path}/appointment", kind="call", at="2026-12-03T10:00")
    assert "没有约好的时间" in await visitor.get("/console/"), "nobody has answered"
    await office.stage.write("UPDATE appointment SET state = 'agreed', ended_at = :now", now=NOON)
    shown = await visitor.get("/console/")
    assert '明天 10:00</time></b> <span class="soft">打电话 · 医生同意' in shown
    assert f"{path}#time" in shown
    assert "没有约好的时间" in await (await office.as_("wu")).get("/console/")
    assert "约好的时间" not in await (await office.as_("wei")).get("/console/")
    await at(office, datetime(2026, 12, 3, 18, tzinfo=CHINA))
    assert "没有约好的时间" not in await visitor.get("/console/"), "until the day is over"
    await office.stage.write("UPDATE appointment SET state = 'other'")
    assert "没有约好的时间" in await visitor.get("/console/"), "they have named no other"
    await office.stage.write(
        "UPDATE appointment SET other_at = :at", at=datetime(2026, 12, 3, 20, tzinfo=CHINA)
    )
    assert "今天 20:00</time></b>" in await visitor.get("/console/")
    await at(office, datetime(2026, 12, 4, 8, tzinfo=CHINA))
    assert "没有约好的时间" in await visitor.get("/console/")


async def listed(office: Office) -> None:
    """The doctor is on the list with a phone, and has not come yet."""
    services, person = office.stage.services, office.doctors["wu"]
    async with services.db.begin() as tx:
        phone = await services.vault.seal(tx, person, "13800001234", "doctor.phone")
    await office.stage.write("DELETE FROM contact WHERE person_id = :id", id=person)
    await office.stage.write(
        "UPDATE doctor SET verified_at = NULL, verified_by = NULL, phone_enc = :phone, identity_hmac = 'x' "
        "WHERE person_id = :id",
        phone=phone,
        id=person,
    )


async def test_an_invitation_is_a_card_shown_once_whose_qr_code_carries_the_code(office: Office) -> None:
    await listed(office)
    visitor, path = await office.as_("wu"), f"/console/doctors/{office.doctors['wu'].hex}"
    assert "生成邀请卡" in await visitor.get(path)
    card = await visitor.post(f"{path}/invitation", 200)
    (code,) = re.findall(r'invitation-code">([0-9A-Z-]{14})<', card)
    (url,) = re.findall(r"<code>(http://weixin\.qq\.com/q/[^<]+)</code>", card)
    assert 'class="qr"' in card
    (call,) = await office.stage.calls("qrcode/create")
    asked = call["request"] if isinstance(call.get("request"), dict) else call
    assert code.replace("-", "") in str(asked) and url
    page = await visitor.get(path)
    assert code not in page and "wu 签发" in page and "之前那张立即作废" in page
    again = await visitor.post(f"{path}/invitation", 200)
    assert code not in again
    assert len(await office.stage.rows("SELECT 1 FROM invitation_code")) == 1, "the earlier one is void"
    await (await office.as_("zhou")).post(f"{path}/invitation", 404)


async def test_without_the_platform_there_is_a_code_and_why_there_is_no_picture(office: Office) -> None:
    await listed(office)
    await office.stage.fault("errcode", api="qrcode/create", errcode=48001)
    visitor, path = await office.as_("wu"), f"/console/doctors/{office.doctors['wu'].hex}"
    card = await visitor.post(f"{path}/invitation", 200)
    assert "invitation-code" in card and "平台账号没有权限" in card and 'class="qr"' not in card


async def test_who_is_verified_or_cannot_be_matched_is_not_invited(office: Office) -> None:
    visitor, path = await office.as_("wu"), f"/console/doctors/{office.doctors['wu'].hex}"
    assert "医生已经认证" in await visitor.post(f"{path}/invitation", 409)
    await office.stage.write("UPDATE doctor SET verified_at = NULL, verified_by = NULL")
    assert "没有手机号" in await visitor.post(f"{path}/invitation", 409)
    assert not await office.stage.rows("SELECT 1 FROM invitation_code")


async def waiting(office: Office, detail: str) -> int:
    """Somebody on no list waits to be recognised by 吴代表."""
    services = office.stage.services
    async with services.db.begin() as tx:
        number, _ = await open_task(
            tx,
            services.vault,
            Kind.IDENTITY,
            now=services.clock.now(),
            contact=office.contacts["newcomer"],
            detail=detail,
        )
    wu = await office.staff("wu")
    await office.stage.write("UPDATE task SET owner_id = :wu WHERE id = :id", wu=wu.id, id=number)
    return number


SAID = "姓名：李乙\n医院：示例县人民医院\n手机：13800009999\n名单匹配：T-2、T-1"


async def test_who_waits_is_confirmed_beside_the_row_of_the_list(office: Office) -> None:
    number = await waiting(office, SAID)
    visitor, path = await office.as_("wu"), f"/console/verifications/{number}"
    assert path in await visitor.get("/console/")
    shown = await visitor.get(path)
    assert "确认是 李乙" in shown and "一致" in shown and "不同" in shown
    assert "另有 1 位对得上，但不在您负责的范围内" in shown
    (seen,) = set(re.findall(r'name="seen" value="([0-9a-f]+)"', shown))
    await (await office.as_("zhou")).get(path, 404)
    await (await office.as_("wei")).get(path, 403)
    assert "没有这个编号" in await visitor.post(f"{path}/confirm", 409, seen=seen, doctor="T-1")
    stale = await visitor.post(f"{path}/confirm", 409, seen="0" * 16, doctor="T-2")
    assert "情况有了变化" in stale
    await visitor.post(f"{path}/confirm", seen=seen, doctor="T-2")
    newcomer = office.contacts["newcomer"].id
    rows = await office.stage.rows("SELECT person_id FROM contact WHERE id = :id", id=newcomer)
    assert rows == [(office.doctors["wu"],)]
    assert [
        one for (one,) in await office.stage.rows("SELECT outcome FROM task WHERE id = :id", id=number)
    ] == ["confirmed"]
    told = await office.stage.rows("SELECT basis FROM outbox WHERE contact_id = :id", id=newcomer)
    assert "utter_verify_done" in told[0][0]
    await visitor.post(f"{path}/decline", 409, seen=seen)


async def test_who_is_not_known_is_told_to_try_again(office: Office) -> None:
    number = await waiting(office, "姓名：路人\n医院：未提供\n手机：未提供\n名单匹配：无")
    visitor, path = await office.as_("wu"), f"/console/verifications/{number}"
    shown = await visitor.get(path)
    assert "名单里没有对得上的医生" in shown
    (seen,) = set(re.findall(r'name="seen" value="([0-9a-f]+)"', shown))
    await visitor.post(f"{path}/decline", seen=seen)
    ((outcome,),) = await office.stage.rows("SELECT outcome FROM task WHERE id = :id", id=number)
    told = await office.stage.rows(
        "SELECT basis FROM outbox WHERE contact_id = :id", id=office.contacts["newcomer"].id
    )
    assert outcome == "declined" and "utter_verify_again" in told[0][0]


async def test_the_brief_names_a_source_for_every_line_and_no_word_of_a_request(office: Office) -> None:
    visitor, path = await ready(office, NOON)
    services, contact = office.stage.services, office.contacts["zhou"]
    async with services.db.begin() as tx:
        now = services.clock.now()
        asked, _ = await open_task(
            tx,
            services.vault,
            Kind.MEDICAL_INFORMATION,
            now=now,
            contact=contact,
            detail="超说明书的秘密问题",
        )
        await open_task(tx, services.vault, Kind.HAND_OVER, now=now, contact=contact, detail="请代表带份样刊")
    await visitor.post(f"{path}/appointment", kind="call", at="2026-12-03T10:00")
    await office.stage.write("UPDATE appointment SET state = 'agreed', ended_at = :now", now=NOON)
    shown = await visitor.get(f"{path}/brief")
    assert "秘密" not in shown and f"#{asked}" in shown
    for words in ("二甲双胍的资料有吗", "请代表带份样刊", "答应联系", "答应答复", "约好打电话", "（修订 1）"):
        assert words in shown, words
    sections = re.findall(r"<section.*?</section>", shown, re.S)
    assert len(sections) == 4
    for line in re.findall(r"<li>.*?</li>", "".join(sections), re.S):
        href = re.search(r'class="source">.*?href="(/console/[^"#]*)', line, re.S)
        assert href, line
        await visitor.get(href[1])
    await (await office.as_("wu")).get(f"{path}/brief", 404)
    assert f"{path.replace(office.doctors['zhou'].hex, str(office.doctors['zhou']))}/brief" in (
        await visitor.get("/console/")
    )
    assert await office.stage.rows("SELECT 1 FROM evidence WHERE kind = 'brief.read'")


async def test_the_timeline_holds_what_is_no_message(office: Office) -> None:
    visitor, path = await ready(office, NOON)
    services = office.stage.services
    await visitor.post(f"{path}/send", item=MATERIAL)
    sent_at = NOON + timedelta(minutes=1)
    await office.stage.write(
        "INSERT INTO material_open (sent_id, contact_id, person_id, opened_at, began_at, forwarded) "
        "SELECT id, contact_id, person_id, :at, :at, false FROM material_sent",
        at=sent_at,
    )
    shown = await visitor.get(path)
    assert "打开资料" in shown and "通过身份核对" in shown
    assert await issue_codes(services.db, services.vault.keyring, services.clock, ["T-1"]) == []
    async with services.db.begin() as tx:
        assert await doctor_rows.invitation_of(tx, office.doctors["zhou"]) is None
