"""CRM 推送 over HTTP: an approval at the console is told; who keeps the list sees how it stands, not what."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from playwright.async_api import Browser, expect
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from bot.store import desk
from bot.store.database import CONSOLE, Database
from tests.console.conftest import HOSTILE, Office
from tests.console.test_own_visits import form
from tests.console.test_pages import WIDTHS, browser, looked_at, opened, pytestmark, sign_in
from tests.crm.double import CrmDouble, crm_double
from tests.stage import Stage
from tests.summaries import SAID, summarised

__all__ = ["browser", "pytestmark"]


@pytest.fixture
async def stage(stage: Stage) -> Stage:
    stage.services = replace(stage.services, crm=True)
    return stage


@pytest.fixture
async def double() -> AsyncIterator[CrmDouble]:
    async with crm_double() as made:
        yield made


async def test_an_approval_at_the_console_is_told_and_its_failure_shown(
    office: Office, double: CrmDouble
) -> None:
    services = office.stage.services
    visits = {whose: await summarised(services, office.contacts[whose]) for whose in ("zhou", "wu")}
    for login, visit in visits.items():
        await (await office.as_(login)).post(f"/console/summaries/{visit}/approve", version=1)
    double.answers = [410, 410]
    await double.deliver(services, office.stage.http)
    assert [payload["data"]["doctor"] for _, payload in double.told] == [HOSTILE, "李乙"]
    assert [payload["data"]["doctor_id"] for _, payload in double.told] == ["T-1", "T-2"]
    for login, seen in (("zheng", 2), ("yang", 2), ("alien", 0)):
        body = await (await office.as_(login)).get("/console/crm")
        assert body.count("推送失败") == seen, login
        assert SAID not in body and "script&gt;" not in body and "李乙" not in body
    for login in ("zhou", "wei", "zhu", "shen"):
        await (await office.as_(login)).get("/console/crm", 403)
    ((first,), (second,)) = await office.stage.rows("SELECT id FROM crm_delivery ORDER BY id")
    await (await office.as_("alien")).post(f"/console/crm/{first}/replay", 404)
    await (await office.as_("zhou")).post(f"/console/crm/{first}/replay", 403)
    await (await office.as_("zheng")).post(f"/console/crm/{first}/replay")
    await (await office.as_("yang")).post(f"/console/crm/{second}/replay")
    await double.deliver(services, office.stage.http)
    body = await (await office.as_("yang")).get("/console/crm")
    assert "没有等待或失败的推送" in body
    assert (await (await office.as_("yang")).get("/console/crm?filter=delivered")).count("再推送一次") == 2
    rows = await office.stage.rows("SELECT facts->>'login' FROM evidence WHERE kind = 'crm.replayed'")
    assert sorted(rows) == [("yang",), ("zheng",)]


async def test_an_amendment_at_the_console_is_told(office: Office, double: CrmDouble) -> None:
    visit = await summarised(office.stage.services, office.contacts["zhou"])
    visitor = await office.as_("zhou")
    await visitor.post(f"/console/summaries/{visit}/approve", version=1)
    refused = {"version": 1, "part": "0", "text": "这是最好的药", "reason": "错字"}
    await visitor.post(f"/console/summaries/{visit}/amend", 422, **refused)
    await visitor.post(
        f"/console/summaries/{visit}/amend", version=1, part="0", text="改过的话。", reason="错字"
    )
    for _ in range(2):
        await double.deliver(office.stage.services, office.stage.http)
    assert [payload["type"] for _, payload in double.told] == ["summary.approved", "summary.amended"]


async def test_a_visit_of_the_reps_own_is_told_under_its_own_label(office: Office, double: CrmDouble) -> None:
    rep, doctor = await office.as_("zhou"), office.doctors["zhou"].hex
    where = f"/console/doctors/{doctor}/own-visits"
    _, _, headers = await rep.ask("POST", where, data=form(office))
    path = headers["Location"]
    await rep.post(f"{path}/approve", version=1)
    await rep.post(f"{path}/amend", version=1, reason="地点写错", **form(office, place="药房"))
    for _ in range(2):
        await double.deliver(office.stage.services, office.stage.http)
    assert [(told["type"], told["data"]["label"]) for _, told in double.told] == [
        ("own_visit.approved", "代表拜访"),
        ("own_visit.amended", "代表拜访"),
    ]
    assert [told["data"]["place"] for _, told in double.told] == ["县医院门诊", "药房"]


async def test_the_consoles_role_reads_no_word_of_it(office: Office) -> None:
    visit = await summarised(office.stage.services, office.contacts["zhou"])
    await (await office.as_("zhou")).post(f"/console/summaries/{visit}/approve", version=1)
    reader = Database(office.stage.services.db.url, role=CONSOLE)
    try:
        for login, seen in (("yang", 1), ("zheng", 1), ("wu", 0), ("feng", 0)):
            async with reader.begin() as tx:
                await desk.become(tx, (await office.staff(login)).id)
                found = await tx.execute(text("SELECT count(id) FROM crm_delivery"))
                assert found.scalar_one() == seen, login
        with pytest.raises(ProgrammingError, match="permission denied"):
            async with reader.begin() as tx:
                await tx.execute(text("SELECT body_enc FROM crm_delivery"))
    finally:
        await reader.close()


@pytest.mark.parametrize("width", WIDTHS)
async def test_the_page_in_the_browser(
    browser: Browser, office: Office, double: CrmDouble, width: str
) -> None:
    services = office.stage.services
    visits = [await summarised(services, office.contacts["zhou"]) for _ in range(3)]
    rep = await office.as_("zhou")
    for visit in visits:
        await rep.post(f"/console/summaries/{visit}/approve", version=1)
    double.answers = [410, 500, 200]
    await double.deliver(services, office.stage.http)
    async with opened(browser, office, width) as page:
        await sign_in(page, office, "zheng")
        await page.get_by_role("link", name="CRM").click()
        await page.get_by_role("link", name="全部").click()
        await looked_at(page, f"crm-{width}")
        await expect(page.get_by_text("对方已停用这个地址（410）")).to_be_visible()
        await page.get_by_role("button", name="重新推送").last.click()
        await expect(page.get_by_role("status").filter(has_text="已重新排队")).to_be_visible()
    await office.stage.write("UPDATE crm_delivery SET retry_at = now()")
    await double.deliver(services, office.stage.http)
    states = await office.stage.rows("SELECT DISTINCT state FROM crm_delivery")
    assert states == [("delivered",)]
