"""What a rep does for one doctor, in a real browser, on a desk and in a hand."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.async_api import Browser, expect

from tests.console.conftest import Office
from tests.console.test_dealings import SAID, listed, ready, waiting
from tests.console.test_pages import WIDTHS, browser, looked_at, opened, pytestmark, sign_in
from tests.console.test_visiting import NOON

__all__ = ["browser", "pytestmark"]  # the fixture, and what these tests need


@pytest.mark.parametrize("width", WIDTHS)
async def test_a_doctors_page_from_material_to_a_time(browser: Browser, office: Office, width: str) -> None:
    await ready(office, NOON)
    path = f"{office.url}/console/doctors/{office.doctors['zhou']}"
    async with opened(browser, office, width) as page:
        await sign_in(page, office, "zhou")
        await page.goto(path)
        await expect(page.locator("#may-send")).to_contain_text("现在可以发出")
        await page.get_by_role("button", name="发送：").first.click()
        await expect(page.get_by_role("heading", name="等着发出的")).to_be_visible()
        at = (NOON + timedelta(days=2)).strftime("%Y-%m-%dT10:00")
        await page.get_by_label("时间", exact=True).fill(at)
        await page.get_by_role("button", name="请医生确认").click()
        await expect(page.locator("#time + p + form + ul")).to_contain_text("等着问医生")
        await looked_at(page, f"doctor-dealings-{width}")
        await page.get_by_role("link", name="联系前看一眼").click()
        await expect(page.get_by_role("heading", name="适合的资料")).to_be_visible()
        await expect(page.get_by_text("等着发出").first).to_be_visible()
        await looked_at(page, f"brief-{width}")
        await page.locator("section[aria-labelledby=material] a").first.click()
        await expect(page.get_by_text("仅供医学药学专业人士阅读").first).to_be_visible()
        await looked_at(page, f"content-{width}")
        await page.goto(path)
        await page.get_by_role("button", name="撤回").click()
        await expect(page.locator(".msg.lost").last).to_contain_text("已取消：同事撤回")


@pytest.mark.parametrize("width", WIDTHS)
async def test_an_invitation_and_who_it_is(browser: Browser, office: Office, width: str) -> None:
    await listed(office)
    number = await waiting(office, SAID)
    async with opened(browser, office, width) as page:
        await sign_in(page, office, "wu")
        await page.goto(f"{office.url}/console/doctors/{office.doctors['wu']}")
        await looked_at(page, f"doctor-uninvited-{width}")
        await page.get_by_role("button", name="生成邀请卡").click()
        await expect(page.locator("svg.qr")).to_be_visible()
        await looked_at(page, f"card-{width}")
        await page.goto(f"{office.url}/console/")
        await page.get_by_role("link", name="核对身份").click()
        await looked_at(page, f"verification-{width}")
        await page.get_by_role("button", name="确认是 李乙").click()
        await expect(page.get_by_text("通过身份核对")).to_be_visible()
    assert await office.stage.rows("SELECT outcome FROM task WHERE id = :id", id=number) == [("confirmed",)]
