"""医生: the list, and one doctor's page."""

from __future__ import annotations

from collections.abc import Awaitable
from uuid import UUID

import segno
from aiohttp import web
from markupsafe import Markup

from bot import desk
from bot.model import Fault, MedrepError
from console.asking import DESK, field, item, number, page, to, who
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
        return await _refused(request, _REFUSED.get(error.fault) or f"现在不能开始拜访：{error.detail}")
    return to(f"/console/doctors/{person_id.hex}")


async def brief(request: web.Request) -> web.StreamResponse:
    """What one reads before a contact, on one screen."""
    found = await desk.brief(request.app[DESK], who(request), _person(request))
    return page(request, "brief.html", {"brief": found})


async def send(request: web.Request) -> web.StreamResponse:
    """Approved content is on its way, or waits; or the page says why not."""
    content = item(await field(request, "item", 81))
    reading, me, person_id = request.app[DESK], who(request), _person(request)
    return await _done(request, desk.send_item(reading, me, person_id, content), "不能发送")


async def recall(request: web.Request) -> web.StreamResponse:
    reading, me, person_id = request.app[DESK], who(request), _person(request)
    return await _done(request, desk.recall(reading, me, person_id, number(request, "message")), "不能撤回")


async def propose(request: web.Request) -> web.StreamResponse:
    """The doctor will be asked for a time; or the page says why not."""
    kind, at = await field(request, "kind", 20), await field(request, "at", 40)
    reading, me, person_id = request.app[DESK], who(request), _person(request)
    return await _done(request, desk.propose_time(reading, me, person_id, kind, at), "不能约时间")


async def invite_to(request: web.Request) -> web.StreamResponse:
    """The doctor will be asked to come to a meeting; or the page says why not."""
    meeting = item(await field(request, "meeting", 81))
    reading, me, person_id = request.app[DESK], who(request), _person(request)
    return await _done(request, desk.invite_to(reading, me, person_id, meeting), "不能邀请参会", "meetings")


async def recall_invitation(request: web.Request) -> web.StreamResponse:
    reading, me, person_id = request.app[DESK], who(request), _person(request)
    work = desk.recall_invitation(reading, me, person_id, number(request, "invited"))
    return await _done(request, work, "不能撤回邀请", "meetings")


async def invite(request: web.Request) -> web.StreamResponse:
    """A card with a new invitation, shown this once."""
    reading, me, person_id = request.app[DESK], who(request), _person(request)
    try:
        card = await desk.invite(reading, me, person_id)
    except MedrepError as error:
        if error.fault != Fault.CONFLICT:
            raise
        return await _refused(request, f"不能邀请：{error.detail}")
    scans = [(scan, _drawn(scan.url) if scan.url else "") for scan in card.scans]
    return page(request, "card.html", {"card": card, "scans": scans})


def _drawn(url: str) -> Markup:
    code = segno.make(url, error="m")
    drawn = code.svg_inline(scale=5, border=4, dark="#111", light="#fff", svgclass="qr", lineclass=None)
    return Markup(drawn)  # noqa: S704 - drawn by segno, nothing of the address is in it as text


async def show_content(request: web.Request) -> web.StreamResponse:
    found = desk.preview(request.app[DESK], item(request.match_info["item"]))
    return page(request, "content.html", {"content": found})


async def _done(
    request: web.Request, work: Awaitable[object], what: str, part: str = ""
) -> web.StreamResponse:
    """`part`: of the page, to which it goes back."""
    try:
        await work
    except MedrepError as error:
        if error.fault not in (Fault.CONFLICT, Fault.BAD_INPUT, Fault.NO_BASIS):
            raise
        why = "资料已下线或已过期" if error.fault == Fault.NO_BASIS else error.detail
        return await _refused(request, f"{what}：{why}")
    return to(f"/console/doctors/{_person(request).hex}{'#' if part else ''}{part}")


async def _refused(request: web.Request, why: str) -> web.StreamResponse:
    found = await desk.doctor(request.app[DESK], who(request), _person(request))
    return page(request, "doctor.html", {"doctor": found, "fault": why}, 409)


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
    Route("GET", "/doctors/{person}/brief", brief, DOCTOR_READERS),
    Route("POST", "/doctors/{person}/visit", begin_visit, VISITORS),
    Route("POST", "/doctors/{person}/send", send, VISITORS),
    Route("POST", "/doctors/{person}/messages/{message}/recall", recall, VISITORS),
    Route("POST", "/doctors/{person}/appointment", propose, VISITORS),
    Route("POST", "/doctors/{person}/meeting", invite_to, VISITORS),
    Route("POST", "/doctors/{person}/invited/{invited}/recall", recall_invitation, VISITORS),
    Route("POST", "/doctors/{person}/invitation", invite, VISITORS),
    Route("GET", "/content/{item}", show_content, DOCTOR_READERS),
    Route("POST", "/doctors/{person}/suggestions/{suggestion}", decide_suggestion, VISITORS),
]
