"""The page of a material, in a real browser: what it shows, what is counted, what cannot be forged."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from PIL import Image
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from bot import materials, profiles
from bot.content import FOR_PROFESSIONALS, withdraw
from bot.materials import Opened
from bot.materials.pdf import _made
from bot.model import Fault, MedrepError
from bot.runtime.services import Services
from bot.service.postgres import free_port
from bot.settings import ROOT
from bot.staff import Role
from tests.approved import colleagues
from tests.outbound.test_release import verified  # noqa: F401 - a fixture
from tests.running import index
from tests.sandbox.test_page import ARTIFACTS, CHROMIUM, FLAGS
from tests.serving import served
from tests.stage import ENCODER, Stage
from web.materials import build

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
DIGEST, CHART = "metformin-digest", "metformin-renal-picture"
browsing = pytest.mark.skipif(
    not CHROMIUM.exists(), reason="needs a browser: apt-get install -y chromium fonts-noto-cjk"
)


@dataclass
class Shown:
    """The pages served, on what the stage stands on, and links to them."""

    stage: Stage
    services: Services

    async def offer(self, material: str = DIGEST) -> str:
        contact = await self.stage.contact()
        async with self.services.db.begin() as tx:
            now = self.services.clock.now()
            return (await materials.offer(tx, self.services, contact, material, now)).url

    async def opens(self) -> list[Opened]:
        contact = await self.stage.contact()
        async with self.services.db.begin() as tx:
            return await materials.opens_of(tx, contact)

    async def status(self, url: str, method: str = "GET", **more: Any) -> int:
        async with self.stage.http.request(method, url, **more) as answer:
            await answer.read()
            return answer.status


@pytest.fixture
async def shown(verified: Stage) -> AsyncIterator[Shown]:  # noqa: F811
    stage = verified
    await stage.services.published.load()
    port = free_port()
    services = replace(stage.services, public_url=f"http://127.0.0.1:{port}")
    app = web.Application()
    app.add_subapp("/m/", build(services))
    async with served(app, port):
        yield Shown(stage, services)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        await launched.close()


@pytest.fixture
async def phone(browser: Browser) -> AsyncIterator[BrowserContext]:
    """A doctor's phone; what it has opened must have shown no error and asked nobody else."""
    context = await browser.new_context(viewport={"width": 390, "height": 844}, device_scale_factor=2)
    yield context
    await context.close()


async def reading(context: BrowserContext, url: str) -> Page:
    page = await context.new_page()
    trouble: list[str] = []
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("console", lambda line: trouble.append(line.text) if line.type == "error" else None)
    host = "/".join(url.split("/")[:3])
    page.on("request", lambda one: None if one.url.startswith(host) else trouble.append(one.url))
    page.trouble = trouble  # type: ignore[attr-defined]
    await page.goto(url)
    return page


async def until(check: Any) -> None:
    for _ in range(200):
        if await check():
            return
        await asyncio.sleep(0.1)
    raise AssertionError("it did not happen")


@browsing
@pytest.mark.parametrize("material", [DIGEST, CHART])
async def test_it_is_read_on_a_phone(shown: Shown, phone: BrowserContext, material: str) -> None:
    url = await shown.offer(material)
    page = await reading(phone, url)
    product = shown.services.published.content.product["metformin"]
    told = (product.name, "演示版 1.0", "2028-12-31", FOR_PROFESSIONALS, "禁忌：", "主要不良反应：", "来源：")
    for words in told:
        await expect(page.get_by_text(words).first).to_be_visible()
    for image in await page.locator("img").all():
        await image.scroll_into_view_if_needed()
        await image.evaluate("image => image.decode()")
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390
    ARTIFACTS.mkdir(exist_ok=True)
    await page.screenshot(path=ARTIFACTS / f"material-{material}.png", full_page=True)
    if not AXE.exists():
        pytest.skip("needs axe-core: make setup")
    await page.evaluate(AXE.read_text(encoding="utf-8"))
    found = await page.evaluate("axe.run().then(result => result.violations.map(one => one.id))")
    assert found == []
    assert page.trouble == []  # type: ignore[attr-defined]


@browsing
async def test_opening_and_time_in_sight_are_counted(shown: Shown, phone: BrowserContext) -> None:
    url = await shown.offer()
    page = await reading(phone, url)
    await asyncio.sleep(2.2)
    await page.evaluate(_SIGHT.format(state="hidden"))

    async def told() -> bool:
        return (await shown.opens())[0].seconds >= 2

    await until(told)
    before = (await shown.opens())[0]
    await asyncio.sleep(1.5)  # out of sight
    await page.evaluate(_SIGHT.format(state="visible"))
    await page.evaluate(_SIGHT.format(state="hidden"))
    link = await page.get_by_role("link", name="下载 PDF").evaluate("link => link.href")
    file = await phone.request.get(link, timeout=60_000)
    assert (await file.body()).startswith(b"%PDF-")
    assert file.headers["content-type"] == "application/pdf"
    after = (await shown.opens())[0]
    assert (after.material, after.number, after.opens, after.forwarded) == (DIGEST, 1, 1, 0)
    assert after.downloads == 1
    assert after.seconds <= before.seconds + 1
    await page.reload()
    await until(lambda: _has(shown, opens=2))
    assert page.trouble == []  # type: ignore[attr-defined]


_SIGHT = """Object.defineProperty(document, "visibilityState", {{configurable: true, get: () => "{state}"}});
document.dispatchEvent(new Event("visibilitychange"));"""


async def _has(shown: Shown, **wanted: int) -> bool:
    found = (await shown.opens())[0]
    return all(getattr(found, name) == value for name, value in wanted.items())


@browsing
async def test_a_link_that_was_passed_on_counts_apart(
    shown: Shown, phone: BrowserContext, browser: Browser
) -> None:
    url = await shown.offer()
    await reading(phone, url)
    await until(lambda: _has(shown, opens=1))
    other = await browser.new_context()
    page = await reading(other, url)
    await until(lambda: _has(shown, opens=1, forwarded=1))
    words = await page.content()
    contact = await shown.stage.contact()
    for personal in ("路人", "示例医院", "T-1", shown.stage.phone.openid, str(contact.person_id)):
        assert personal not in words
    await other.close()


async def test_what_they_open_themselves_counts_for_their_profile(shown: Shown) -> None:
    url = await shown.offer()
    for cookie in ("", "a" * 32):  # theirs, and of somebody who was passed the link
        headers = {"Cookie": f"reader={cookie}"} if cookie else {}
        assert await shown.status(f"{url}/open", "POST", headers=headers) == 200
    ((key, product),) = await shown.stage.rows("SELECT key, product FROM profile_event")
    assert key.startswith("material:") and product == "metformin"
    async with shown.services.db.begin() as tx:
        await profiles.refuse(tx, await shown.stage.contact(), shown.services.clock.now())
    assert await shown.status(f"{await shown.offer(CHART)}/open", "POST") == 200
    assert await shown.stage.rows("SELECT key FROM profile_event") == []


async def test_reading_time_cannot_be_made_up(shown: Shown) -> None:
    """Neither by a large number, nor for another link's opening; and a link bears only so many openings."""
    one, two = await shown.offer(), await shown.offer(CHART)
    async with shown.stage.http.post(f"{one}/open") as answer:
        opened = (await answer.json())["open"]
        cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and one.rpartition("/m/")[2] in cookie
    assert await shown.status(f"{one}/read", "POST", json={"open": opened, "seconds": 86_400}) == 204
    await shown.status(f"{two}/read", "POST", json={"open": opened, "seconds": 5})
    of_two, of_one = await shown.opens()
    assert of_one.seconds <= 3
    assert of_two.seconds == 0
    await shown.stage.write("UPDATE material_open SET began_at = began_at - interval '3 hours'")
    await shown.status(f"{one}/read", "POST", json={"open": opened, "seconds": 86_400})
    assert (await shown.opens())[1].seconds == 3600
    for body in (b"", b"[]", b"{", b'{"open": 1, "seconds": -1}', b'{"open": true, "seconds": 1}'):
        assert await shown.status(f"{one}/read", "POST", data=body) == 400
    assert await shown.status(f"{one}/read", "POST", data=b" " * 5000) == 413
    cross = {"Sec-Fetch-Site": "cross-site"}
    assert await shown.status(f"{one}/open", "POST", headers=cross) == 403
    await shown.stage.write(
        "INSERT INTO material_open (sent_id, contact_id, person_id, opened_at, began_at, forwarded) "
        "SELECT sent_id, contact_id, person_id, opened_at, began_at, true FROM material_open, "
        "generate_series(1, 200)"
    )
    async with shown.stage.http.post(f"{one}/open") as answer:
        assert await answer.json() == {"open": 0}


async def test_what_is_not_to_be_read_is_said_calmly(shown: Shown) -> None:
    url = await shown.offer()
    assert await shown.status(url) == 200
    token = url.rpartition("/")[2]
    number, letters = token.split("-")
    other = "".join("b" if letter == "a" else "a" for letter in letters)
    for wrong in (f"{number}-{other}", f"{int(number) + 1}-{letters}", "x", f"{token}/chart/x.png"):
        assert await shown.status(url.replace(token, wrong)) == 404
    now = shown.services.clock.now()
    shown.services.clock.move_to(now + timedelta(days=30, minutes=1))
    async with shown.stage.http.get(url) as answer:
        assert answer.status == 410
        assert "链接已过期" in await answer.text()
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    shown.services.clock.move_to(now)
    async with shown.services.db.begin() as tx:
        await colleagues(tx, {"pv-1": [Role.PV]})
    found = "SELECT id FROM content_revision WHERE item_id = 'metformin-km-renal'"
    (revision,) = await shown.stage.rows(found)
    await withdraw(shown.services.db, revision[0], "pv-1", "test", now, ENCODER, index())
    for path in ("", "/file"):
        assert await shown.status(url + path) == 410
    with pytest.raises(MedrepError) as refused:
        await shown.offer("amlodipine")
    assert refused.value.fault == Fault.NO_BASIS


async def test_the_file_is_made_while_the_page_is_read(shown: Shown) -> None:
    url = await shown.offer()
    _made.cache_clear()
    assert await shown.status(f"{url}/open", "POST") == 200

    async def made() -> bool:
        return _made.cache_info().currsize == 1

    await until(made)
    async with shown.stage.http.get(f"{url}/file") as answer:
        assert (await answer.read()).startswith(b"%PDF-")
    assert _made.cache_info().misses == 1


async def test_a_picture_to_keep(shown: Shown) -> None:
    async with shown.stage.http.get(f"{await shown.offer(CHART)}/file") as answer:
        assert answer.content_type == "image/png"
        assert Image.open(io.BytesIO(await answer.read())).format == "PNG"
        assert "filename*=UTF-8''" in answer.headers[aiohttp.hdrs.CONTENT_DISPOSITION]
