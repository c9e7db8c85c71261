"""Meetings in a real browser, on a desk and in a hand."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.async_api import Browser, expect

from bot.meetings import Answer
from tests.console.conftest import HOSTILE, Office
from tests.console.test_dealings import ready
from tests.console.test_meetings import TOPIC, answered, invited
from tests.console.test_pages import WIDTHS, browser, looked_at, opened, pytestmark, sign_in
from tests.console.test_visiting import NOON
from tests.meetings.hall import OTHER, THEN, announce, call_off, meeting

__all__ = ["browser", "pytestmark"]  # the fixture, and what these tests need


@pytest.mark.parametrize("width", WIDTHS)
async def test_a_doctor_is_invited_and_what_they_say_is_seen(
    browser: Browser, office: Office, width: str
) -> None:
    async with opened(browser, office, width) as page:
        await sign_in(page, office, "zhou")
        await page.goto(f"{office.url}/console/meetings")
        await expect(page.get_by_text("近期没有会议")).to_be_visible()
        await looked_at(page, f"meetings-none-{width}")
        await ready(office, NOON)
        place, far = "示例市中心医院门诊楼三层会议室", THEN + timedelta(days=4)
        await announce(
            office.stage,
            meeting(place=place, interests=["糖尿病"], credit="继续教育学分待定"),
            meeting(OTHER, far, topic=HOSTILE, product="metformin", link=None, place=place),
            meeting("called-off", THEN + timedelta(days=1), topic="撤下的会（试）"),
        )
        await call_off(office.stage, "called-off")
        await office.stage.write("UPDATE doctor SET interests = ARRAY['糖尿病']")
        path = f"{office.url}/console/doctors/{office.doctors['zhou']}"
        await page.goto(path)
        offers = page.locator("section[aria-labelledby=meetings]")
        await expect(page.locator("#may-meet")).to_contain_text("现在可以问")
        await expect(offers).to_contain_text("医生关注糖尿病")
        await page.get_by_role("button", name=f"邀请：{TOPIC}").click()
        await expect(offers).to_contain_text("等着问")
        heading, header = await offers.locator("h2").bounding_box(), await page.locator(".top").bounding_box()
        assert heading and header and heading["y"] >= header["y"] + header["height"], "it is seen"
        await looked_at(page, f"doctor-invited-{width}")
        await invited(office, "wu")
        await answered(office, "wu", Answer.UNSURE)
        await answered(office, "zhou", Answer.ACCEPTED)
        await page.goto(f"{office.url}/console/")
        await expect(page.locator("section[aria-labelledby=meetings]")).to_contain_text("参加")
        await looked_at(page, f"day-meetings-{width}")
        await page.goto(f"{path}/brief")
        await expect(page.locator("section[aria-labelledby=promised]")).to_contain_text("答应参会")
        await looked_at(page, f"brief-meeting-{width}")
        await page.get_by_role("link", name="会议", exact=True).click()
        await expect(page.locator("section[aria-labelledby=past]")).to_contain_text("已撤下")
        await looked_at(page, f"meetings-{width}")
        await page.get_by_role("link", name=TOPIC).click()
        await expect(page.get_by_role("heading", name="会议信息")).to_be_visible()
        await looked_at(page, f"meeting-{width}")
    async with opened(browser, office, width) as page:
        await sign_in(page, office, "zheng")
        await page.goto(f"{office.url}/console/meetings")
        await page.get_by_role("link", name=TOPIC).click()
        await expect(page.get_by_text("李乙")).to_be_visible()
        await looked_at(page, f"meeting-manager-{width}")
        await page.goto(f"{office.url}/console/")
        await looked_at(page, f"day-manager-{width}")
        await page.goto(f"{office.url}/console/meetings/called-off")
        await expect(page.get_by_text("这场会议已撤下")).to_be_visible()
        await looked_at(page, f"meeting-gone-{width}")
    async with opened(browser, office, width) as page:
        await sign_in(page, office, "wei")
        await page.goto(f"{office.url}/console/meetings")
        await looked_at(page, f"meetings-medical-{width}")
