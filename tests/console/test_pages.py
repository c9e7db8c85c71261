"""Every page in a real browser, on a desk and in a hand: nothing breaks, axe finds nothing, it is live."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, Route, async_playwright, expect

from bot import staff
from bot.content import seed_content
from bot.model import Basis, BasisKind, Purpose
from bot.settings import ROOT
from bot.staff import Role, today
from bot.store.outbox import Draft, Part
from bot.tasks import Kind, open_task
from console.files import FILES
from tests.console.conftest import PASSWORD, Office
from tests.console.test_searching import hear
from tests.sandbox.test_page import ARTIFACTS, CHROMIUM, FLAGS

AXE = (ROOT / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
WIDTHS = {"desk": (1280, 800), "hand": (390, 844)}
pytestmark = pytest.mark.skipif(
    not CHROMIUM.exists(), reason="needs a browser: apt-get install -y chromium fonts-noto-cjk"
)


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        await launched.close()


@asynccontextmanager
async def opened(browser: Browser, office: Office, width: str) -> AsyncIterator[Page]:
    """A browser of its own; nothing may break in it, and nothing is fetched from elsewhere."""
    wide, high = WIDTHS[width]
    context = await browser.new_context(viewport={"width": wide, "height": high}, locale="zh-CN")
    page = await context.new_page()
    trouble: list[str] = []
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("console", lambda message: message.type == "error" and trouble.append(message.text))
    page.on("request", lambda one: one.url.startswith((office.url, "data:")) or trouble.append(one.url))
    page.set_default_timeout(15_000)
    yield page
    await context.close()
    # What Chromium calls an error, too: a refused form (401, 409, 422), and a stream that ends (an event).
    assert [line for line in trouble if "status of 4" not in line and line != "[object Event]"] == []


async def sign_in(page: Page, office: Office, login: str, password: str = PASSWORD) -> None:
    await page.goto(f"{office.url}/console/")
    await page.get_by_label("登录名").fill(login)
    await page.get_by_label("密码").fill(password)
    await page.keyboard.press("Enter")
    await expect(page).not_to_have_url(f"{office.url}/console/sign-in")


async def looked_at(page: Page, name: str) -> None:
    """A picture of the page, and what axe finds."""
    ARTIFACTS.mkdir(exist_ok=True)
    await page.screenshot(path=ARTIFACTS / f"console-{name}.png", full_page=True)
    await page.evaluate(AXE)
    found = await page.evaluate(
        "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'best-practice']})"
    )
    assert [
        (one["id"], [node["html"][:160] for node in one["nodes"]]) for one in found["violations"]
    ] == [], name
    overflow = await page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert overflow <= 0, name


async def busy(office: Office) -> None:
    """A working day: somebody waits, something is overdue, a message was refused, a registration ends."""
    stage = office.stage
    services, now = stage.services, stage.services.clock.now()
    zhou, wu = office.contacts["zhou"], office.contacts["wu"]
    async with services.db.begin() as tx:
        await open_task(
            tx,
            services.vault,
            Kind.HAND_OVER,
            now=now - timedelta(minutes=42),
            contact=zhou,
            detail="想请代表介绍一下肾功能不全的用法",
        )
        await open_task(
            tx,
            services.vault,
            Kind.FEEDBACK,
            now=now - timedelta(days=6),
            contact=zhou,
            detail="回答没有说到肾功能",
        )
        await open_task(
            tx, services.vault, Kind.MEDICAL_INFORMATION, now=now, contact=zhou, detail="超说明书的问题"
        )
        await open_task(tx, services.vault, Kind.HAND_OVER, now=now, contact=wu)
    await stage.queue()
    forged = Draft(
        (Part("这句话没有依据，所以没有发出。", Basis(BasisKind.RESPONSE, "utter_greet", "0")),),
        Purpose.REPLY,
    )
    row = await stage.queue(draft=forged)
    await stage.write("UPDATE outbox SET state = 'blocked', fault = 'no_basis' WHERE id = :id", id=row)
    await stage.write(
        "INSERT INTO appointment (contact_id, person_id, staff_id, kind, at, state, proposed_at, ended_at) "
        "SELECT :contact, :person, id, 'call', :at, 'agreed', :now, :now FROM staff WHERE login = 'zhou'",
        contact=zhou.id,
        person=zhou.person_id,
        at=now + timedelta(hours=30),
        now=now,
    )
    held = await stage.queue(purpose=Purpose.SERVICE)
    await stage.write("UPDATE outbox SET state = 'held', fault = 'window_closed' WHERE id = :id", id=held)
    await stage.write("UPDATE doctor SET name_enc = name_enc, interests = ARRAY['糖尿病', '肾功能不全用药']")
    await office.registered("zhou", today(now) + timedelta(days=20))


@pytest.mark.parametrize("width", WIDTHS)
async def test_a_search_goes_on_in_the_page(
    browser: Browser, office: Office, width: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.desk.searching.MESSAGES", 3)
    now = office.stage.services.clock.now()
    for number in range(7):
        words = f"肌酐清除率第{number}次：估算肾小球滤过率四十，二甲双胍要不要减量，请把资料发我看看，谢谢。"
        await hear(office, "zhou", words, now - timedelta(days=9 - number))
    async with opened(browser, office, width) as page:
        await sign_in(page, office, "zhou")
        await page.goto(f"{office.url}/console/conversations")
        await page.get_by_role("searchbox").fill("滤过率")
        await page.keyboard.press("Enter")
        await expect(page.locator("mark")).to_have_count(3)
        await expect(page.locator("#further")).to_contain_text("已查最近 3 条消息，至")
        await looked_at(page, f"search-{width}")
        further = page.get_by_role("link", name="继续往前查")
        await further.focus()
        await page.keyboard.press("Enter")
        await expect(page.locator("mark")).to_have_count(6)
        await expect(further).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.get_by_text("没有更早的消息了")).to_be_visible()
        await expect(page.locator("mark")).to_have_count(7)
        await looked_at(page, f"search-end-{width}")
        await page.locator("mark").nth(4).click()
        await expect(page.locator(".msg:target")).to_contain_text("第2次")
        await looked_at(page, f"search-found-{width}")


@pytest.mark.parametrize("width", WIDTHS)
async def test_the_pages_of_a_day(browser: Browser, office: Office, width: str) -> None:
    await busy(office)
    async with opened(browser, office, width) as page:
        await page.goto(f"{office.url}/console/sign-in")
        await looked_at(page, f"sign-in-{width}")
        await sign_in(page, office, "zhou")
        await expect(page.get_by_role("heading", name="等人工回复")).to_be_visible()
        await expect(page.get_by_text("已逾期").first).to_be_visible()
        await expect(page.locator("section[aria-labelledby=dates]")).to_contain_text("打电话 · 医生同意")
        await expect(page.get_by_text("备案还有 20 天到期")).to_be_visible()
        await looked_at(page, f"day-{width}")
        for path, name in (
            ("/doctors", "doctors"),
            (f"/doctors/{office.doctors['zhou']}", "doctor"),
            ("/conversations", "conversations"),
            (f"/conversations/{office.contacts['zhou'].id}", "conversation"),
            ("/account", "account"),
            ("/password", "password"),
            ("/nowhere", "not-found"),
        ):
            await page.goto(f"{office.url}/console{path}")
            await looked_at(page, f"{name}-{width}")


@pytest.mark.parametrize("width", WIDTHS)
async def test_a_conversation_is_taken_answered_and_given_back(
    browser: Browser, office: Office, width: str
) -> None:
    await busy(office)
    contact = office.contacts["zhou"].id
    async with opened(browser, office, width) as page:
        await sign_in(page, office, "zhou")
        await page.goto(f"{office.url}/console/conversations/{contact}")
        await page.get_by_role("button", name="由我处理").click()
        box = page.get_by_label("以您本人的名义回复")
        await box.press_sequentially("这是最好的药，送您红包，电话13900000001")
        await expect(page.locator("#flags mark.hard").first).to_have_text("是最好")
        await expect(page.locator("#flags")).to_contain_text("请留意")
        await looked_at(page, f"flags-{width}")
        await page.get_by_role("button", name="发送").click()
        await expect(page.get_by_role("alert")).to_contain_text("不能发出")
        await expect(box).to_have_value("这是最好的药，送您红包，电话13900000001")
        await box.fill("您好，资料下午给您带过去。")
        await box.press("Control+Enter")
        sent = page.locator(".msg.out", has_text="资料下午给您带过去")
        await expect(sent).to_contain_text("我")
        await expect(sent).to_contain_text("等待发送")
        await looked_at(page, f"reply-{width}")
        await page.get_by_role("button", name="交还给 AI").click()
        await expect(page.get_by_text("AI 应答中")).to_be_visible()
    assert await office.stage.rows("SELECT ended_at IS NOT NULL FROM takeover") == [(True,)]


async def test_what_happens_before_the_stream_opens_appears_as_well(browser: Browser, office: Office) -> None:
    stage, contact = office.stage, office.contacts["zhou"]
    services = stage.services
    async with opened(browser, office, "desk") as page, stage.running():
        await sign_in(page, office, "zhou")

        async def late(route: Route) -> None:
            async with services.db.begin() as tx:
                await open_task(tx, services.vault, Kind.HAND_OVER, now=services.clock.now(), contact=contact)
            await route.continue_()

        await page.route("**/day/live*", late)
        await page.goto(f"{office.url}/console/")
        await expect(page.locator(".wait .clock")).to_contain_text("已等")


async def test_what_happens_appears_by_itself(browser: Browser, office: Office) -> None:
    stage = office.stage
    async with opened(browser, office, "desk") as page, stage.running():
        await sign_in(page, office, "zhou")
        await expect(page.get_by_text("现在没有人在等")).to_be_visible()
        services, contact = stage.services, office.contacts["zhou"]
        async with services.db.begin() as tx:
            await open_task(tx, services.vault, Kind.HAND_OVER, now=services.clock.now(), contact=contact)
        await expect(page.locator(".wait .clock")).to_contain_text("已等")
        await page.goto(f"{office.url}/console/conversations/{contact.id}")
        await page.get_by_role("button", name="由我处理").click()
        await page.get_by_label("以您本人的名义回复").fill("正在写")
        await stage.phone.send(type="text", content="我又想起一个问题", wait=True)
        await expect(page.get_by_text("我又想起一个问题")).to_be_visible()
        await expect(page.get_by_label("以您本人的名义回复")).to_have_value("正在写")
        async with services.db.begin() as tx:
            await staff.disable(tx, "zhou", services.clock.now(), by="test")
        await expect(page).to_have_url(f"{office.url}/console/sign-in")


@pytest.mark.parametrize("width", WIDTHS)
async def test_the_first_day_of_a_reviewer(browser: Browser, office: Office, width: str) -> None:
    async with office.stage.services.db.begin() as tx:
        one_time = await staff.add(tx, "chief", [Role.MEDICAL], office.stage.services.clock.now(), by="test")
    async with opened(browser, office, width) as page:
        await sign_in(page, office, "chief", one_time)
        await looked_at(page, f"first-password-{width}")
        await page.get_by_label("新密码").fill("correct horse battery")
        await page.get_by_label("再输入一次").fill("correct horse battery")
        await page.keyboard.press("Enter")
        await expect(page.locator("svg.qr")).to_be_visible()
        await looked_at(page, f"enrol-{width}")


async def test_by_keyboard_alone(browser: Browser, office: Office) -> None:
    async with opened(browser, office, "desk") as page:
        await sign_in(page, office, "zhou")
        await expect(page.get_by_role("heading", name="我的一天")).to_be_visible()
        await page.keyboard.press("Tab")
        await expect(page.get_by_text("跳到内容")).to_be_focused()
        await page.keyboard.press("Enter")
        focused: Any = await page.evaluate("document.activeElement.id")
        assert focused == "main"


def test_what_is_served_is_there() -> None:
    missing = [name for name, path in FILES.items() if not Path(path).exists()]
    assert missing == []


@pytest.mark.parametrize("width", WIDTHS)
async def test_a_conversation_is_noted_answered_with_what_is_approved_and_given_on(
    browser: Browser, office: Office, width: str
) -> None:
    await busy(office)
    services = office.stage.services
    await seed_content(services.db, services.clock.now())
    await services.published.load()
    contact = office.contacts["zhou"].id
    async with opened(browser, office, width) as page:
        await sign_in(page, office, "zhou")
        await page.goto(f"{office.url}/console/conversations/{contact}")
        await page.get_by_role("button", name="由我处理").click()
        await page.get_by_text("写备注").click()
        noted = page.get_by_label("备注（同事可见")
        await noted.press_sequentially("就说疗效显著")
        await expect(page.locator("#note-flags mark.hard")).to_have_text("疗效显著")
        await noted.fill("医生周五下午门诊，先别打电话")
        await page.get_by_role("button", name="保存备注").click()
        await expect(page.locator(".notes")).to_contain_text("先别打电话")
        await page.get_by_text("审批过的回复").click()
        call = page.locator(".phrases li", has_text="打电话，您看方便吗")
        await call.get_by_label("时间").fill("2020-01-01T09:00")
        await call.get_by_role("button", name="发送这条").click()
        await expect(page.get_by_role("alert")).to_contain_text("时间要晚于现在")
        await page.get_by_text("转给同事").click()
        await looked_at(page, f"handing-{width}")
        call = page.locator(".phrases li", has_text="打电话，您看方便吗")
        tomorrow = services.clock.now() + timedelta(days=1)
        await call.get_by_label("时间").fill(f"{tomorrow:%Y-%m-%dT}15:30")
        await call.get_by_role("button", name="发送这条").click()
        await expect(page.locator(".msg.out", has_text="给您打电话")).to_contain_text("我")
        await page.get_by_role("link", name="选发资料和关键信息").click()
        await page.get_by_label("按产品、问题或资料名查找").fill("二甲双胍 肾功能")
        await page.keyboard.press("Enter")
        await expect(page.locator(".approved li").first).to_contain_text("二甲双胍")
        await looked_at(page, f"approved-{width}")
        await page.get_by_role("button", name="发原文").first.click()
        await expect(page.locator(".msg.out").last).to_contain_text("等待发送")
        await page.get_by_text("转给同事").click()
        await page.get_by_label("转给谁").select_option("zheng")
        await page.get_by_label("交接说明").fill("医生想谈会议")
        await page.get_by_role("button", name="转交").click()
        await expect(page.get_by_text("郑经理 处理中")).to_be_visible()
        await expect(page.locator(".notes")).to_contain_text("医生想谈会议")
        await looked_at(page, f"given-{width}")
