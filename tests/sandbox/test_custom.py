"""Customer-service messages: every refusal, the allowances, the label, the typing signal."""

from __future__ import annotations

import asyncio
import io
import json
from typing import Any

import aiohttp
import pytest

from tests.sandbox.conftest import DOCTOR, Bench

TEXT = {"touser": DOCTOR, "msgtype": "text", "text": {"content": "好"}}
LINES = [{"id": "101", "content": "肾功能"}, {"id": "102", "content": "找人工"}]
MENU = {"touser": DOCTOR, "msgtype": "msgmenu", "msgmenu": {"head_content": "您想问的是", "list": LINES}}


def text(content: Any) -> dict[str, Any]:
    return {**TEXT, "text": {"content": content}}


def menu(**swap: Any) -> dict[str, Any]:
    return {**MENU, "msgmenu": {"head_content": "您想问的是", "list": LINES} | swap}


def news(*articles: Any) -> dict[str, Any]:
    return {"touser": DOCTOR, "msgtype": "news", "news": {"articles": list(articles)}}


REFUSED = [
    ("no body", b"", 44002),
    ("not json", b"{", 47001),
    ("not an object", b"[]", 47001),
    ("not utf-8", '{"touser":"好"}'.encode("gbk"), 47001),
    ("escaped characters", json.dumps(TEXT).encode(), 40033),
    ("escaped after a backslash", rb'{"touser":"\\\u4e2d"}', 40033),
    ("no receiver", {"msgtype": "text", "text": {"content": "好"}}, 40003),
    ("receiver is no string", {**TEXT, "touser": ["o"]}, 40003),
    ("unknown receiver", {**TEXT, "touser": "oNobodyHasThisOpenId00000000"}, 40003),
    ("no type", {"touser": DOCTOR}, 40008),
    ("unknown type", {**TEXT, "msgtype": "hologram"}, 40008),
    ("no text", {"touser": DOCTOR, "msgtype": "text"}, 44004),
    ("empty text", text(""), 44004),
    ("blank text", text(" \n"), 44004),
    ("text is a number", text(7), 44004),
    ("2049 bytes", text("a" * 2049), 45002),
    ("683 characters of three bytes", text("长" * 683), 45002),
    ("menu without lines", menu(list=[]), 44004),
    ("menu line without id", menu(list=[{"content": "x"}]), 44004),
    ("menu line without words", menu(list=[{"id": "1"}]), 44004),
    ("menu line whose id is no number", menu(list=[{"id": "entry:a", "content": "x"}]), 47003),
    ("menu too long", menu(head_content="长" * 683), 45002),
    ("unknown picture", {"touser": DOCTOR, "msgtype": "image", "image": {"media_id": "x"}}, 40007),
    ("news without article", news(), 44003),
    ("news without title", news({"url": "https://a.cn"}), 44003),
    ("two articles", news({"title": "a"}, {"title": "b"}), 45008),
]


@pytest.mark.parametrize(("body", "errcode"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
async def test_refused(bench: Bench, body: Any, errcode: int) -> None:
    await bench.say()
    before = len(await bench.chat())
    assert (await bench.call("message/custom/send", body))["errcode"] == errcode
    assert len(await bench.chat()) == before
    # A refusal for content uses nothing up.
    assert [(await bench.send_text("好"))["errcode"] for _ in range(6)] == [0] * 5 + [45047]


ACCEPTED = [
    ("2048 bytes", text("a" * 2048)),
    ("an escape that is text", text(r"写作\u4e2d")),
    ("emoji", text("😀 {drug} ]]>")),
    ("menu", menu(tail_content="回复数字也可以")),
    ("menu with number ids", menu(list=[{"id": 7, "content": "x"}])),
    ("news", news({"title": "标题", "description": "说明", "url": "https://a.cn", "picurl": ""})),
]


@pytest.mark.parametrize("body", [row[1] for row in ACCEPTED], ids=[row[0] for row in ACCEPTED])
async def test_accepted(bench: Bench, body: dict[str, Any]) -> None:
    await bench.say()
    answer = await bench.call("message/custom/send", body)
    assert answer == {"errcode": 0, "errmsg": "ok"}
    shown = (await bench.chat())[-1]
    assert (shown["from"], shown["type"], shown["via"]) == ("account", body["msgtype"], "customer_service")


async def test_what_the_chat_shows(bench: Bench) -> None:
    await bench.say()
    await bench.send_text("答案", aimsgcontext={"is_ai_msg": 1})
    await bench.send_text("人写的")
    await bench.call("message/custom/send", menu(tail_content="以上"))
    labelled, plain, choices = (await bench.chat())[1:]
    assert (labelled["text"], labelled["is_ai"], plain["is_ai"]) == ("答案", True, False)
    assert choices["menu"] == {"items": LINES, "tail": "以上"}
    sent = await bench.say("", type="menu", id="102")
    assert bench.gateway.posts[-1].fields | {"MsgId": ""} == bench.gateway.posts[-1].fields | {
        "Content": "找人工",
        "bizmsgmenuid": "102",
        "MsgId": "",
    }
    assert sent["outcome"] == "acknowledged"
    assert "no msgmenu" in (await bench.say("", type="menu", id="999"))["error"]


PNG = b"\x89PNG\r\n\x1a\n..."


async def upload(bench: Bench, data: bytes, kind: str = "image") -> dict[str, Any]:
    form = aiohttp.FormData()
    form.add_field("media", io.BytesIO(data), filename="a.png", content_type="image/png")
    query = {"access_token": await bench.token(), "type": kind}
    url = f"{bench.url}/sandbox/wechat/cgi-bin/media/upload"
    async with bench.http.post(url, params=query, data=form) as response:
        answer: dict[str, Any] = await response.json()
        return answer


async def test_a_picture_is_uploaded_and_sent(bench: Bench) -> None:
    """It is known for three days, and to its account alone."""
    await bench.say()
    media_id = (await upload(bench, PNG))["media_id"]
    body = {"touser": DOCTOR, "msgtype": "image", "image": {"media_id": media_id}}
    assert (await bench.call("message/custom/send", body))["errcode"] == 0
    async with bench.http.get(f"{bench.url}/sandbox/api/media/{media_id}") as response:
        assert (response.content_type, await response.read()) == ("image/png", PNG)
    assert bench.double.world.upload("sandbox", media_id) is not None
    assert bench.double.world.upload("another", media_id) is None
    await clock(bench, 72 * 3600 + 1)
    await bench.say()
    assert (await bench.call("message/custom/send", body))["errcode"] == 40007


@pytest.mark.parametrize(
    ("data", "kind", "errcode"),
    [
        (b"%PDF-1.7", "image", 40137),
        (b"", "image", 41005),
        (PNG, "video", 40004),
        (PNG + bytes(10 * 1024 * 1024), "image", 45001),
    ],
    ids=["a PDF", "nothing", "another type", "too large"],
)
async def test_what_is_no_picture_is_refused(bench: Bench, data: bytes, kind: str, errcode: int) -> None:
    assert (await upload(bench, data, kind))["errcode"] == errcode


# ---------------------------------------------------------------- allowances

HOURS_48 = 48 * 3600


async def clock(bench: Bench, offset: float) -> None:
    await bench.post("control/clock", {"offset_seconds": offset})


async def errcodes(bench: Bench, count: int) -> list[int]:
    return [(await bench.send_text("好"))["errcode"] for _ in range(count)]


async def test_nothing_before_the_user_wrote(bench: Bench) -> None:
    assert await errcodes(bench, 1) == [45015]


async def test_five_after_a_message_then_more_after_the_next(bench: Bench) -> None:
    await bench.say()
    assert await errcodes(bench, 6) == [0] * 5 + [45047]
    await bench.say()
    assert await errcodes(bench, 6) == [0] * 5 + [45047]


async def test_allowances_do_not_add_up(bench: Bench) -> None:
    await bench.say()
    await bench.say()
    assert await errcodes(bench, 6) == [0] * 5 + [45047]


async def test_the_window_closes_after_48_hours(bench: Bench) -> None:
    await bench.say()
    await clock(bench, HOURS_48 - 60)
    assert await errcodes(bench, 1) == [0]
    await clock(bench, HOURS_48 + 1)
    assert await errcodes(bench, 1) == [45015]


async def test_a_passive_reply_uses_nothing(bench: Bench) -> None:
    async def answer(post: Any) -> Any:
        return post.sealed(post.reply())

    bench.gateway.answer = answer
    await bench.say()
    assert await errcodes(bench, 6) == [0] * 5 + [45047]


CLICKS: list[dict[str, str]] = [
    {"type": "event", "event": "CLICK", "event_key": "k"},
    {"type": "event", "event": "SCAN", "event_key": "k"},
    {"type": "event", "event": "subscribe"},
    {"type": "menu", "id": "x"},
]


@pytest.mark.parametrize("click", CLICKS)
async def test_three_within_a_minute_of_a_click(bench: Bench, click: dict[str, str]) -> None:
    await bench.say("一行", **click)
    assert await errcodes(bench, 4) == [0] * 3 + [45047]
    await bench.say("一行", **click)
    await clock(bench, 61)
    assert await errcodes(bench, 1) == [45015]


async def test_a_click_beside_a_message(bench: Bench) -> None:
    await bench.say()
    await bench.say("", **CLICKS[0])
    assert await errcodes(bench, 9) == [0] * 8 + [45047]


async def test_a_menu_link_gives_nothing(bench: Bench) -> None:
    await bench.say("", type="event", event="VIEW", event_key="https://a.cn")
    assert await errcodes(bench, 1) == [45015]


async def test_who_left_gets_nothing_and_coming_back_starts_small(bench: Bench) -> None:
    await bench.say()
    await bench.say("", type="event", event="unsubscribe")
    assert await errcodes(bench, 1) == [43004]
    await bench.say("", type="event", event="subscribe")
    assert await errcodes(bench, 4) == [0] * 3 + [45047]


async def test_concurrent_sends_are_counted_exactly(bench: Bench) -> None:
    await bench.say()
    token = await bench.token()
    answers = await asyncio.gather(*(bench.call("message/custom/send", TEXT, token=token) for _ in range(12)))
    assert sorted(answer["errcode"] for answer in answers) == [0] * 5 + [45047] * 7
    assert len(await bench.chat()) == 1 + 5


# ---------------------------------------------------------------- typing


async def typing(bench: Bench, command: str = "Typing") -> int:
    answer = await bench.call("message/custom/typing", {"touser": DOCTOR, "command": command})
    return int(answer["errcode"])


async def test_typing(bench: Bench) -> None:
    assert await typing(bench) == 45015
    await bench.say()
    assert await typing(bench, "Dancing") == 45072
    assert await typing(bench) == 0
    assert await typing(bench) == 45081
    assert await typing(bench, "CancelTyping") == 0
    assert await typing(bench) == 0
    await bench.send_text("好")  # a message ends the signal
    assert await typing(bench) == 0
    await clock(bench, 31)
    assert await typing(bench) == 45080
