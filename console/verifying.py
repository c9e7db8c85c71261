"""核对身份: who somebody says they are, beside the list; confirmed or declined."""

from __future__ import annotations

from aiohttp import web

from bot import desk
from bot.model import Fault, MedrepError
from console.asking import DESK, field, number, page, to, who
from console.routes import VISITORS, Route

STALE = "打开之后情况有了变化：对方又补充了内容，或已经有人处理。请看过最新内容再决定。"
_REFUSED = {
    Fault.CONFLICT: STALE,
    Fault.NOT_FOUND: "您负责的名单里没有这个编号。",
    Fault.ERASED: "这位医生的资料已依法删除。",
}


async def show(request: web.Request) -> web.StreamResponse:
    found = await desk.verification(request.app[DESK], who(request), number(request, "task"))
    return page(request, "verification.html", {"found": found, "fault": ""})


async def confirm(request: web.Request) -> web.StreamResponse:
    """It is this doctor: on to their page."""
    reading, me, task = request.app[DESK], who(request), number(request, "task")
    seen, external_id = await field(request, "seen", 40), await field(request, "doctor", 100)
    try:
        person_id = await desk.confirm_identity(reading, me, task, external_id, seen)
    except MedrepError as error:
        return await _refused(request, error)
    return to(f"/console/doctors/{person_id.hex}")


async def decline(request: web.Request) -> web.StreamResponse:
    reading, me, task = request.app[DESK], who(request), number(request, "task")
    try:
        await desk.decline_identity(reading, me, task, await field(request, "seen", 40))
    except MedrepError as error:
        return await _refused(request, error)
    return to("/console/")


async def _refused(request: web.Request, error: MedrepError) -> web.StreamResponse:
    """The page as it is now, with the reason; not found, where there is none for this colleague."""
    if error.fault not in _REFUSED:
        raise error
    found = await desk.verification(request.app[DESK], who(request), number(request, "task"))
    return page(request, "verification.html", {"found": found, "fault": _REFUSED[error.fault]}, 409)


ROUTES = [
    Route("GET", "/verifications/{task}", show, VISITORS),
    Route("POST", "/verifications/{task}/confirm", confirm, VISITORS),
    Route("POST", "/verifications/{task}/decline", decline, VISITORS),
]
