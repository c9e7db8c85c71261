"""代表拜访: what a colleague logs of a visit of their own, and its review."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from aiohttp import web

from bot import desk
from bot.clock import CHINA
from bot.desk import Flag, OwnVisitForm, OwnVisitPage
from bot.model import Fault, MedrepError
from bot.visits import LONGEST_FIELD, LONGEST_REASON, OwnVisitEntry
from console.asking import DESK, field, file, file_kind, number, page, to, version, who
from console.routes import DOCTOR_READERS, REVIEWERS, Route
from console.words import word

STALE = "您打开之后，这份记录有了改动，或已经批准。请先看过最新内容；您写的话还在下面。"
LOGGED = "这次沟通已经登记过了。"
UNCHANGED = "没有改动。"
REASON = f"更正须写明原因（最多 {LONGEST_REASON} 字）。"
REFUSED = "没有保存：标出的词句不符合规则。"
TIME = "请填写一年以内、不晚于现在的拜访时间。"
_LOCAL = "%Y-%m-%dT%H:%M"
Given = Mapping[str, str]


async def show_all(request: web.Request) -> web.StreamResponse:
    every = request.query.get("filter") == "all"
    found = await desk.own_visits(request.app[DESK], who(request), every=every)
    return page(request, "own_visits.html", {"visits": found, "which": "all" if every else "open"})


async def begin(request: web.Request) -> web.StreamResponse:
    """An empty form, or one that the chat of a takeover fills."""
    form = await desk.new_own_visit(request.app[DESK], who(request), _person(request), _takeover(request))
    return _form(request, form, {}, "", {}, 200)


async def log(request: web.Request) -> web.StreamResponse:
    """The visit is logged, or its words stay in the form with what stands against them."""
    reading, me, person_id = request.app[DESK], who(request), _person(request)
    given, takeover_id = await _given(request), _number(await field(request, "takeover", 18))
    try:
        made = await desk.log_own_visit(reading, me, person_id, _entry(given), takeover_id)
    except MedrepError as error:
        if error.fault not in (Fault.BAD_INPUT, Fault.REFUSED_TEXT, Fault.CONFLICT):
            raise
        known = None if error.fault == Fault.CONFLICT else takeover_id
        form = await desk.new_own_visit(reading, me, person_id, known)
        fault = LOGGED if error.fault == Fault.CONFLICT else _why(error)
        flags = await _flags(request, person_id, given) if error.fault == Fault.REFUSED_TEXT else {}
        return _form(request, form, given, fault, flags, 409 if error.fault == Fault.CONFLICT else 422)
    return to(f"/console/own-visits/{made}")


def _form(
    request: web.Request,
    form: OwnVisitForm,
    given: Given,
    fault: str,
    flags: Mapping[str, tuple[Flag, ...]],
    status: int,
) -> web.Response:
    values = given or _values(
        form.entry.visited_at, {name: getattr(form.entry, name) for name in LONGEST_FIELD}
    )
    context = {"form": form, "card": form.card, "values": values, "fault": fault, "flags": flags}
    return page(request, "own_visit_new.html", {**context, "longest": LONGEST_FIELD}, status)


async def show(request: web.Request) -> web.StreamResponse:
    found = await desk.own_visit(request.app[DESK], who(request), number(request, "own"))
    return _page(request, found)


def _page(
    request: web.Request,
    found: OwnVisitPage,
    given: Given | None = None,
    fault: str = "",
    flags: Mapping[str, tuple[Flag, ...]] | None = None,
    status: int = 200,
) -> web.Response:
    body = found.line.body
    values = given or (_values(found.line.visited_at, body) if body else {})
    context = {"own": found, "values": values, "fault": fault, "flags": flags or {}, "given": bool(given)}
    limits = {"longest": LONGEST_FIELD, "longest_reason": LONGEST_REASON}
    return page(request, "own_visit.html", {**context, **limits}, status)


async def edit(request: web.Request) -> web.StreamResponse:
    return await _change(request, None)


async def amend(request: web.Request) -> web.StreamResponse:
    return await _change(request, await field(request, "reason"))


async def _change(request: web.Request, reason: str | None) -> web.StreamResponse:
    reading, me, own = request.app[DESK], who(request), number(request, "own")
    given, seen = await _given(request), await version(request)
    try:
        await desk.change_own_visit(reading, me, own, seen, _entry(given), reason)
    except MedrepError as error:
        if error.fault not in (Fault.BAD_INPUT, Fault.REFUSED_TEXT, Fault.CONFLICT):
            raise
        found = await desk.own_visit(reading, me, own)
        flags = {}
        if error.fault == Fault.REFUSED_TEXT:
            flags = await _flags(request, found.line.person_id, given)
        fault = STALE if error.fault == Fault.CONFLICT else _why(error)
        return _page(request, found, given, fault, flags, 409 if error.fault == Fault.CONFLICT else 422)
    return to(f"/console/own-visits/{own}")


async def approve(request: web.Request) -> web.StreamResponse:
    reading, me, own = request.app[DESK], who(request), number(request, "own")
    try:
        await desk.approve_own_visit(reading, me, own, await version(request))
    except MedrepError as error:
        if error.fault != Fault.CONFLICT:
            raise
        found = await desk.own_visit(reading, me, own)
        return _page(request, found, None, STALE, None, 409)
    return to(f"/console/own-visits/{own}")


async def watch(request: web.Request) -> web.StreamResponse:
    """What is found in the field that is being typed."""
    given = await _given(request)
    text = next((given[name] for name in LONGEST_FIELD if given[name]), "")
    flags = await desk.watch_own_visit(request.app[DESK], who(request), _person(request), text)
    return page(request, "flags.html", {"flags": flags, "text": text, "refused": "不能保存"})


async def download(request: web.Request) -> web.StreamResponse:
    own, kind = number(request, "own"), file_kind(request)
    made = await desk.own_visit_file(request.app[DESK], who(request), own, kind)
    return file(made, f"own-visit-{own}", kind)


async def _given(request: web.Request) -> dict[str, str]:
    """The five fields as they came."""
    return {name: await field(request, name) for name in ("visited_at", *LONGEST_FIELD)}


def _entry(given: Given) -> OwnVisitEntry:
    """Raises MedrepError(BAD_INPUT)."""
    try:
        visited_at = datetime.strptime(given["visited_at"], _LOCAL).replace(tzinfo=CHINA)
    except ValueError:
        raise MedrepError(Fault.BAD_INPUT, "visited_at") from None
    return OwnVisitEntry(visited_at, **{name: given[name] for name in LONGEST_FIELD})


def _values(visited_at: datetime, words: Mapping[str, str]) -> dict[str, str]:
    """What stands in the fields."""
    at = visited_at.astimezone(CHINA).strftime(_LOCAL)
    return {"visited_at": at, **{name: words[name] for name in LONGEST_FIELD}}


def _why(error: MedrepError) -> str:
    if error.fault == Fault.REFUSED_TEXT:
        return REFUSED
    if error.detail == "visited_at":
        return TIME
    if error.detail in LONGEST_FIELD:
        name = word(error.detail, "own_visit_field")
        return f"“{name}”没有填写，或超过 {LONGEST_FIELD[error.detail]} 字。"
    return REASON if "reason" in error.detail else UNCHANGED


async def _flags(request: web.Request, person_id: UUID, given: Given) -> dict[str, tuple[Flag, ...]]:
    reading, me = request.app[DESK], who(request)
    return {
        name: await desk.watch_own_visit(reading, me, person_id, given[name])
        for name in LONGEST_FIELD
        if given[name]
    }


def _person(request: web.Request) -> UUID:
    try:
        return UUID(request.match_info["person"])
    except ValueError:
        raise web.HTTPNotFound from None


def _number(given: str) -> int | None:
    return int(given) if given.isascii() and given.isdigit() else None


def _takeover(request: web.Request) -> int | None:
    given = request.query.get("takeover", "")
    if given and (_number(given) is None or len(given) > 18):
        raise web.HTTPNotFound
    return _number(given)


ROUTES = [
    Route("GET", "/own-visits", show_all, DOCTOR_READERS),
    Route("GET", "/own-visits/{own}", show, DOCTOR_READERS),
    Route("GET", "/own-visits/{own}/file/{kind}", download, DOCTOR_READERS),
    Route("POST", "/own-visits/{own}/edit", edit, REVIEWERS),
    Route("POST", "/own-visits/{own}/amend", amend, REVIEWERS),
    Route("POST", "/own-visits/{own}/approve", approve, REVIEWERS),
    Route("GET", "/doctors/{person}/own-visits/new", begin, REVIEWERS),
    Route("POST", "/doctors/{person}/own-visits", log, REVIEWERS),
    Route("POST", "/doctors/{person}/own-visits/watch", watch, REVIEWERS),
]
