"""医生: the list, and one doctor's page."""

from __future__ import annotations

from uuid import UUID

from aiohttp import web

from bot import desk
from bot.model import Fault, MedrepError
from console.asking import DESK, field, number, page, to, who
from console.routes import DOCTOR_READERS, VISITORS, Route

_REFUSED = {Fault.UNREGISTERED: "您的备案已到期，不能开始拜访。请联系管理员更新备案。"}


async def show_all(request: web.Request) -> web.StreamResponse:
    words = request.query.get("q", "")[:40]
    found = await desk.doctor_list(request.app[DESK], who(request), words)
    part = request.headers.get("HX-Request") and not request.headers.get("HX-Boosted")
    return page(request, "doctors_part.html" if part else "doctors.html", {"doctors": found, "q": words})


async def show(request: web.Request) -> web.StreamResponse:
    found = await desk.doctor(request.app[DESK], who(request), _person(request))
    return page(request, "doctor.html", {"doctor": found, "fault": ""})


async def begin_visit(request: web.Request) -> web.StreamResponse:
    """A visit begins, or the page says why not."""
    person_id = _person(request)
    try:
        await desk.begin_visit(request.app[DESK], who(request), person_id)
    except MedrepError as error:
        if error.fault == Fault.NOT_FOUND:
            raise
        why = _REFUSED.get(error.fault) or f"现在不能开始拜访：{error.detail}"
        found = await desk.doctor(request.app[DESK], who(request), person_id)
        return page(request, "doctor.html", {"doctor": found, "fault": why}, 409)
    return to(f"/console/doctors/{person_id.hex}")


async def decide_suggestion(request: web.Request) -> web.StreamResponse:
    person_id, number_of = _person(request), number(request, "suggestion")
    state, _, word = (await field(request, "decision", 40)).partition(":")
    await desk.decide_suggestion(request.app[DESK], who(request), number_of, state, word)
    return to(f"/console/doctors/{person_id.hex}")


def _person(request: web.Request) -> UUID:
    try:
        return UUID(request.match_info["person"])
    except ValueError:
        raise web.HTTPNotFound from None


ROUTES = [
    Route("GET", "/doctors", show_all, DOCTOR_READERS),
    Route("GET", "/doctors/{person}", show, DOCTOR_READERS),
    Route("POST", "/doctors/{person}/visit", begin_visit, VISITORS),
    Route("POST", "/doctors/{person}/suggestions/{suggestion}", decide_suggestion, VISITORS),
]
