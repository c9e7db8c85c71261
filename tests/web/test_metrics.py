"""Who may read `/metrics`."""

from __future__ import annotations

import socket
from contextlib import AsyncExitStack

import aiohttp
import pytest
from aiohttp import web

from bot.app import listen
from bot.dialogue.engine_client import EngineClient
from bot.runtime.services import Services
from bot.settings import read_settings
from tests.running import free_ports
from web.pages import Pages, may_measure

TOKEN = {"Authorization": "Bearer secret"}


@pytest.mark.parametrize(
    ("remote", "headers", "token", "allowed"),
    [
        ("127.0.0.1", {}, None, True),
        ("127.8.0.1", {}, None, True),
        ("::1", {}, None, True),
        ("::ffff:127.0.0.1", {}, None, True),
        ("::ffff:10.0.0.1", {}, None, False),
        ("10.0.0.1", {}, None, False),
        ("192.0.2.2", TOKEN, None, False),
        ("fe80::1%eth0", {}, None, False),
        (None, {}, None, False),
        ("127.0.0.1", {"X-Forwarded-For": "203.0.113.9"}, None, False),
        ("127.0.0.1", {"Forwarded": "for=203.0.113.9"}, None, False),
        ("127.0.0.1", {"X-Real-IP": "203.0.113.9"}, None, False),
        ("127.0.0.1", {"Via": "1.1 proxy"}, None, False),
        ("203.0.113.9", TOKEN, "secret", True),
        ("127.0.0.1", TOKEN | {"X-Forwarded-For": "203.0.113.9"}, "secret", True),
        ("127.0.0.1", {}, "secret", False),
        ("127.0.0.1", {"Authorization": "Bearer Secret"}, "secret", False),
        ("127.0.0.1", {"Authorization": "Bearer 密"}, "secret", False),
        ("127.0.0.1", {"Authorization": "Bearer "}, "secret", False),
    ],
)
def test_this_machine_or_a_token(
    remote: str | None, headers: dict[str, str], token: str | None, allowed: bool
) -> None:
    """F29: `/metrics` was open on 0.0.0.0."""
    assert may_measure(remote, headers, token) is allowed


def own_addresses() -> set[str]:
    """The machine's IPv4 addresses besides loopback; there may be none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: it only asks for a route
        except OSError:
            return set()
        return {probe.getsockname()[0]} - {"127.0.0.1"}


@pytest.mark.parametrize("token", ["", "secret"])
async def test_on_a_listener_open_to_all(services: Services, http: aiohttp.ClientSession, token: str) -> None:
    """F29: on 0.0.0.0, asked at the machine's own addresses."""
    (port,) = free_ports(1)
    env = {"MEDREP_METRICS_TOKEN": token, "MEDREP_HOME": str(services.home), "MEDREP_CONFIG": "no-such.toml"}
    pages = Pages(read_settings(env), services, EngineClient(http, "http://127.0.0.1:9", "t"), http, None)
    app = web.Application()
    app.add_routes(pages.routes())

    async def status(host: str, headers: dict[str, str]) -> int:
        async with http.get(f"http://{host}:{port}/metrics", headers=headers) as response:
            assert ("medrep" in await response.text()) == (response.status == 200)
            return response.status

    async with AsyncExitStack() as stack:
        await listen(stack, app, "0.0.0.0", port)  # noqa: S104
        assert await status("127.0.0.1", {}) == (403 if token else 200)
        assert await status("127.0.0.1", {"X-Forwarded-For": "203.0.113.9"}) == 403
        for host in own_addresses():
            assert await status(host, {}) == 403
            assert await status(host, TOKEN) == (200 if token else 403)
