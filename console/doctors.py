"""医生: the list, and one doctor's page."""

from __future__ import annotations

from uuid import UUID

from aiohttp import web

from bot import desk
from console.asking import DESK, page, who
from console.routes import DOCTOR_READERS, Route


async def show_all(request: web.Request) -> web.StreamResponse:
    words = request.query.get("q", "")[:40]
    found = await desk.doctor_list(request.app[DESK], who(request), words)
    part = request.headers.get("HX-Request") and not request.headers.get("HX-Boosted")
    return page(request, "doctors_part.html" if part else "doctors.html", {"doctors": found, "q": words})


async def show(request: web.Request) -> web.StreamResponse:
    try:
        person_id = UUID(request.match_info["person"])
    except ValueError:
        raise web.HTTPNotFound from None
    found = await desk.doctor(request.app[DESK], who(request), person_id)
    return page(request, "doctor.html", {"doctor": found})


ROUTES = [
    Route("GET", "/doctors", show_all, DOCTOR_READERS),
    Route("GET", "/doctors/{person}", show, DOCTOR_READERS),
]
