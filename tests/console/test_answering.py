"""医学信息 in a real browser: a question is taken, answered while watched, returned, approved and offered."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.async_api import Browser, Page, expect

from bot import medical_information
from bot.content import seed_content
from tests.console.conftest import Office
from tests.console.test_pages import WIDTHS, browser, looked_at, opened, pytestmark, sign_in
from tests.console.test_requests import OFFER, WITHIN
from tests.medical import QUESTION, asked

__all__ = ["browser", "pytestmark"]
ANSWER = "缓释片应整片吞服，不得掰开、嚼碎或研碎服用。"


async def two_questions(office: Office) -> int:
    """One that is overdue and was told to the manager; one within the label, to be answered in writing."""
    stage = office.stage
    services, now = stage.services, stage.services.clock.now()
    await seed_content(services.db, now)
    late = await asked(services, office.contacts["wu"], QUESTION)
    await stage.write(
        "UPDATE task SET due_at = :due, escalated_at = :due, raised_at = :due WHERE id = :id",
        due=now - timedelta(hours=5), id=late,
    )  # fmt: skip
    return await asked(services, office.contacts["zhou"], f"{WITHIN}，书面答复我", off_label=False)


async def wrote(page: Page, office: Office, width: str) -> None:
    """What a colleague of medical does, until the answer is with a second one."""
    await sign_in(page, office, "wei")
    await expect(page.get_by_text("1 个已逾期")).to_be_visible()
    await looked_at(page, f"day-medical-{width}")
    await page.goto(f"{office.url}/console/requests")
    await expect(page.locator("li.late .clock")).to_have_text("已逾期 5小时")
    await expect(page.get_by_text("已上报负责人")).to_be_visible()
    await looked_at(page, f"requests-{width}")
    await page.get_by_text(WITHIN).click()
    await looked_at(page, f"request-open-{width}")
    await page.get_by_role("button", name="我来答复").click()
    box = page.locator("#text")
    await box.fill("这是最好的剂型，电话13900000001")
    await expect(page.locator("#flags mark.hard").first).to_have_text("是最好")
    await expect(page.locator("#flags")).to_contain_text("请留意")
    await page.get_by_role("button", name="保存草稿").click()
    await expect(page.get_by_role("alert")).to_contain_text("没有保存")
    await expect(box).to_have_value("这是最好的剂型，电话13900000001")
    await looked_at(page, f"request-refused-{width}")
    await box.fill(ANSWER)
    await page.locator("#document-0").select_option("metformin-label")
    await page.locator("#section-0").fill("【用法用量】")
    await page.get_by_role("button", name="保存并送审").click()
    await expect(page.get_by_text("须由另一位同事审核")).to_be_visible()
    await expect(page.get_by_role("button", name="批准并发送")).to_have_count(0)
    await looked_at(page, f"request-in-review-{width}")


async def returned(page: Page, office: Office, task: int, width: str) -> None:
    """What a reviewer does first."""
    await sign_in(page, office, "han")
    await expect(page.get_by_text("1 个答复等您审核")).to_be_visible()
    await page.goto(f"{office.url}/console/requests/{task}")
    await expect(page.locator(".answer-shown")).to_contain_text("仅供医学药学专业人士阅读")
    await looked_at(page, f"request-review-{width}")
    await page.get_by_text("退回修改").click()
    await page.get_by_label("退回原因").fill("请写明是缓释片")
    await page.get_by_role("button", name="退回", exact=True).click()


@pytest.mark.parametrize("width", WIDTHS)
async def test_a_question_is_answered_and_approved(browser: Browser, office: Office, width: str) -> None:
    stage, task = office.stage, await two_questions(office)
    async with opened(browser, office, width) as page, opened(browser, office, width) as other:
        await wrote(page, office, width)
        await returned(other, office, task, width)
        await page.reload()
        await expect(page.get_by_text("请写明是缓释片")).to_be_visible()
        await page.get_by_role("button", name="保存并送审").click()
        await expect(page.get_by_text("须由另一位同事审核")).to_be_visible()
        await other.reload()
        await other.get_by_role("button", name="批准并发送").click()
        await expect(other.get_by_text("正在发送").first).to_be_visible()
        await stage.sender.push()
        await medical_information.settle(stage.services)
        assert [ANSWER in text for text in await stage.reply_texts()] == [True]

        await page.reload()
        await expect(page.get_by_text("医生收到的")).to_be_visible()
        await page.get_by_text("提交知识库（草稿）").click()
        await page.get_by_label("其他问法").fill(OFFER["variants"])
        await page.get_by_label("标准问法").fill(OFFER["question"])
        await looked_at(page, f"request-answered-{width}")
        await page.get_by_role("button", name="建草稿").click()
        await expect(page.get_by_text("已提交知识库")).to_be_visible()
        await page.get_by_label("怎么答复的").fill("书面答复函已寄出")
        await page.get_by_role("button", name="登记并办结").click()
        await page.goto(f"{office.url}/console/requests?filter=done")
        await expect(page.get_by_text("已答复", exact=True)).to_be_visible()
        await looked_at(page, f"requests-done-{width}")


async def test_what_another_changed_meanwhile_stays_and_what_was_written_too(
    browser: Browser, office: Office
) -> None:
    services = office.stage.services
    await seed_content(services.db, services.clock.now())
    task = await asked(services, office.contacts["zhou"])
    async with opened(browser, office, "desk") as page:
        await sign_in(page, office, "wei")
        await page.goto(f"{office.url}/console/requests/{task}")
        await page.locator("#text").fill("我写了很久的话。")
        async with services.db.begin() as tx:
            now = services.clock.now()
            await medical_information.save(tx, services.vault, task, 0, "同时存下的话。", [], "wei", now)
        await page.get_by_role("button", name="保存草稿").click()
        await expect(page.get_by_role("alert")).to_contain_text("有了变化")
        await expect(page.locator("#text")).to_have_value("我写了很久的话。")
