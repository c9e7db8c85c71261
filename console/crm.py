"""CRM: what was told of approved visits, and telling it again."""

from __future__ import annotations

from aiohttp import web

from bot import desk
from console.asking import DESK, number, page, to, who
from console.routes import CRM_KEEPERS, Route

FILTERS = ("open", "waiting", "failed", "delivered", "all")


async def show(request: web.Request) -> web.StreamResponse:
    which = request.query.get("filter", "open")
    which = which if which in FILTERS else "open"
    found = await desk.crm_page(request.app[DESK], who(request), which)
    context = {"crm": found, "which": which, "filters": FILTERS, "done": "done" in request.query}
    return page(request, "crm.html", context)


async def replay(request: web.Request) -> web.StreamResponse:
    await desk.replay_delivery(request.app[DESK], who(request), number(request, "delivery"))
    return to("/console/crm?done")


ROUTES = [
    Route("GET", "/crm", show, CRM_KEEPERS),
    Route("POST", "/crm/{delivery}/replay", replay, CRM_KEEPERS),
]
