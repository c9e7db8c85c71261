"""The token of a send: fetched once, renewed when it is refused, and never a reason for an ambiguous send."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import aiohttp
import pytest

from bot.model import Account, Fault, Message
from connectors.wechat import WeChat
from connectors.wechat.client import CALL
from tests.connectors.wechat.calls import Side, again, connector, failure, page
from tests.connectors.wechat.world import OPENID, MemoryTokens


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
    platform[0].token_faults = [again(unavailable)]
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
    platform[0].token_faults = [again(fault) for fault in faults]
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
