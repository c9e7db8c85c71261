"""One's own account: registration, password, second factor, sessions elsewhere."""

from __future__ import annotations

from aiohttp import web

from bot.staff import FACTOR_ROLES, sign_out
from console.asking import DESK, drop_token, page, to, who
from console.routes import EVERYBODY, Route


async def show(request: web.Request) -> web.StreamResponse:
    required = bool(who(request).roles & FACTOR_ROLES)
    return page(request, "account.html", {"required": required})


async def leave_everywhere(request: web.Request) -> web.StreamResponse:
    await sign_out(request.app[DESK].services.db, who(request), everywhere=True)
    response = to("/console/sign-in")
    drop_token(response)
    return response


ROUTES = [
    Route("GET", "/account", show, EVERYBODY),
    Route("POST", "/sign-out-everywhere", leave_everywhere, EVERYBODY),
]
