"""The phone page in a real browser, through the app, down to the real engine; a screenshot is kept."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.async_api import async_playwright, expect

from bot.settings import ROOT
from tests.running import Service

CHROMIUM = Path("/usr/bin/chromium")
ARTIFACTS = ROOT / "artifacts"


@pytest.mark.skipif(
    not CHROMIUM.exists(), reason="needs Debian's chromium and fonts-noto-cjk (apt-get install)"
)
async def test_a_newcomer_to_medrep_sees_a_sourced_answer(service: Service) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        page = await browser.new_page(viewport={"width": 1280, "height": 860})
        complaints: list[str] = []
        page.on(
            "console", lambda message: complaints.append(message.text) if message.type == "error" else None
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await page.goto(f"{service.url}/sandbox/#sandbox/oSbx1Dctr_ZhaoDing000000004c")
        await page.get_by_label("输入消息").fill("二甲双胍肾功能不全能用吗")
        await page.keyboard.press("Enter")
        answer = page.get_by_text(re.compile("来源：盐酸二甲双胍片说明书")).last
        await expect(answer).to_be_visible(timeout=20_000)
        await expect(answer).to_contain_text("演示版 1.0")
        await expect(answer).to_contain_text("【禁忌】")
        ARTIFACTS.mkdir(exist_ok=True)
        await page.screenshot(path=ARTIFACTS / "answer.png")
        await browser.close()
        assert not complaints
