"""The phone page in a real browser, on a desk and in a hand."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from playwright.async_api import (
    Browser,
    ConsoleMessage,
    Error,
    Page,
    Request,
    Route,
    async_playwright,
    expect,
)

from sandbox.delivery import FAULT_TEXT
from sandbox.demo import DOCTORS
from tests.sandbox.conftest import DOCTOR, Bench
from tests.sandbox.gateway import Post

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
ARTIFACTS = Path(__file__).resolve().parents[2] / "artifacts"
ATTACK = (
    '<img src=x onerror="window.broken=1"><script>window.broken=1</script>'
    "<a href='javascript:window.broken=1'>点</a>"
)
QUESTION = "二甲双胍肾功能不全能用吗"

pytestmark = pytest.mark.skipif(
    not CHROMIUM.exists(), reason="needs a browser: apt-get install -y chromium fonts-noto-cjk"
)


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        await launched.close()


async def opened(browser: Browser, bench: Bench, width: int, height: int) -> Page:
    page = await browser.new_page(viewport={"width": width, "height": height})
    trouble: list[str] = []

    def on_console(message: ConsoleMessage) -> None:
        if message.type == "error":
            trouble.append(message.text)

    def asked(request: Request) -> None:
        if not request.url.startswith(f"{bench.url}/sandbox/"):
            trouble.append(request.url)

    def broke(error: Error) -> None:
        trouble.append(str(error))

    page.on("pageerror", broke)
    page.on("console", on_console)
    page.on("request", asked)
    page.trouble = trouble  # type: ignore[attr-defined]
    page.set_default_timeout(10_000)
    await page.goto(f"{bench.url}/sandbox/")
    await expect(page.locator("#title")).to_have_text("虚拟代表（演示）")
    return page


@pytest.fixture
async def desk(browser: Browser, bench: Bench) -> AsyncIterator[Page]:
    """The page on a wide screen; no error, and no request beyond /sandbox/, may have happened in the end."""
    page = await opened(browser, bench, 1440, 900)
    yield page
    await page.close()
    assert page.trouble == []  # type: ignore[attr-defined]


@pytest.fixture
async def hand(browser: Browser, bench: Bench) -> AsyncIterator[Page]:
    page = await opened(browser, bench, 390, 844)
    yield page
    await page.close()
    assert page.trouble == []  # type: ignore[attr-defined]


async def reply_with(bench: Bench, content: str) -> None:
    async def answer(post: Post) -> web.StreamResponse:
        return post.sealed(post.reply(content))

    bench.gateway.answer = answer


async def until(check: Any) -> None:
    for _ in range(100):
        if check():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not happen")


async def test_a_question_is_asked_and_answered(desk: Page, bench: Bench) -> None:
    await reply_with(bench, "根据说明书（演示稿）：禁用。\n来源：示例制药")
    await desk.get_by_role("button", name=QUESTION).click()
    bubble = desk.locator(".row.theirs .bubble")
    await expect(bubble).to_have_text("根据说明书（演示稿）：禁用。\n来源：示例制药")
    await expect(desk.locator(".row.mine .bubble")).to_have_text(QUESTION)
    assert bench.gateway.posts[0].fields["Content"] == QUESTION
    ARTIFACTS.mkdir(exist_ok=True)
    await desk.screenshot(path=ARTIFACTS / "phone-desk.png")


async def test_by_keyboard_alone(desk: Page, bench: Bench) -> None:
    await desk.get_by_label("输入消息").focus()
    await desk.keyboard.type("第一行")
    await desk.keyboard.press("Shift+Enter")
    await desk.keyboard.type("第二行")
    await desk.keyboard.press("Enter")
    await until(lambda: bench.gateway.posts)
    assert bench.gateway.posts[0].fields["Content"] == "第一行\n第二行"
    await desk.get_by_role("tab", name="人物").focus()
    await desk.keyboard.press("ArrowRight")
    await expect(desk.get_by_role("tabpanel", name="模拟")).to_be_visible()


async def test_choices_cards_label_and_typing(desk: Page, bench: Bench) -> None:
    await bench.say(QUESTION)
    lines = [{"id": "101", "content": "肾功能不全怎么用"}, {"id": "102", "content": "找人工"}]
    menu = {"head_content": "您想问的是", "list": lines}
    body = {"touser": DOCTOR, "msgtype": "msgmenu", "msgmenu": menu, "aimsgcontext": {"is_ai_msg": 1}}
    await bench.call("message/custom/send", body)
    await expect(desk.locator(".ai")).to_have_text("内容由AI生成")
    await bench.call("message/custom/typing", {"touser": DOCTOR, "command": "Typing"})
    await expect(desk.locator("#title")).to_have_text("对方正在输入…")
    await desk.get_by_role("button", name="肾功能不全怎么用").click()
    await until(lambda: len(bench.gateway.posts) == 2)
    assert bench.gateway.posts[1].fields["bizmsgmenuid"] == "101"
    template = bench.accounts["sandbox"].templates["meeting"].id
    data = {"thing1": {"value": "血脂讲堂"}, "time2": {"value": "19:30"}, "thing3": {"value": "线上"}}
    await bench.call("message/template/send", {"touser": DOCTOR, "template_id": template, "data": data})
    await expect(desk.locator(".template dd").first).to_have_text("血脂讲堂")
    await expect(desk.locator("#title")).to_have_text("虚拟代表（演示）")


async def test_what_the_gateway_sends_stays_text(desk: Page, bench: Bench) -> None:
    await reply_with(bench, ATTACK)
    await desk.get_by_label("输入消息").fill(ATTACK)
    await desk.get_by_role("button", name="发送").click()
    await expect(desk.locator(".row.theirs .bubble")).to_have_text(ATTACK)
    await expect(desk.locator(".row.mine .bubble")).to_have_text(ATTACK)
    lines = [{"id": "1", "content": ATTACK}]
    menu = {"head_content": ATTACK, "list": lines, "tail_content": ATTACK}
    await bench.call("message/custom/send", {"touser": DOCTOR, "msgtype": "msgmenu", "msgmenu": menu})
    await expect(desk.locator(".pick")).to_have_text(ATTACK)
    await bench.post("api/followers", {"account": "sandbox", "nickname": ATTACK[:30]})
    await expect(desk.get_by_text(ATTACK[:30]).first).to_be_visible()
    assert await desk.locator(".chat img, .chat script, .chat a, .people img").count() == 0
    assert await desk.evaluate("window.broken") is None


async def test_links_open_and_menu_words_answer(desk: Page, bench: Bench) -> None:
    picked = '<a href="weixin://bizmsgmenu?msgmenucontent=1&msgmenuid=entry:z">第一个</a>'
    await reply_with(bench, f'见<a href="https://a.example/x">隐私说明</a>，或{picked}')
    await bench.say("你好")
    link = desk.get_by_role("link", name="隐私说明")
    await expect(link).to_have_attribute("href", "https://a.example/x")
    await expect(link).to_have_attribute("rel", re.compile("noopener"))
    await desk.get_by_role("button", name="第一个").click()
    await until(lambda: len(bench.gateway.posts) == 2)
    assert bench.gateway.posts[1].fields["bizmsgmenuid"] == "entry:z"


async def test_following_from_the_profile(desk: Page, bench: Bench) -> None:
    await reply_with(bench, "您好，我是虚拟代表")
    await desk.get_by_role("button", name=re.compile("新访客")).click()
    await expect(desk.locator("#dock")).to_be_hidden()
    await desk.get_by_role("button", name="关注公众号").click()
    await expect(desk.locator(".row.theirs .bubble")).to_have_text("您好，我是虚拟代表")
    assert bench.gateway.posts[0].fields["Event"] == "subscribe"
    await desk.get_by_label("新关注者的昵称").fill("某大夫")
    await desk.get_by_role("button", name="新建微信用户").click()
    await expect(desk.locator("#subtitle")).to_have_text("某大夫 的手机")
    await desk.get_by_role("button", name=re.compile("患者端")).click()
    await expect(desk.locator("#title")).to_have_text("用药关怀（演示）")


async def test_faults_and_time_from_the_panel(desk: Page, bench: Bench) -> None:
    await bench.say(QUESTION)
    await desk.get_by_role("tab", name="模拟").click()
    await desk.locator("#fault-harm").select_option("errcode:45011")
    await desk.get_by_role("button", name="注入故障").click()
    await expect(desk.locator(".active")).to_contain_text("45011")
    assert (await bench.send_text("好"))["errcode"] == 45011
    await desk.get_by_role("button", name="+49 小时").click()
    await expect(desk.locator("#lab-badge")).to_be_visible()
    await until(lambda: bench.double.world.offset > 0)
    assert (await bench.send_text("好"))["errcode"] == 45015
    await desk.get_by_label("重复投递").check()
    await until(lambda: bench.double.faults.webhook.copies == 3)
    await desk.get_by_role("button", name="清除全部模拟").click()
    await until(lambda: bench.double.faults.webhook.copies == 1)
    await desk.get_by_role("button", name="校验服务器地址").click()
    await expect(desk.get_by_role("alert")).to_have_text("URL 验证通过")
    await desk.get_by_role("button", name="取消关注").click()
    await expect(desk.get_by_role("button", name="关注公众号")).to_be_visible()


async def test_the_wire_is_shown(desk: Page, bench: Bench) -> None:
    await reply_with(bench, "好的")
    await bench.say(QUESTION)
    await expect(desk.locator(".row.theirs")).to_be_visible()
    await desk.locator("#trace-toggle").click()
    entry = desk.locator(".entry")
    await expect(entry).to_contain_text("平台 → 网关 · 第 1 次")
    await expect(entry).to_contain_text(f"<Content><![CDATA[{QUESTION}]]></Content>")
    assert "<Encrypt>" in await entry.locator("pre").nth(1).text_content()  # type: ignore[operator]
    await bench.send_text("主动")
    await expect(desk.locator(".row.theirs")).to_have_count(2)
    await desk.locator(".row.theirs .caption button").last.click()
    await expect(entry).to_contain_text("message/custom/send")
    await expect(entry).to_contain_text("access_token=…")
    await desk.keyboard.press("Escape")
    await expect(desk.locator("#trace")).to_be_hidden()


async def test_in_the_hand(hand: Page, bench: Bench) -> None:
    async def fail(post: Post) -> web.StreamResponse:
        return web.Response(status=500)

    bench.gateway.answer = fail
    await hand.get_by_role("button", name=QUESTION).click()
    await expect(hand.locator(".line.fault")).to_contain_text(FAULT_TEXT)
    overflow = await hand.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert overflow <= 0
    ARTIFACTS.mkdir(exist_ok=True)
    await hand.screenshot(path=ARTIFACTS / "phone-hand.png")
    await expect(hand.locator("#side")).to_be_hidden()
    await hand.get_by_role("button", name="打开人物与模拟").click()
    await hand.get_by_role("button", name=re.compile("李乙")).click()
    await expect(hand.locator("#subtitle")).to_have_text("李乙 的手机")
    await expect(hand.locator("#side")).to_be_hidden()


async def test_the_accounts_menu(hand: Page, bench: Bench) -> None:
    below = {"type": "click", "name": "近期会议", "key": "meetings"}
    await bench.call("menu/create", {"button": [{"name": "会议", "sub_button": [below]}]})
    await hand.get_by_role("button", name="切换到公众号菜单").click()
    await hand.get_by_role("button", name="≡ 会议").click()
    await hand.get_by_role("button", name="近期会议").click()
    await until(lambda: bench.gateway.posts)
    assert bench.gateway.posts[0].fields["EventKey"] == "meetings"


async def test_it_catches_up_after_the_double_was_away(desk: Page, bench: Bench) -> None:
    await bench.say("在线时说的")
    await expect(desk.locator(".row.mine .bubble")).to_have_text("在线时说的")
    bench.double.world.stop()  # every stream ends; the browser comes back by itself
    await bench.say("断线时说的")
    await expect(desk.locator(".row.mine .bubble").last).to_have_text("断线时说的")
    assert await desk.locator(".row.mine").count() == 2
    await bench.post("control/reset")
    await expect(desk.locator(".row")).to_have_count(0)
    await bench.say("重新开始")
    await expect(desk.locator(".row.mine .bubble")).to_have_text(["重新开始"])


async def held_up(page: Page, path: str) -> asyncio.Event:
    """Answers to GETs of this path are taken from the double at once, and reach the page once it is set."""
    arrive = asyncio.Event()

    async def hold(route: Route) -> None:
        answer = await route.fetch()
        await arrive.wait()
        await route.fulfill(response=answer)

    await page.route(re.compile(rf"/sandbox/api/{path}\b"), hold)
    return arrive


async def test_nothing_can_be_typed_for_nobody(browser: Browser, bench: Bench) -> None:
    """A page that still asks whose phone it is has no room for words: they would be lost."""
    page = await browser.new_page()
    arrive = await held_up(page, "followers")
    await page.goto(f"{bench.url}/sandbox/")
    words = page.get_by_label("输入消息")
    asyncio.get_running_loop().call_later(1.0, arrive.set)
    await words.fill("我等不及了")
    assert arrive.is_set()
    await page.keyboard.press("Enter")
    await until(lambda: bench.gateway.posts)
    assert bench.gateway.posts[0].fields["Content"] == "我等不及了"
    await page.close()


async def test_what_comes_while_the_past_is_asked_for_stands_after_it(browser: Browser, bench: Bench) -> None:
    await bench.say("从前说的")
    page = await browser.new_page()
    arrive = await held_up(page, "messages")
    async with page.expect_request(re.compile("/api/messages")):
        await page.goto(f"{bench.url}/sandbox/")
    await bench.say("刚才说的")
    asyncio.get_running_loop().call_later(0.5, arrive.set)
    await expect(page.locator(".row.mine .bubble")).to_have_text(["从前说的", "刚才说的"])
    assert arrive.is_set()
    await page.close()


async def test_a_late_answer_is_not_shown_in_another_chat(browser: Browser, bench: Bench) -> None:
    await bench.say("甲说的")
    page = await browser.new_page()
    arrive = await held_up(page, f"messages.*{DOCTOR}")
    async with page.expect_request(re.compile("/api/messages")):
        await page.goto(f"{bench.url}/sandbox/")
    await page.get_by_role("button", name=re.compile("李乙")).click()
    await expect(page.locator("#subtitle")).to_have_text("李乙 的手机")
    await bench.say("乙说的", openid=DOCTORS[1].openid)
    await expect(page.locator(".row.mine .bubble")).to_have_text("乙说的")
    arrive.set()
    await asyncio.sleep(0.5)
    await expect(page.locator(".row.mine .bubble")).to_have_text("乙说的")
    await page.close()
