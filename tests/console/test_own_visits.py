"""代表拜访 at the console: logged on the doctor's page, filled from the chat, watched, reviewed."""

from __future__ import annotations

import io
import json
import re
from datetime import timedelta

import docx
import pytest
from playwright.async_api import Browser, expect

from bot.clock import CHINA
from bot.people import takeover
from bot.tasks import Kind, open_task
from tests.console.conftest import HOSTILE, Office
from tests.console.test_pages import WIDTHS, browser, looked_at, opened, pytestmark, sign_in
from tests.console.test_summaries import file
from tests.summaries import summarised

__all__ = ["browser", "pytestmark"]
ASKED = "周代表您好，二甲双胍的资料有吗"  # what the phone wrote in `office`
OFF_LABEL = "多囊卵巢的姑娘能不能用这个药减重"
ANSWERED = "资料我明天带到门诊。"


def form(office: Office, **parts: str) -> dict[str, str]:
    at = (office.stage.services.clock.now() - timedelta(hours=1)).astimezone(CHINA)
    return {
        "visited_at": at.strftime("%Y-%m-%dT%H:%M"),
        "place": "县医院门诊",
        "topics": "二甲双胍",
        "discussed": "介绍了肾功能不全患者的用法用量。",
        "next_step": "下周送资料",
        **parts,
    }


async def spoken(office: Office) -> int:
    """周代表 took the conversation over, answered, and gave it back; the takeover's id."""
    stage, contact = office.stage, office.contacts["zhou"]
    services, now = stage.services, stage.services.clock.now()
    await stage.phone.send(type="text", content=OFF_LABEL, wait=True)
    await stage.write(
        "INSERT INTO turn (id, contact_id, state, fence, lease_until, started_at, route) "
        "VALUES (gen_random_uuid(), :contact, 'done', 1, now(), now(), 'medical_information')",
        contact=contact.id,
    )
    await stage.write(
        "UPDATE inbox SET turn_id = (SELECT id FROM turn) WHERE id = (SELECT max(id) FROM inbox)"
    )
    async with services.db.begin() as tx:
        held = await takeover.start(tx, contact, "zhou", now, services.limits)
        await takeover.say(tx, services.vault, contact, "zhou", ANSWERED, now, services.limits)
        await takeover.end(tx, contact, "zhou", services.clock.now())
    return held.id


async def test_it_is_logged_reviewed_and_told_apart(office: Office) -> None:
    doctor = office.doctors["zhou"].hex
    await summarised(office.stage.services, office.contacts["zhou"])
    rep = await office.as_("zhou")
    assert "登记拜访" in await rep.get(f"/console/doctors/{doctor}")
    _, _, headers = await rep.ask("POST", f"/console/doctors/{doctor}/own-visits", data=form(office))
    path = headers["Location"]
    assert re.fullmatch(r"/console/own-visits/\d+", path)
    assert path in await rep.get(f"/console/doctors/{doctor}")
    assert path in await rep.get("/console/own-visits")
    body = await rep.get("/console/summaries")
    assert path not in body and "1 份待审阅" in body, "the AI's are counted alone"
    await rep.post(f"{path}/edit", version=1, **form(office, place="县医院住院部"))
    assert "有了改动" in await rep.post(f"{path}/edit", 409, version=1, **form(office, place="别处"))
    await rep.post(f"{path}/approve", 409, version=1)
    await rep.post(f"{path}/approve", version=2)
    assert "更正须写明原因" in await rep.post(f"{path}/amend", 422, version=2, reason="", **form(office))
    await rep.post(f"{path}/amend", version=2, reason="地点写错", **form(office))
    body = await rep.get(path)
    assert "原因：地点写错" in body and "<del>" in body and "AI拜访" not in body
    told = json.loads((await file(rep, f"{path}/file/json"))[0])
    assert (told["label"], told["state"], told["visitor"]) == ("代表拜访", "amended", "周代表")
    assert f'href="{path}/file/docx"' in body
    data, disposition = await file(rep, f"{path}/file/docx")
    assert disposition == f'attachment; filename="own-visit-{path.rpartition("/")[2]}.docx"'
    word = docx.Document(io.BytesIO(data))
    cells = [cell.text for row in word.tables[0].rows for cell in row.cells]
    said = "\n".join([*(one.text for one in word.paragraphs), *cells])
    assert "拜访记录" in said and "代表本人拜访" in said and "AI" not in said
    for part in (
        "周代表",
        "县医院门诊（代表拜访）",
        "二甲双胍",
        "介绍了肾功能",
        "下周送资料",
        "地点写错",
        HOSTILE,
    ):
        assert part in said
    await rep.get(f"{path}/file/pdf", 404)
    await (await office.as_("wu")).get(f"{path}/file/docx", 404)
    rows = await office.stage.rows("SELECT facts->>'file' FROM evidence WHERE kind = 'own_visit.downloaded'")
    assert rows == [("json",), ("docx",)]
    assert path in await (await office.as_("zheng")).get("/console/own-visits?filter=all")
    for login, status in (("wu", 404), ("alien", 404), ("yang", 403), ("feng", 403)):
        await (await office.as_(login)).get(path, status)
    await (await office.as_("wu")).post(f"/console/doctors/{doctor}/own-visits", 404, **form(office))


async def test_what_is_refused_stays_in_the_form_and_on_the_record(office: Office) -> None:
    doctor, rep = office.doctors["zhou"].hex, await office.as_("zhou")
    where = f"/console/doctors/{doctor}/own-visits"
    body = await rep.post(where, 422, **form(office, discussed="我说这是最好的降糖药"))
    assert '<mark class="hard">是最好</mark>' in body and "没有保存" in body and "县医院门诊" in body
    assert "是最好" in await rep.post(f"{where}/watch", 200, discussed="这是最好的药")
    assert "拜访时间" in await rep.post(where, 422, **form(office, visited_at="2199-01-01T00:00"))
    assert "产品或话题" in await rep.post(where, 422, **form(office, topics=""))
    await rep.post(where, **form(office, discussed="医生的手机号是13900000001。"))
    facts = await office.stage.rows(
        "SELECT kind, facts->'rules' FROM evidence WHERE kind IN ('own_visit.refused', 'own_visit.warned') "
        "ORDER BY id"
    )
    assert facts == [("own_visit.refused", ["absolute_claim"]), ("own_visit.warned", ["personal_data"])]


async def test_the_chat_of_a_takeover_fills_it_but_for_what_went_elsewhere(office: Office) -> None:
    number, doctor = await spoken(office), office.doctors["zhou"].hex
    rep = await office.as_("zhou")
    link = f"/console/doctors/{doctor}/own-visits/new?takeover={number}"
    assert link in await rep.get(f"/console/doctors/{doctor}")
    body = await rep.get(link)
    assert f"医生：{ASKED}" in body and f"我：{ANSWERED}" in body and "微信" in body
    assert OFF_LABEL not in body and "减重" not in body
    await (await office.as_("zheng")).get(link, 404)
    where = f"/console/doctors/{doctor}/own-visits"
    refused = form(office, takeover=str(number), discussed="这是最好的药")
    assert f'name="takeover" value="{number}"' in await rep.post(where, 422, **refused)
    await rep.post(where, **form(office, takeover=str(number)))
    assert await office.stage.rows("SELECT takeover_id, contact_id IS NOT NULL FROM own_visit") == [
        (number, True)
    ]
    assert link not in await rep.get(f"/console/doctors/{doctor}")
    await rep.post(where, 404, **form(office, takeover=str(number)))


@pytest.mark.parametrize("width", WIDTHS)
async def test_in_the_browser(browser: Browser, office: Office, width: str) -> None:
    number, doctor = await spoken(office), office.doctors["zhou"].hex
    services, now = office.stage.services, office.stage.services.clock.now()
    async with services.db.begin() as tx:
        await open_task(tx, services.vault, Kind.HAND_OVER, now=now, contact=office.contacts["zhou"])
    async with opened(browser, office, width) as page:
        await sign_in(page, office, "zhou")
        await page.goto(f"{office.url}/console/doctors/{doctor}")
        await looked_at(page, f"own-visit-doctor-{width}")
        await page.get_by_role("link", name="接手的对话").click()
        await expect(page.get_by_label("沟通内容")).to_have_value(re.compile(ANSWERED))
        await page.get_by_label("产品或话题").fill("二甲双胍")
        await page.get_by_label("下一步").fill("这是最好的药")
        await expect(page.locator("mark.hard")).to_have_text("是最好")
        await looked_at(page, f"own-visit-new-{width}")
        await page.get_by_role("button", name="保存").click()
        await expect(page.get_by_role("alert")).to_contain_text("没有保存")
        await expect(page.get_by_label("下一步")).to_have_value("这是最好的药")
        await page.get_by_label("下一步").fill("明天带资料到门诊")
        await page.get_by_role("button", name="保存").click()
        await expect(page.get_by_text("代表拜访").first).to_be_visible()
        await page.get_by_role("button", name="批准").click()
        await expect(page.get_by_text("已批准")).to_be_visible()
        await page.locator("summary", has_text="更正").click()
        await page.get_by_label("地点或渠道").fill("门诊")
        await page.get_by_label("更正原因").fill("在门诊见面")
        await looked_at(page, f"own-visit-amending-{width}")
        await page.get_by_role("button", name="保存更正").click()
        await expect(page.get_by_text("原因：在门诊见面")).to_be_visible()
        await looked_at(page, f"own-visit-{width}")
        await page.goto(f"{office.url}/console/own-visits?filter=all")
        await looked_at(page, f"own-visits-{width}")
    rows = await office.stage.rows("SELECT state, version, takeover_id FROM own_visit")
    assert rows == [("amended", 2, number)]
