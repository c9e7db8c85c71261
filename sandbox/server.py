"""The double put together: one aiohttp application under /sandbox/."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from sandbox.account_api import AccountApi
from sandbox.accounts import Account
from sandbox.calls import Calls, Double
from sandbox.control import Control
from sandbox.custom import Custom
from sandbox.delivery import Delivery
from sandbox.demo import PEOPLE, Person
from sandbox.faults import Faults
from sandbox.journal import Journal
from sandbox.notices import Notices
from sandbox.oauth import OAuth
from sandbox.phone import Phone, as_json
from sandbox.quota import Act
from sandbox.world import World

PREFIX = "/sandbox"
STATIC = Path(__file__).resolve().parent / "static"
BODY_BYTES = 16_000_000
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'self'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}

DOUBLE: web.AppKey[Double] = web.AppKey("double", Double)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def build(
    accounts: dict[str, Account],
    gateway: str,
    followers_file: Path | None = None,
    known: tuple[Person, ...] = (),
) -> web.Application:
    """The application; `gateway` is the address to which user messages are posted (`…/wechat/NAME`).

    `known` follow from the beginning, and have written to the accounts before this world began.
    """
    world, faults, journal = World(followers_file, (*PEOPLE, *known)), Faults(), Journal()
    double = Double(accounts, world, Delivery(world, faults, journal, gateway), faults, journal)
    for person in known:
        double.ledger.grant(person.account, person.openid, Act.MESSAGE, world.now())
    calls, notices = Calls(double), Notices(double)
    app = web.Application(client_max_size=BODY_BYTES, middlewares=[same_origin])
    app[DOUBLE] = double
    platform = f"{PREFIX}/wechat"
    app.add_routes(
        [
            *AccountApi(double).routes(calls, platform),
            *Custom(double).routes(calls, platform),
            *notices.routes(calls, platform),
            *OAuth(double).routes(calls, platform),
            *Phone(double).routes(f"{PREFIX}/api"),
            *Control(double, notices).routes(f"{PREFIX}/control"),
            web.get(f"{PREFIX}/healthz", as_json(_healthy)),
            web.get(PREFIX, _to_page),
            web.get(f"{PREFIX}/", _page),
            web.static(f"{PREFIX}/static", STATIC),
        ]
    )

    async def alive(_: web.Application) -> AsyncIterator[None]:
        await double.delivery.start()
        yield
        await notices.stop()
        await double.delivery.stop()

    async def hang_up(_: web.Application) -> None:
        world.stop()

    async def add_headers(_: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(HEADERS)

    app.cleanup_ctx.append(alive)
    app.on_shutdown.append(hang_up)
    app.on_response_prepare.append(add_headers)
    return app


def serve(app: web.Application, port: int) -> None:
    """Serve on loopback until SIGINT or SIGTERM."""
    logging.basicConfig(level=logging.WARNING)
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None, shutdown_timeout=2)


@web.middleware
async def same_origin(request: web.Request, handler: Handler) -> web.StreamResponse:
    """No other web page may drive the double through the browser of whoever looks at it."""
    changing = request.method not in ("GET", "HEAD")
    if changing and request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        raise web.HTTPForbidden(text="cross-site")
    return await handler(request)


async def _healthy(_: web.Request) -> Any:
    return {"status": "ok"}


async def _to_page(_: web.Request) -> web.StreamResponse:
    raise web.HTTPFound(f"{PREFIX}/")


async def _page(_: web.Request) -> web.StreamResponse:
    return web.FileResponse(STATIC / "index.html")
