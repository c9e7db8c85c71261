"""Sending to a double of the platform on a real socket, with every way it fails."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot.model import Account, Channel, Choice, Fault, MedrepError, Message
from connectors.wechat import WeChat
from tests.connectors.wechat import world
from tests.connectors.wechat.calls import Side, again, chain, connector, failure, page
from tests.connectors.wechat.world import APP_ID, OPENID, SECRET, MemoryGateway, MemoryTokens


async def test_a_text(wechat: WeChat, platform: Side) -> None:
    await wechat.send(OPENID, Message('二甲双胍😀"\\'), key="k1")
    assert platform[0].sent() == [
        {
            "touser": OPENID,
            "msgtype": "text",
            "text": {"content": '二甲双胍😀"\\'},
            "aimsgcontext": {"is_ai_msg": 1},
        }
    ]
    raw = platform[0].requests[-1][1]
    assert "二甲双胍😀".encode() in raw
    assert b"\\u" not in raw


async def test_a_menu(wechat: WeChat, platform: Side) -> None:
    """F26: the ids are digits, of the message and the place; our own names of things stay with us."""
    offered = Message("您想问的是", (Choice("entry:met-renal", "肾功能"), Choice("human", "人工")), 1234)
    await wechat.send(OPENID, offered, key="k1")
    (sent,) = platform[0].sent()
    assert sent["msgmenu"]["list"] == [
        {"id": "123401", "content": "肾功能"},
        {"id": "123402", "content": "人工"},
    ]


async def test_too_long_is_refused_before_it_is_sent(wechat: WeChat, platform: Side) -> None:
    message = Message("药" * 683)
    assert (await failure(wechat, message)).fault is Fault.TOO_LONG
    assert platform[0].requests == []
    for part in wechat.split(message):
        await wechat.send(OPENID, part, key="k1")
    assert "".join(sent["text"]["content"] for sent in platform[0].sent()) == message.text


# ---------------------------------------------------------------- templates


async def test_a_template(wechat: WeChat, platform: Side) -> None:
    fields = {"title": "高血压用药研讨会", "when": "11月28日 19:00"}
    receipt = await wechat.template(OPENID, "meeting", fields, client_msg_id="row-17")
    assert receipt.platform_id == "200228332"
    assert platform[0].sent("template/send") == [
        {
            "touser": OPENID,
            "template_id": "T1",
            "client_msg_id": "row-17",
            "data": {"thing1": {"value": "高血压用药研讨会"}, "time2": {"value": "11月28日 19:00"}},
        }
    ]


GOOD = {"title": "会", "when": "今天"}


@pytest.mark.parametrize(
    ("template", "fields", "client_msg_id", "fault"),
    [
        ("nothing", GOOD, "k", Fault.CONFIGURATION),
        ("meeting", {"title": "会"}, "k", Fault.BAD_INPUT),
        ("meeting", {**GOOD, "remark": "x"}, "k", Fault.BAD_INPUT),
        ("meeting", {**GOOD, "title": "会" * 21}, "k", Fault.BAD_INPUT),
        ("meeting", {**GOOD, "title": "第一行\n第二行"}, "k", Fault.BAD_INPUT),
        ("meeting", {**GOOD, "title": "会\n"}, "k", Fault.BAD_INPUT),
        ("meeting", {**GOOD, "title": "一\u2028二"}, "k", Fault.BAD_INPUT),
        ("meeting", {**GOOD, "title": " "}, "k", Fault.BAD_INPUT),
        ("meeting", {**GOOD, "title": "a\0"}, "k", Fault.BAD_INPUT),
        ("meeting", GOOD, "", Fault.BAD_INPUT),
        ("meeting", GOOD, "键", Fault.BAD_INPUT),
    ],
)
async def test_a_bad_template_is_not_sent(
    wechat: WeChat, platform: Side, template: str, fields: dict[str, str], client_msg_id: str, fault: Fault
) -> None:
    with pytest.raises(MedrepError) as caught:
        await wechat.template(OPENID, template, fields, client_msg_id=client_msg_id)
    assert caught.value.fault is fault
    assert platform[0].requests == []


async def test_twenty_characters_fit_a_field(wechat: WeChat, platform: Side) -> None:
    await wechat.template(OPENID, "meeting", {**GOOD, "title": "会" * 20}, client_msg_id="k")
    assert len(platform[0].sent("template/send")) == 1


# ---------------------------------------------------------------- the errcode table

TABLE = [
    (-1, Fault.TRANSIENT),
    (40003, Fault.UNREACHABLE),
    (43004, Fault.UNREACHABLE),
    (40164, Fault.ADDRESS_NOT_ALLOWED),
    (45002, Fault.TOO_LONG),
    (45009, Fault.DAILY_QUOTA),
    (45011, Fault.MINUTE_QUOTA),
    (45015, Fault.WINDOW_CLOSED),
    (45047, Fault.COUNT_USED_UP),
    (48001, Fault.NO_PERMISSION),
    (40033, Fault.REJECTED),
    (43101, Fault.REJECTED),
    (99999, Fault.REJECTED),
]


@pytest.mark.parametrize(("code", "fault"), TABLE)
async def test_errcode(wechat: WeChat, platform: Side, code: int, fault: Fault) -> None:
    platform[0].faults = [code]
    error = await failure(wechat)
    assert (error.fault, error.code) == (fault, code)
    # Once: whether to try again is not the connector's to decide. The errmsg is not quoted, but for its rid.
    assert len(platform[0].sent()) == 1
    assert "rid: 655d9278-7c157f97-69055077" in error.detail
    assert OPENID not in error.detail


FAILURES: list[tuple[str, Any, Fault]] = [
    ("HTML with 200", page("<html>ok</html>"), Fault.AMBIGUOUS),
    ("nothing with 200", page(""), Fault.AMBIGUOUS),
    ("JSON without errcode", page("{}"), Fault.AMBIGUOUS),
    ("JSON that is no object", page("[0]"), Fault.AMBIGUOUS),
    ("errcode as text", page('{"errcode": "0"}'), Fault.AMBIGUOUS),
    ("errcode false", page('{"errcode": false}'), Fault.AMBIGUOUS),
    ("nested without end", page("[" * 100_000), Fault.AMBIGUOUS),
    ("endless", page('{"errcode": 0' + " " * 3_000_000 + "}"), Fault.AMBIGUOUS),
    ("502", page("Bad Gateway", 502), Fault.AMBIGUOUS),
    ("403 of a proxy", page("no", 403), Fault.NO_PERMISSION),
    ("404 of a proxy", page("no", 404), Fault.NO_PERMISSION),
    ("400 of a proxy", page("no", 400), Fault.REJECTED),
    ("429", page("slow down", 429), Fault.TRANSIENT),
    # F17: an errcode 0 beside another status than 200 is no proof that anything was sent.
    ("errcode 0 with 404", page('{"errcode": 0}', 404), Fault.NO_PERMISSION),
    ("errcode 0 with 400", page('{"errcode": 0}', 400), Fault.REJECTED),
    ("errcode 0 with 429", page('{"errcode": 0}', 429), Fault.TRANSIENT),
    ("errcode 0 with 202", page('{"errcode": 0}', 202), Fault.AMBIGUOUS),
    ("errcode 0 with 500", page('{"errcode": 0}', 500), Fault.AMBIGUOUS),
    ("errcode 0 with 504", page('{"errcode": 0}', 504), Fault.AMBIGUOUS),
    ("errcode with 500", page('{"errcode": 45047}', 500), Fault.AMBIGUOUS),
    ("errcode with 400", page('{"errcode": 45047}', 400), Fault.COUNT_USED_UP),
    ("refused token with 500", page('{"errcode": 40001}', 500), Fault.AMBIGUOUS),
    ("timeout", "timeout", Fault.AMBIGUOUS),
    ("reset", "reset", Fault.AMBIGUOUS),
    ("reset midway", "midway", Fault.AMBIGUOUS),
    ("not HTTP", "garbage", Fault.AMBIGUOUS),
]


@pytest.mark.parametrize(
    ("fault", "expected"), [case[1:] for case in FAILURES], ids=[case[0] for case in FAILURES]
)
async def test_failure(wechat: WeChat, platform: Side, fault: Any, expected: Fault) -> None:
    platform[0].faults = [again(fault)]
    started = time.monotonic()
    assert (await failure(wechat)).fault is expected
    assert len(platform[0].sent()) == 1
    assert time.monotonic() - started < 3


async def test_a_redirect_is_not_followed(wechat: WeChat, platform: Side) -> None:
    platform[0].faults = [web.Response(status=307, headers={"Location": "/cgi-bin/message/custom/typing"})]
    assert (await failure(wechat)).fault is Fault.NO_PERMISSION
    assert [path for path, _ in platform[0].requests][1:] == ["/cgi-bin/message/custom/send"]


async def test_no_connection_is_transient() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # bound and not listening: refused
        tokens = MemoryTokens()
        tokens.token = "t"
        async with aiohttp.ClientSession() as http:
            base = f"http://127.0.0.1:{free.getsockname()[1]}"
            assert (await failure(connector(http, base, tokens))).fault is Fault.TRANSIENT


async def test_no_free_connection_is_transient(platform: Side) -> None:
    """The wait for a connection of the pool is not a sent message."""
    tokens = MemoryTokens()
    tokens.token = platform[0].valid = "t"
    platform[0].faults = ["timeout"]
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as http:
        wechat = connector(http, platform[1], tokens)
        first = asyncio.create_task(failure(wechat))
        await asyncio.sleep(0.05)
        assert (await failure(wechat)).fault is Fault.TRANSIENT
        assert (await first).fault is Fault.AMBIGUOUS
    assert len(platform[0].sent()) == 1


async def test_a_closed_session_is_transient(platform: Side) -> None:
    async with aiohttp.ClientSession() as http:
        wechat = connector(http, platform[1])
    assert (await failure(wechat)).fault is Fault.TRANSIENT


# ---------------------------------------------------------------- secrets


SECRET_FAULTS = [*(case[1] for case in FAILURES), 40001, 45015]


@pytest.mark.parametrize("at", ["message", "token"])
@pytest.mark.parametrize("fault", SECRET_FAULTS, ids=str)
async def test_no_secret_in_log_or_exception(
    wechat: WeChat, platform: Side, fault: Any, at: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    faults = [again(fault) for _ in range(4)]
    if at == "message":
        platform[0].faults = faults
    else:
        # The fallback carries the secret in its URL.
        platform[0].token_faults = [page("", 404), *faults]
    error = await failure(wechat, Message("胸痛"))
    # aiohttp.access and aiohttp.server are the double's own side.
    records = [r for r in caplog.records if r.name not in ("aiohttp.access", "aiohttp.server", "aiohttp.web")]
    logged = "\n".join(f"{record.getMessage()} {record.exc_info}" for record in records)
    for word in (SECRET, "access-token-", "c0ffee", OPENID, "胸痛", APP_ID):
        assert word not in chain(error)
        assert word not in logged


async def test_no_secret_when_there_is_no_host(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    tokens = MemoryTokens()
    tokens.token = "c0ffee"
    async with aiohttp.ClientSession() as http:
        error = await failure(connector(http, "http://no-such-host.invalid", tokens))
    assert error.fault is Fault.TRANSIENT
    assert "c0ffee" not in chain(error) + caplog.text


# ---------------------------------------------------------------- construction


@pytest.mark.parametrize("bad", [Account(Channel.WECOM, "demo"), Account(Channel.WECHAT, "a/{b}")])
async def test_an_account_that_cannot_be_served(bad: Account) -> None:
    async with aiohttp.ClientSession() as http:
        with pytest.raises(MedrepError) as caught:
            WeChat(bad, world.settings("safe"), MemoryGateway(), MemoryTokens(), http)
    assert caught.value.fault is Fault.CONFIGURATION
