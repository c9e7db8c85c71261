"""Calls of the platform's double that fail, and everything that an error of theirs could show."""

from __future__ import annotations

import traceback
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot.model import MedrepError, Message
from connectors.wechat import WeChat
from tests.connectors.wechat import world
from tests.connectors.wechat.world import OPENID, MemoryGateway, MemoryTokens, Platform

Side = tuple[Platform, str]
HELLO = Message("你好")


async def failure(wechat: WeChat, message: Message = HELLO) -> MedrepError:
    with pytest.raises(MedrepError) as caught:
        await wechat.send(OPENID, message, key="k1")
    return caught.value


def page(text: str, status: int = 200) -> web.Response:
    return web.Response(text=text, status=status, content_type="text/html")


def again(fault: Any) -> Any:
    """A response can be sent once only, and the table outlives a test."""
    if isinstance(fault, web.Response):
        return page(fault.text or "", fault.status)
    return fault


def connector(http: aiohttp.ClientSession, api_base: str, tokens: MemoryTokens | None = None) -> WeChat:
    settings = world.settings("safe", api_base)
    timeout = aiohttp.ClientTimeout(total=0.6, connect=0.3, sock_connect=0.3)
    tokens = tokens or MemoryTokens()
    return WeChat(world.account("demo"), settings, MemoryGateway(), tokens, http, timeout=timeout)


def chain(error: BaseException | None) -> str:
    """Everything an exception could show: every link, suppressed ones too, with repr and traceback."""
    shown = []
    while error is not None:
        shown += [str(error), repr(error), *traceback.format_exception(error)]
        error = error.__cause__ or error.__context__
    return "\n".join(shown)
