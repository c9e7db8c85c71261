"""会议: which there are, and who is invited and says what. What is said of one is changed nowhere here."""

from __future__ import annotations

from aiohttp import web

from bot import desk
from console.asking import DESK, item, page, who
from console.routes import MEETING_READERS, Route


async def show_all(request: web.Request) -> web.StreamResponse:
    found = await desk.programme(request.app[DESK], who(request))
    return page(request, "meetings.html", {"programme": found})


async def show(request: web.Request) -> web.StreamResponse:
    found = await desk.meeting(request.app[DESK], who(request), item(request.match_info["item"]))
    return page(request, "meeting.html", {"line": found})


ROUTES = [
    Route("GET", "/meetings", show_all, MEETING_READERS),
    Route("GET", "/meetings/{item}", show, MEETING_READERS),
]
