"""The public listener and callers who prove nothing: slow heads, and what they write into the log."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import aiohttp
import pytest
from aiohttp import web

from bot.app import IDLE, listen
from bot.runtime import logs
from connectors.wechat import WeChat
from tests.connectors.wechat.world import MemoryGateway, MemoryTokens, account, settings
from tests.running import free_ports

HEAD = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What the product's log would hold."""
    root, stream = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers[:], root.level
    logs.configure(stream)
    try:
        yield stream
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.getLogger("connectors").setLevel(logging.NOTSET)


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """A listener that gives a request head one second, with a WeChat account behind it."""

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def slow(_: web.Request) -> web.Response:
        await asyncio.sleep(1.5)
        return web.Response(text="at last")

    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        app, (number,) = web.Application(), free_ports(1)
        app.router.add_get("/healthz", healthz)
        app.router.add_get("/slow", slow)
        app.add_routes(
            WeChat(account("safe"), settings("safe"), MemoryGateway(), MemoryTokens(), http).routes()
        )
        await listen(stack, app, "127.0.0.1", number, idle=1.0)
        yield number


async def answered(port: int, data: bytes) -> bytes:
    """All that comes back on a connection of its own for these bytes, up to its end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    try:
        return await asyncio.wait_for(reader.read(), 5)
    finally:
        writer.close()


@pytest.mark.parametrize("before", [b"", HEAD + b"\r\n"], ids=["first request", "after a request"])
async def test_a_head_that_never_ends_is_cut(port: int, before: bytes) -> None:
    """F29: a caller that sent a header line now and then kept its connection for an hour."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began = time.monotonic()
    writer.write(before + HEAD)
    cut = asyncio.create_task(reader.read())
    number = 0
    while not cut.done():
        assert time.monotonic() - began < 5, "still open"
        writer.write(f"X-{number}: 1\r\n".encode())
        number += 1
        await asyncio.wait([cut], timeout=0.2)
    assert 0.9 < time.monotonic() - began < 3
    assert cut.exception() or cut.result().count(b"200 OK") == bool(before)
    writer.close()
    assert IDLE <= 30


async def test_a_slow_answer_is_not_cut(port: int) -> None:
    """The deadline of F29 is for the request's head alone."""
    assert b"at last" in await answered(
        port, HEAD.replace(b"healthz", b"slow") + b"Connection: close\r\n\r\n"
    )


async def test_unsigned_callers_write_neither_words_nor_volume_into_the_log(
    port: int, log: io.StringIO
) -> None:
    """F29: the name of an XML field of an unsigned post was quoted, and each request wrote a line."""
    signed = "?msg_signature=x&timestamp=1700000000&nonce=1"
    for number in range(60):
        field = f"planted\u0085\u202e{number}"
        for body in (f"<xml><{field}/><{field}/></xml>", f"<xml><{field}><b/></{field}></xml>", "planted"):
            data = body.encode()
            head = f"POST /wechat/safe{signed} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            assert b" 400 " in await answered(
                port, head.encode() + b"Content-Length: %d\r\n\r\n" % len(data) + data
            )
        await answered(
            port, b"GET /wechat/safe?signature=planted%0aplanted HTTP/1.1\r\nConnection: close\r\n\r\n"
        )
        await answered(port, b"planted \x1b[2J planted\r\n\r\n")
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert lines and "planted" not in log.getvalue()
    assert len(lines) <= logs.BURST + 2, "of the HTTP server, and one a fault of the connector"


def test_what_is_left_out_is_counted(log: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """F29: the first line of the next period says how many lines are missing."""
    now = 100.0
    monkeypatch.setattr(logs.time, "monotonic", lambda: now)
    for number in range(logs.BURST + 7):
        if number == logs.BURST + 6:
            now += logs.PERIOD
        logging.getLogger("aiohttp.server").warning("refused %s", number)
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert len(lines) == logs.BURST + 1
    assert lines[-1]["left_out"] == 6 and "left_out" not in lines[0]
