"""Sending to a double of the platform on a real socket, with every way it fails."""

from __future__ import annotations

import asyncio
import json
import socket
import time
import traceback
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot.model import Account, Channel, Choice, Fault, MedrepError, Message
from connectors.wechat import WeChat
from connectors.wechat.client import CALL
from tests.connectors.wechat import world
from tests.connectors.wechat.world import APP_ID, OPENID, SECRET, MemoryGateway, MemoryTokens, Platform

Side = tuple[Platform, str]


HELLO = Message("你好")


async def failure(wechat: WeChat, message: Message = HELLO) -> MedrepError:
    with pytest.raises(MedrepError) as caught:
        await wechat.send(OPENID, message, key="k1")
    return caught.value


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


async def test_typing(wechat: WeChat, platform: Side) -> None:
    await wechat.typing(OPENID)
    assert platform[0].sent("custom/typing") == [{"touser": OPENID, "command": "Typing"}]


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


def page(text: str, status: int = 200) -> web.Response:
    return web.Response(text=text, status=status, content_type="text/html")


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
    platform[0].faults = [_again(fault)]
    started = time.monotonic()
    assert (await failure(wechat)).fault is expected
    assert len(platform[0].sent()) == 1
    assert time.monotonic() - started < 3


def _again(fault: Any) -> Any:
    """A response can be sent once only, and the table outlives a test."""
    if isinstance(fault, web.Response):
        return page(fault.text or "", fault.status)
    return fault


async def test_a_redirect_is_not_followed(wechat: WeChat, platform: Side) -> None:
    platform[0].faults = [web.Response(status=307, headers={"Location": "/cgi-bin/message/custom/typing"})]
    assert (await failure(wechat)).fault is Fault.NO_PERMISSION
    assert [path for path, _ in platform[0].requests][1:] == ["/cgi-bin/message/custom/send"]


def connector(http: aiohttp.ClientSession, api_base: str, tokens: MemoryTokens | None = None) -> WeChat:
    settings = world.settings("safe", api_base)
    timeout = aiohttp.ClientTimeout(total=0.6, connect=0.3, sock_connect=0.3)
    tokens = tokens or MemoryTokens()
    return WeChat(world.account("demo"), settings, MemoryGateway(), tokens, http, timeout=timeout)


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


# ---------------------------------------------------------------- tokens


@pytest.mark.parametrize("code", [40001, 40014, 42001])
async def test_a_refused_token_is_renewed_once(wechat: WeChat, platform: Side, code: int) -> None:
    platform[0].faults = [code]
    await wechat.send(OPENID, Message("你好"), key="k1")
    assert platform[0].issued == 2
    assert len(platform[0].sent()) == 2


@pytest.mark.parametrize("code", [40001, 40014, 42001])
async def test_a_token_refused_twice(wechat: WeChat, platform: Side, code: int) -> None:
    platform[0].faults = [code] * 100
    error = await failure(wechat)
    assert (error.fault, error.code) == (Fault.TOKEN, code)
    assert platform[0].issued == 2
    assert len(platform[0].sent()) == 2


async def test_a_stable_token_that_is_refused_is_forced(wechat: WeChat, platform: Side) -> None:
    platform[0].sticky = True
    await wechat.send(OPENID, Message("一"), key="k1")
    platform[0].faults = [40001]
    await wechat.send(OPENID, Message("二"), key="k2")
    asked = [json.loads(body)["force_refresh"] for path, body in platform[0].requests if "stable" in path]
    assert asked == [False, False, True]


async def test_one_fetch_for_many_sends(wechat: WeChat, platform: Side) -> None:
    await asyncio.gather(*(wechat.send(OPENID, Message(str(n)), key=str(n)) for n in range(20)))
    assert platform[0].issued == 1
    assert len(platform[0].sent()) == 20


async def test_one_renewal_for_many_refusals(wechat: WeChat, platform: Side) -> None:
    await wechat.send(OPENID, Message("0"), key="0")
    platform[0].valid = "somebody-else-renewed-it"
    platform[0].sticky = False
    await asyncio.gather(*(wechat.send(OPENID, Message(str(n)), key=str(n)) for n in range(10)))
    assert platform[0].issued == 2


@pytest.mark.parametrize("unavailable", [page("not found", 404), 40066, 48001])
async def test_without_stable_token(wechat: WeChat, platform: Side, unavailable: Any) -> None:
    platform[0].token_faults = [_again(unavailable)]
    await wechat.send(OPENID, Message("你好"), key="k1")
    paths = [path for path, _ in platform[0].requests]
    assert paths == ["/cgi-bin/stable_token", "/cgi-bin/token", "/cgi-bin/message/custom/send"]


TOKEN_FAILURES: list[tuple[str, list[Any], Fault]] = [
    ("bad secret", [40125], Fault.TOKEN),
    ("bad app id", [40013], Fault.TOKEN),
    ("unknown refusal", [61024], Fault.TOKEN),
    ("address not allowed", [40164], Fault.ADDRESS_NOT_ALLOWED),
    ("daily quota", [45009], Fault.DAILY_QUOTA),
    ("busy", [-1], Fault.TRANSIENT),
    ("timeout", ["timeout"], Fault.TRANSIENT),
    ("reset", ["reset"], Fault.TRANSIENT),
    ("HTML", [page("<html>")], Fault.TRANSIENT),
    ("no token in it", [page('{"errcode": 0}')], Fault.TRANSIENT),
    ("no lifetime", [page('{"access_token": "x"}')], Fault.TRANSIENT),
    # F16: mistyped answers, and statuses beside which a token counts for nothing.
    ("lifetime as text", [page('{"access_token": "x", "expires_in": "7200"}')], Fault.TRANSIENT),
    ("lifetime true", [page('{"access_token": "x", "expires_in": true}')], Fault.TRANSIENT),
    ("endless lifetime", [page('{"access_token": "x", "expires_in": 1' + "0" * 30 + "}")], Fault.TRANSIENT),
    ("token as number", [page('{"access_token": 7, "expires_in": 7200}')], Fault.TRANSIENT),
    ("no text", [page('{"access_token": "\\ud800", "expires_in": 7200}')], Fault.TRANSIENT),
    ("token with 500", [page('{"access_token": "x", "expires_in": 7200}', 500)], Fault.TRANSIENT),
    ("503", [page("", 503)], Fault.TRANSIENT),
    ("nothing", [page("")], Fault.TRANSIENT),
    ("about somebody", [40003], Fault.TOKEN),
    ("about a window", [45015], Fault.TOKEN),
    # aiohttp repeats a GET whose kept connection was reset, once.
    ("both gone", [page("", 404), "reset", "reset"], Fault.TRANSIENT),
]


@pytest.mark.parametrize(
    ("faults", "expected"), [case[1:] for case in TOKEN_FAILURES], ids=[case[0] for case in TOKEN_FAILURES]
)
async def test_without_a_token_nothing_is_sent_nor_ambiguous(
    wechat: WeChat, platform: Side, faults: list[Any], expected: Fault
) -> None:
    platform[0].token_faults = [_again(fault) for fault in faults]
    assert (await failure(wechat)).fault is expected
    assert platform[0].sent() == []


async def test_a_busy_token_endpoint_is_no_answer_to_the_message(wechat: WeChat, platform: Side) -> None:
    """F2: with an errcode the message would be given up after three tries, heard by nobody."""
    platform[0].token_faults = [-1]
    assert (await failure(wechat)).code is None


@pytest.mark.parametrize("where", ["before", "between"])
async def test_a_call_ends_in_its_time_and_waiting_for_a_token_is_never_ambiguous(
    platform: Side, where: str
) -> None:
    """F2: a hanging token endpoint ended as an ambiguous send once the sender's patience was over."""

    class Hanging(MemoryTokens):
        async def get(self, account: Account, fetch: Any) -> str:
            return await (asyncio.sleep(60) if where == "before" else super().get(account, fetch))  # type: ignore[func-returns-value]

        async def refused(self, account: Account, token: str, fetch: Any) -> str:
            await asyncio.sleep(60)
            return ""

    platform[0].faults = [40001]
    async with aiohttp.ClientSession() as http:
        wechat = connector(http, platform[1], Hanging())
        began = time.monotonic()
        error = await failure(wechat)
        assert time.monotonic() - began < CALL * 0.6 + 0.2
    assert error.fault is Fault.TRANSIENT and error.code is None
    assert len(platform[0].sent()) == (where == "between")


# ---------------------------------------------------------------- secrets


def chain(error: BaseException | None) -> str:
    """Everything an exception could show: every link, suppressed ones too, with repr and traceback."""
    shown = []
    while error is not None:
        shown += [str(error), repr(error), *traceback.format_exception(error)]
        error = error.__cause__ or error.__context__
    return "\n".join(shown)


SECRET_FAULTS = [*(case[1] for case in FAILURES), 40001, 45015]


@pytest.mark.parametrize("at", ["message", "token"])
@pytest.mark.parametrize("fault", SECRET_FAULTS, ids=str)
async def test_no_secret_in_log_or_exception(
    wechat: WeChat, platform: Side, fault: Any, at: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    faults = [_again(fault) for _ in range(4)]
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
