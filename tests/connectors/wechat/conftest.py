"""One real HTTP server with three accounts (one a mode), and one double of the platform's API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from connectors.wechat import WeChat
from tests.connectors.wechat.world import MemoryGateway, MemoryTokens, Platform, Post, account, post, settings

MODES = ("plain", "compatible", "safe")


@dataclass
class Site:
    """The webhooks under test and whoever calls them."""

    server: TestServer
    http: aiohttp.ClientSession
    gateways: dict[str, MemoryGateway]

    def url(self, mode: str) -> str:
        return str(self.server.make_url(f"/wechat/{mode}"))

    async def send(self, mode: str, post: Post) -> tuple[int, str]:
        async with self.http.post(self.url(mode), params=post.query, data=post.body) as response:
            return response.status, await response.text()

    async def message(self, mode: str, xml: str | bytes) -> tuple[int, str]:
        return await self.send(mode, post(mode, xml))


@pytest_asyncio.fixture(scope="session")
async def site() -> AsyncIterator[Site]:
    gateways = {mode: MemoryGateway() for mode in MODES}
    app = web.Application()
    async with aiohttp.ClientSession() as http:
        for mode in MODES:
            connector = WeChat(account(mode), settings(mode), gateways[mode], MemoryTokens(), http)
            app.add_routes(connector.routes())
        server = TestServer(app)
        await server.start_server()
        yield Site(server, http, gateways)
        await server.close()


@pytest.fixture
def gateways(site: Site) -> dict[str, MemoryGateway]:
    """The gateways of the three accounts, empty."""
    for gateway in site.gateways.values():
        gateway.reset()
    return site.gateways


@pytest_asyncio.fixture
async def platform() -> AsyncIterator[tuple[Platform, str]]:
    """A fresh platform and its address."""
    double = Platform(slow=asyncio.Event())
    server = TestServer(double.app())
    await server.start_server()
    yield double, str(server.make_url("")).rstrip("/")
    double.slow.set()
    await server.close()


@pytest_asyncio.fixture
async def wechat(platform: tuple[Platform, str]) -> AsyncIterator[WeChat]:
    """A connector that sends to the platform, with short real timeouts."""
    timeout = aiohttp.ClientTimeout(total=0.5, connect=0.3, sock_connect=0.3)
    async with aiohttp.ClientSession() as http:
        yield WeChat(
            account("demo"),
            settings("safe", platform[1]),
            MemoryGateway(),
            MemoryTokens(),
            http,
            timeout=timeout,
        )
