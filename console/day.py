"""我的一天: who waits, what is due, whom one looks after; and what is done with a task."""

from __future__ import annotations

from aiohttp import web

from bot import desk
from console.asking import DESK, LIVE, field, number, page, to, who
from console.routes import EVERYBODY, HANDLERS, Route


async def show(request: web.Request) -> web.StreamResponse:
    since = await desk.work_standing(request.app[DESK], who(request))  # before what is shown is read
    shown = await desk.day(request.app[DESK], who(request))
    return page(request, "day.html", {"day": shown, "since": since})


async def show_part(request: web.Request) -> web.StreamResponse:
    """What changes on the page by itself."""
    shown = await desk.day(request.app[DESK], who(request))
    return page(request, "day_part.html", {"day": shown})


async def stream(request: web.Request) -> web.StreamResponse:
    reading, me = request.app[DESK], who(request)
    return await request.app[LIVE].stream(
        request, reading, me, lambda: desk.work_standing(reading, me), messages=False
    )


async def acknowledge(request: web.Request) -> web.StreamResponse:
    await desk.acknowledge(request.app[DESK], who(request), number(request, "task"))
    return await _back(request)


async def close(request: web.Request) -> web.StreamResponse:
    remark = await field(request, "remark", 500)
    await desk.close(request.app[DESK], who(request), number(request, "task"), remark)
    return await _back(request)


async def _back(request: web.Request) -> web.StreamResponse:
    """The list as it is now, to a page that fetches; to all others, the page."""
    return await show_part(request) if request.headers.get("HX-Request") else to("/console/")


ROUTES = [
    Route("GET", "/", show, EVERYBODY),
    Route("GET", "/day/part", show_part, EVERYBODY, live=True),
    Route("GET", "/day/live", stream, EVERYBODY, live=True),
    Route("POST", "/tasks/{task}/acknowledge", acknowledge, HANDLERS),
    Route("POST", "/tasks/{task}/close", close, HANDLERS),
]
