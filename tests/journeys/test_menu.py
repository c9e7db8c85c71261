"""A click on the account's own menu, from the phone down to the real engine."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import async_playwright, expect

from tests.phone import Phone, shown
from tests.running import Service

CHROMIUM = Path("/usr/bin/chromium")


async def click(phone: Phone, key: str) -> str:
    await phone.send(type="event", event="CLICK", event_key=key)
    (item,) = await phone.next()
    return shown(item)


async def test_each_kind_of_key_is_answered(doctor: Phone) -> None:
    assert "我能帮您" in await click(doctor, "intent:ask_help")
    assert "二甲双胍" in await click(doctor, "intent:ask_products")
    assert "来源" in await click(doctor, "text:二甲双胍肾功能不全能用吗")
    assert "来源" in await click(doctor, "entry:metformin-renal")
    assert "前联系您" in await click(doctor, "human")
    assert "没有听明白" in await click(doctor, "V1001_TODAY_MUSIC")
    await doctor.send(type="event", event="VIEW", event_key="https://example.com/", wait=True)
    assert "我能帮您" in await click(doctor, "intent:ask_help"), "a link began nothing"


async def test_a_stranger_who_clicks_is_asked_who_they_are(
    http: aiohttp.ClientSession, service: Service
) -> None:
    phone = await Phone.newcomer(http, service.url, "点菜单")
    reply = await click(phone, "entry:metformin-renal")
    assert "不是真人" in reply and "邀请码" in reply and "来源" not in reply
    assert "邀请码" in await click(phone, "V1001_TODAY_MUSIC")


async def test_the_menu_is_set_at_the_platform_and_read_back(service: Service, tmp_path: Path) -> None:
    """`serve --demo` has published it; here another one, and the seed's again."""
    shown_by = service.prints("menu", "publish", "sandbox", "--show")
    assert "今日一分钟  intent:visit_ask" in shown_by and "  使用帮助  intent:ask_help" in shown_by
    other = tmp_path / "menu.yaml"
    other.write_text("- {name: 帮助, key: 'intent:ask_help'}", encoding="utf-8")
    assert "帮助" in service.prints("menu", "publish", "wechat:sandbox", "--file", other)
    assert "今日一分钟" not in service.prints("menu", "publish", "sandbox", "--show")
    other.write_text("- {name: 帮助, key: nothing}", encoding="utf-8")
    refused = service.medrep("menu", "publish", "sandbox", "--file", str(other))
    assert refused.returncode == 2 and "nothing is known by the key" in refused.stderr
    other.write_text("- {name: 使用帮助, key: 'intent:ask_more'}", encoding="utf-8")
    unknown = service.medrep("menu", "publish", "sandbox", "nobody", "--file", str(other))
    assert unknown.returncode == 2 and "no account wechat:nobody" in unknown.stderr
    assert "ask_more" not in service.prints("menu", "publish", "sandbox", "--show"), "nothing was half done"
    assert "今日一分钟" in service.prints("menu", "publish", "sandbox")


@pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium (apt-get install)")
async def test_the_demo_accounts_menu_on_the_phone_page(service: Service) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        page = await browser.new_page(viewport={"width": 1280, "height": 860})
        await page.goto(f"{service.url}/sandbox/#sandbox/oSbx1Dctr_ZhaoDing000000004c")
        await page.get_by_label("切换到公众号菜单").click()
        await page.get_by_role("button", name="我的").click()
        await page.get_by_role("button", name="使用帮助").click()
        await expect(page.get_by_text("我能帮您").last).to_be_visible(timeout=20_000)
        await browser.close()
