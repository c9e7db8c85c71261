"""From the rep's page to the doctor's phone and back, with the real engine: an invitation that is scanned, a
material that is read, a time that is agreed on."""

from __future__ import annotations

import asyncio
import csv
import re
import time
from datetime import datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import async_playwright
from sqlalchemy import text

from bot.clock import CHINA
from bot.commands.context import context
from tests.console.conftest import Visitor
from tests.phone import Phone, shown
from tests.running import Service
from tests.sandbox.test_page import CHROMIUM, FLAGS

NAME, HOSPITAL, PHONE = "冯二十", "示例县中心医院", "13800007788"
MATERIAL = "metformin-digest"


def write(path: Path) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(
            [
                ["外部编号", "姓名", "医院", "科室", "手机", "关注领域", "负责代表"],
                ["PAGE-1", NAME, HOSPITAL, "内分泌科", PHONE, "糖尿病", "吴代表（演示）"],
            ]
        )
    return path


async def by_day(service: Service, monkeypatch: pytest.MonkeyPatch) -> datetime:
    """The quiet hours are over, and the doctor's last words long past; what time it is."""
    for name, value in service.env.items():
        monkeypatch.setenv(name, value)
    async with context() as home:
        now = home.clock.now().astimezone(CHINA)
        async with home.db.begin() as tx:
            await tx.execute(text("UPDATE turn SET started_at = started_at - interval '1 hour'"))
    if not 8 <= now.hour < 20:
        moment = (now + timedelta(hours=12)).replace(hour=10, minute=0)
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{service.url}/test/clock", json={"now": moment.isoformat()}) as answer,
        ):
            assert answer.status == 200
        return moment
    return now


async def shows(visitor: Visitor, path: str, words: str, seconds: float = 20.0) -> str:
    deadline = time.monotonic() + seconds
    while True:
        page = await visitor.get(path)
        if words in page:
            return page
        assert time.monotonic() < deadline, words
        await asyncio.sleep(0.3)


async def scan(http: aiohttp.ClientSession, service: Service, nickname: str, url: str) -> Phone:
    """Somebody who does not follow yet scans the card."""
    body = {"account": "sandbox", "nickname": nickname, "subscribed": False}
    async with http.post(f"{service.url}/sandbox/api/followers", json=body) as answer:
        phone = Phone(http, service.url, (await answer.json())["openid"])
    await phone.send(type="event", event="SCAN", url=url)
    return phone


@pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium (apt-get install)")
async def test_from_the_card_to_the_appointment(
    http: aiohttp.ClientSession, service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    await asyncio.to_thread(service.prints, "import-doctors", write(tmp_path / "doctors.csv"))
    logins = dict(csv.reader((service.home / "demo-logins.csv").read_text(encoding="utf-8").splitlines()))
    visitor = Visitor(http, service.url)
    await visitor.sign_in("wu", logins["wu"])
    (person,) = set(
        re.findall(rf'/console/doctors/([0-9a-f-]{{36}})"[^>]*>{NAME}<', await visitor.get("/console/"))
    )
    path = f"/console/doctors/{person}"
    assert "医生还没有关注任何账号" in await visitor.get(path)

    card = await visitor.post(f"{path}/invitation", 200)
    (url,) = re.findall(r"<code>(http://weixin\.qq\.com/q/[^<]+)</code>", card)
    phone = await scan(http, service, "冯", url)
    asked = "\n".join(shown(item) for item in await phone.next())
    assert "不是真人" in asked and "姓名" in asked and "手机" in asked
    assert "邀请码" not in asked.partition("还差")[2], "the scan has brought it"
    assert "核对通过" in await phone.ask(f"{NAME} {HOSPITAL} {PHONE}")
    another = await scan(http, service, "冒名", url)
    await another.next()
    assert "核对通过" not in await another.ask(f"{NAME} {HOSPITAL} {PHONE}"), "it is good once"

    page = await shows(visitor, path, "通过身份核对")
    assert "医生正在对话中" in page and "排队发送" in page
    now = await by_day(service, monkeypatch)
    assert "现在可以发出" in await visitor.get(path)
    await visitor.post(f"{path}/send", item=MATERIAL)
    (sent,) = await phone.next()
    (link,) = re.findall(r"http://127\.0\.0\.1:\d+/m/[0-9a-p-]+", sent["text"])
    assert "请我把这份资料发给您" in sent["text"] and "仅供医学药学专业人士阅读" in sent["text"]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        reader = await browser.new_page(viewport={"width": 390, "height": 844})
        await reader.goto(link)
        await shows(visitor, path, "打开资料")
        await browser.close()

    at = (now + timedelta(days=2)).replace(hour=15, minute=0)
    await visitor.post(f"{path}/appointment", kind="call", at=at.strftime("%Y-%m-%dT%H:%M"))
    (question,) = await phone.next()
    assert "给您打个电话" in question["text"] and f"{at.month}月{at.day}日" in question["text"]
    answer = await phone.ask("二甲双胍肾功能不全能用吗", count=1)
    assert "eGFR" in answer and "还有一件事" in answer, "answered, and asked again"
    other = at + timedelta(days=1)
    assert f"{other.month}月{other.day}日" in await phone.ask(f"{other.month}月{other.day}号下午四点吧")
    page = await shows(visitor, path, "医生想换时间")
    assert "医生想改到" in page
    brief = await visitor.get(f"{path}/brief")
    assert "想改时间" in brief and "发过，打开1次" in brief
