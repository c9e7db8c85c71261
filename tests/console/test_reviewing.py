"""拜访纪要 in a real browser: what shows a sentence is marked, and ten drafts are reviewed by keyboard."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.async_api import Browser, Page, expect

from bot.model import Basis, BasisKind, Purpose
from bot.store.outbox import Draft, Part
from tests.console.conftest import Office
from tests.console.test_pages import WIDTHS, browser, looked_at, opened, pytestmark, sign_in
from tests.summaries import SAID, STATEMENTS, summarised

__all__ = ["browser", "pytestmark"]
MOST = 40  # presses for ten drafts


async def told(office: Office) -> int:
    """A visit with a conversation: the doctor's words show its second sentence."""
    stage = office.stage
    services, contact = stage.services, office.contacts["zhou"]
    await stage.phone.send(type="text", content=SAID, wait=True)
    first, second = [number for (number,) in await stage.rows("SELECT id FROM inbox ORDER BY id")]
    turns = {}
    for number in (first, second):
        ((turn,),) = await stage.rows("SELECT gen_random_uuid()")
        turns[number] = turn
        await stage.write(
            "INSERT INTO turn (id, contact_id, state, fence, lease_until, started_at) "
            "VALUES (:id, :contact, 'done', 1, now(), now())",
            id=turn,
            contact=contact.id,
        )
        await stage.write("UPDATE inbox SET turn_id = :turn WHERE id = :id", turn=turn, id=number)
    for text, number in (
        ("刘医生您好，我是虚拟代表，占用您一分钟，方便吗？", first),
        ("请看这条关键信息。", second),
    ):
        part = Part(text, Basis(BasisKind.RESPONSE, "utter_greet", "0"))
        row = await stage.queue(draft=Draft((part,), Purpose.REPLY))
        await stage.write("UPDATE outbox SET turn_id = :turn WHERE id = :id", turn=turns[number], id=row)
    answered = {
        "question": "二甲双胍最大剂量是多少",
        "answers": ["metformin_dose@1"],
        "documents": ["《盐酸二甲双胍片说明书》2023"],
        "turns": [second],
    }
    visit = await summarised(services, contact, [second], questions=[answered], requests=["hand_over:7"])
    await stage.write(
        "UPDATE visit SET begun_at = :at WHERE id = :id",
        at=services.clock.now() - timedelta(minutes=5),
        id=visit,
    )
    return visit


@pytest.mark.parametrize("width", WIDTHS)
async def test_a_sentence_shows_its_messages_and_is_edited(
    browser: Browser, office: Office, width: str
) -> None:
    visit = await told(office)
    async with opened(browser, office, width) as page:
        await sign_in(page, office, "zhou")
        await expect(page.get_by_text("审阅 1 份纪要")).to_be_visible()
        await page.goto(f"{office.url}/console/summaries")
        await looked_at(page, f"summaries-{width}")
        await page.locator("a.step").first.click()
        await page.get_by_role("button", name=SAID).click()
        shown = page.locator(".msg.shown")
        await expect(shown).to_have_count(2)
        await expect(shown.first).to_contain_text(SAID)
        await expect(shown.last).to_contain_text("请看这条关键信息")
        await looked_at(page, f"summary-{width}")
        await page.keyboard.press("e")
        box = page.locator("textarea:focus")
        await box.fill("这是最好的药")
        await expect(page.locator("mark.hard").first).to_have_text("是最好")
        await page.keyboard.press("Control+Enter")
        await expect(page.get_by_role("alert")).to_contain_text("没有保存")
        await expect(page.locator(".writing[open] textarea")).to_have_value("这是最好的药")
        await looked_at(page, f"summary-refused-{width}")
        await page.locator(".writing[open] textarea").fill("医生担心肾功能不全患者的用药。")
        await page.keyboard.press("Control+Enter")
        await expect(page.get_by_text("同事修改")).to_be_visible()
        await expect(page.get_by_role("button", name="医生担心")).to_have_attribute("aria-pressed", "true")
        await page.locator(".writing summary", has_text="补充一句").click()
        await page.get_by_label("补充的话").fill("约好下周带资料再来。")
        await page.keyboard.press("Control+Enter")
        await expect(page.get_by_text("无对应对话", exact=True)).to_be_visible()
        await looked_at(page, f"summary-edited-{width}")
        await page.get_by_role("button", name="批准，看下一份").click()
        await expect(page.get_by_text("没有其他待审阅的纪要")).to_be_visible()
        await page.goto(f"{office.url}/console/summaries/{visit}")
        await page.locator(".writing summary", has_text="更正").first.click()
        await page.get_by_label("改为").first.fill("11月29日通过微信拜访。")
        await page.get_by_label("更正原因").first.fill("日期写错")
        await page.get_by_role("button", name="保存更正").first.click()
        await expect(page.get_by_text("原因：日期写错")).to_be_visible()
        await looked_at(page, f"summary-amended-{width}")
        async with page.expect_download() as download:
            await page.get_by_role("link", name="下载 Word").click()
        assert (await download.value).suggested_filename == f"summary-{visit}.docx"


async def pressed(page: Page) -> int:
    """How many keys went down in the browser since it was opened."""
    return int(await page.evaluate("Number(sessionStorage.getItem('pressed') || 0)"))


async def test_ten_drafts_are_reviewed_by_keyboard_alone(browser: Browser, office: Office) -> None:
    services, contact = office.stage.services, office.contacts["zhou"]
    visits = [await summarised(services, contact) for _ in range(10)]
    async with opened(browser, office, "desk") as page:
        await sign_in(page, office, "zhou")
        await page.add_init_script(
            "addEventListener('keydown', () => sessionStorage.setItem('pressed', "
            "Number(sessionStorage.getItem('pressed') || 0) + 1), true)"
        )
        await page.goto(f"{office.url}/console/summaries")
        await page.keyboard.press("j")
        await page.keyboard.press("Enter")
        for visit in visits:
            await expect(page).to_have_url(f"{office.url}/console/summaries/{visit}")
            for text in STATEMENTS:
                await expect(page.locator(".sentence[aria-pressed=true]")).to_have_text(text)
                if text != STATEMENTS[-1]:
                    await page.keyboard.press("j")
            await page.keyboard.press("a")
        await expect(page.get_by_text("没有其他待审阅的纪要")).to_be_visible()
        assert 12 <= await pressed(page) <= MOST
    rows = await office.stage.rows("SELECT DISTINCT state, approved_by FROM visit_summary")
    assert rows == [("approved", "zhou")]


async def test_a_key_that_is_held_down_approves_nothing_unseen(browser: Browser, office: Office) -> None:
    visits = [await summarised(office.stage.services, office.contacts["zhou"]) for _ in range(3)]
    async with opened(browser, office, "desk") as page:
        await sign_in(page, office, "zhou")
        await page.goto(f"{office.url}/console/summaries/{visits[0]}")
        await page.keyboard.down("a")
        await expect(page).to_have_url(f"{office.url}/console/summaries/{visits[1]}")
        for _ in range(3):
            await page.keyboard.down("a")
        await expect(page.locator(".sentence[aria-pressed=true]")).to_be_visible()
        await page.keyboard.up("a")
    rows = await office.stage.rows("SELECT visit_id FROM visit_summary WHERE state = 'approved'")
    assert rows == [(visits[0],)]
