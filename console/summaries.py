"""拜访纪要: the list, one beside what was said, and its review."""

from __future__ import annotations

from aiohttp import web

from bot import desk
from bot.desk import Flag
from bot.model import Fault, MedrepError
from bot.visits import LINES, LONGEST_REASON, LONGEST_SENTENCE, SentenceChange, request_numbers
from console.asking import DESK, field, file, file_kind, number, page, to, version, who
from console.routes import DOCTOR_READERS, REVIEWERS, Route

FILTERS = ("open", "draft", "in_review", "approved", "amended", "all")
REASON_REFUSED = "没有保存：更正原因里有不符合规则的词句。"
STALE = "您打开之后，这份纪要有了改动，或已经批准。请先看过最新内容；您写的话还在下面。"
_REFUSED = {
    Fault.BAD_INPUT: f"没有改动，或写得太长：一句最多 {LONGEST_SENTENCE} 字；"
    f"更正须写明原因（最多 {LONGEST_REASON} 字）。",
    Fault.REFUSED_TEXT: "没有保存：标出的词句不符合规则。",
    Fault.CONFLICT: STALE,
}


async def show_all(request: web.Request) -> web.StreamResponse:
    which = request.query.get("filter", "open")
    which = which if which in FILTERS else "open"
    found, waiting = await desk.summaries(request.app[DESK], who(request), which)
    context = {"summaries": found, "waiting": waiting, "which": which, "filters": FILTERS}
    return page(request, "summaries.html", {**context, "done": "done" in request.query})


async def show(request: web.Request) -> web.StreamResponse:
    return await _page(request)


async def _page(
    request: web.Request,
    status: int = 200,
    *,
    part: str = "",
    text: str = "",
    reason: str = "",
    fault: str = "",
    flags: tuple[Flag, ...] = (),
) -> web.Response:
    """`part`: the sentence whose new words were refused; they stay in its box."""
    found = await desk.summary(request.app[DESK], who(request), number(request, "visit"))
    added = str(len(found.sentences))
    context = {"summary": found, "lines": LINES, "added": added, "part": part, "text": text, "flags": flags}
    context |= {
        "fault": fault,
        "reason": reason,
        "longest": LONGEST_SENTENCE,
        "longest_reason": LONGEST_REASON,
    }
    context["requests"] = request_numbers(found.body.get("requests", ()))
    return page(request, "summary.html", context, status)


async def download(request: web.Request) -> web.StreamResponse:
    visit, kind = number(request, "visit"), file_kind(request)
    made = await desk.summary_file(request.app[DESK], who(request), visit, kind)
    return file(made, f"summary-{visit}", kind)


async def edit(request: web.Request) -> web.StreamResponse:
    return await _write(request, reason=None)


async def amend(request: web.Request) -> web.StreamResponse:
    return await _write(request, reason=await field(request, "reason"))


async def _write(request: web.Request, reason: str | None) -> web.StreamResponse:
    """The sentence is as written from now on, or its words stay in the box with what stands against them."""
    visit, seen = number(request, "visit"), await version(request)
    part, text = await field(request, "part", 20), await field(request, "text")
    change = SentenceChange(part, text, shown=await field(request, "unshown", 5) == "")
    reading, me = request.app[DESK], who(request)
    try:
        await desk.change_summary(reading, me, visit, seen, change, reason)
    except MedrepError as error:
        if error.fault not in _REFUSED:
            raise
        refused = error.fault == Fault.REFUSED_TEXT
        flags = await desk.watch_summary(reading, me, visit, text) if refused else ()
        fault = REASON_REFUSED if refused and not any(flag.hard for flag in flags) else _REFUSED[error.fault]
        status = 409 if error.fault == Fault.CONFLICT else 422
        given = {"part": part, "text": text, "reason": reason or "", "fault": fault}
        return await _page(request, status, flags=flags, **given)
    return to(f"/console/summaries/{visit}?at={part}")


async def approve(request: web.Request) -> web.StreamResponse:
    """What was shown is approved; on to the next one that waits."""
    visit, seen = number(request, "visit"), await version(request)
    try:
        following = await desk.approve_summary(request.app[DESK], who(request), visit, seen)
    except MedrepError as error:
        if error.fault != Fault.CONFLICT:
            raise
        return await _page(request, 409, fault=STALE)
    return to(f"/console/summaries/{following}" if following else "/console/summaries?done")


async def watch(request: web.Request) -> web.StreamResponse:
    """What is found in the words while they are typed."""
    text = await field(request, "text")
    flags = await desk.watch_summary(request.app[DESK], who(request), number(request, "visit"), text)
    return page(request, "flags.html", {"flags": flags, "text": text, "refused": "不能保存"})


ROUTES = [
    Route("GET", "/summaries", show_all, DOCTOR_READERS),
    Route("GET", "/summaries/{visit}", show, DOCTOR_READERS),
    Route("GET", "/summaries/{visit}/file/{kind}", download, DOCTOR_READERS),
    Route("POST", "/summaries/{visit}/edit", edit, REVIEWERS),
    Route("POST", "/summaries/{visit}/amend", amend, REVIEWERS),
    Route("POST", "/summaries/{visit}/approve", approve, REVIEWERS),
    Route("POST", "/summaries/{visit}/watch", watch, REVIEWERS),
]
