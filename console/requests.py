"""医学信息: the list, one request with its answer, and its review."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from bot import desk
from bot.desk import Flag
from bot.knowledge import Topic
from bot.medical_information import (
    LONGEST_REASON,
    LONGEST_SECTION,
    LONGEST_TEXT,
    MOST_REFERENCES,
    EntryDraft,
)
from bot.model import Fault, MedrepError
from console.asking import DESK, field, number, page, to, who
from console.routes import ANSWER_REVIEWERS, ANSWERERS, REQUEST_READERS, Route

FILTERS = ("open", "review", "mine", "done")
STALE = "您打开之后，这个问询有了变化，或者这一步不能由您来做。请先看过最新内容；您写的话还在下面。"
_REFUSED = {
    Fault.CONFLICT: STALE,
    Fault.ERASED: "提问人的资料已依法删除，不能再答复。",
    Fault.NO_BASIS: "现在没有已发布的资料，不能引用。",
    Fault.REFUSED_TEXT: "没有保存：标出的词句不符合规则。",
}
_WRONG = {
    "save": f"没有保存：答复 1 到 {LONGEST_TEXT} 字；每条出处都要选文件并写明章节，连同出处不能太长。",
    "submit": f"没有送审：答复 1 到 {LONGEST_TEXT} 字；至少一条出处，选有效的文件并写明章节。",
    "approve": "没有批准：引用的文件已换版、撤回或过期，请退回修改。",
    "offer": "没有提交：问题和答案都要写，至少 5 种问法，不能与已有问法重复；答案最多 300 字。",
}
_GIVEN = ("reason", "product", "topic", "question", "variants", "answer")  # fields of the forms
_REASON = f"请写明原因（最多 {LONGEST_REASON} 字）。"


async def show_all(request: web.Request) -> web.StreamResponse:
    which = request.query.get("filter", "open")
    which = which if which in FILTERS else "open"
    reading, me = request.app[DESK], who(request)
    since = await desk.work_standing(reading, me)  # before what is shown is read
    found, counts = await desk.requests(reading, me, which)
    context = {"requests": found, "counts": counts, "which": which, "filters": FILTERS, "since": since}
    part = request.headers.get("HX-Request") and not request.headers.get("HX-Boosted")
    return page(request, "requests_part.html" if part else "requests.html", context)


async def show(request: web.Request) -> web.StreamResponse:
    return await _page(request)


async def _page(
    request: web.Request,
    status: int = 200,
    *,
    part: str = "",
    fault: str = "",
    flags: tuple[Flag, ...] = (),
    given: dict[str, Any] | None = None,
) -> web.Response:
    """`part`: the form that was refused; what was `given` stays in it."""
    found = await desk.request(request.app[DESK], who(request), number(request, "request"))
    references = [(one.document, one.section) for one in found.answer.references] if found.answer else []
    shown = {**dict.fromkeys(_GIVEN, ""), **(given or {})}
    references = shown.get("references", references)
    context = {
        "page": found,
        "line": found.line,
        "part": part,
        "fault": fault,
        "flags": flags,
        "given": shown,
        "text": shown.get("text", found.answer.text if found.answer else ""),
        "references": [*references, *[("", "")] * MOST_REFERENCES][:MOST_REFERENCES],
        "topics": [topic.value for topic in Topic],
        "longest": LONGEST_TEXT,
        "longest_section": LONGEST_SECTION,
        "longest_reason": LONGEST_REASON,
        "refused": "不能保存",
    }
    return page(request, "request.html", context, status)


async def _done(request: web.Request, part: str, act: Any, **given: Any) -> web.StreamResponse:
    """Back to the request; or what was written stays in its form with what stands against it."""
    try:
        await act
    except MedrepError as error:
        if error.fault not in (*_REFUSED, Fault.BAD_INPUT):
            raise
        wrong = _WRONG.get(part, _REASON)
        fault = _REFUSED.get(error.fault, wrong)
        words = str(given.get("text") or given.get("reason") or given.get("answer") or "")
        flags: tuple[Flag, ...] = ()
        if error.fault == Fault.REFUSED_TEXT:
            task = number(request, "request")
            flags = await desk.watch_answer(request.app[DESK], who(request), task, words)
        status = 409 if error.fault == Fault.CONFLICT else 422
        return await _page(request, status, part=part, fault=fault, flags=flags, given=given)
    return to(f"/console/requests/{number(request, 'request')}")


async def take(request: web.Request) -> web.StreamResponse:
    me = who(request)
    return await _assigned(request, me.login)


async def assign(request: web.Request) -> web.StreamResponse:
    return await _assigned(request, await field(request, "to", 64))


async def _assigned(request: web.Request, login: str) -> web.StreamResponse:
    task, seen = number(request, "request"), await _seen(request)
    act = desk.assign_request(request.app[DESK], who(request), task, seen, login)
    return await _done(request, "assign", act)


async def save(request: web.Request) -> web.StreamResponse:
    return await _write(request, submit=False)


async def submit(request: web.Request) -> web.StreamResponse:
    return await _write(request, submit=True)


async def _write(request: web.Request, *, submit: bool) -> web.StreamResponse:
    task, seen, text = number(request, "request"), await _seen(request), await field(request, "text")
    references = [
        (await field(request, f"document-{at}", 100), await field(request, f"section-{at}", 200))
        for at in range(MOST_REFERENCES)
    ]
    act = desk.save_answer(request.app[DESK], who(request), task, seen, text, references, submit=submit)
    part = "submit" if submit else "save"
    return await _done(request, part, act, text=text, references=references)


async def quote(request: web.Request) -> web.StreamResponse:
    task, seen, entry = number(request, "request"), await _seen(request), await field(request, "entry", 100)
    return await _done(request, "save", desk.quote_entry(request.app[DESK], who(request), task, seen, entry))


async def correct(request: web.Request) -> web.StreamResponse:
    task, seen, reason = number(request, "request"), await _seen(request), await field(request, "reason")
    off_label = await field(request, "off_label", 5) == "yes"
    act = desk.correct_request(request.app[DESK], who(request), task, seen, reason, off_label=off_label)
    return await _done(request, "correct", act, reason=reason)


async def approve(request: web.Request) -> web.StreamResponse:
    task, seen = number(request, "request"), await _seen(request)
    return await _done(request, "approve", desk.approve_answer(request.app[DESK], who(request), task, seen))


async def send_back(request: web.Request) -> web.StreamResponse:
    task, seen, reason = number(request, "request"), await _seen(request), await field(request, "reason")
    act = desk.return_answer(request.app[DESK], who(request), task, seen, reason)
    return await _done(request, "return", act, reason=reason)


async def send(request: web.Request) -> web.StreamResponse:
    task, seen = number(request, "request"), await _seen(request)
    return await _done(request, "send", desk.send_answer_again(request.app[DESK], who(request), task, seen))


async def told(request: web.Request) -> web.StreamResponse:
    task, seen, reason = number(request, "request"), await _seen(request), await field(request, "reason")
    act = desk.answer_told(request.app[DESK], who(request), task, seen, reason)
    return await _done(request, "told", act, reason=reason)


async def offer(request: web.Request) -> web.StreamResponse:
    task, seen = number(request, "request"), await _seen(request)
    given = {
        "product": await field(request, "product", 60),
        "topic": await field(request, "topic", 30),
        "question": await field(request, "question", 400),
        "variants": await field(request, "variants"),
        "answer": await field(request, "answer"),
    }
    made = EntryDraft(
        given["product"],
        given["topic"],
        given["question"].strip(),
        tuple(one.strip() for one in given["variants"].splitlines() if one.strip()),
        given["answer"].strip(),
    )
    return await _done(
        request, "offer", desk.offer_answer(request.app[DESK], who(request), task, seen, made), **given
    )


async def watch(request: web.Request) -> web.StreamResponse:
    """What is found in the words while they are typed."""
    text = await field(request, "text")
    flags = await desk.watch_answer(request.app[DESK], who(request), number(request, "request"), text)
    return page(request, "flags.html", {"flags": flags, "text": text, "refused": "不能保存"})


async def _seen(request: web.Request) -> int:
    given = await field(request, "step", 5)
    if not given.isascii() or not given.isdigit():
        raise web.HTTPBadRequest
    return int(given)


ROUTES = [
    Route("GET", "/requests", show_all, REQUEST_READERS),
    Route("GET", "/requests/{request}", show, REQUEST_READERS),
    Route("POST", "/requests/{request}/take", take, ANSWERERS),
    Route("POST", "/requests/{request}/assign", assign, ANSWERERS),
    Route("POST", "/requests/{request}/save", save, ANSWERERS),
    Route("POST", "/requests/{request}/submit", submit, ANSWERERS),
    Route("POST", "/requests/{request}/quote", quote, ANSWERERS),
    Route("POST", "/requests/{request}/correct", correct, ANSWERERS),
    Route("POST", "/requests/{request}/send", send, ANSWERERS),
    Route("POST", "/requests/{request}/told", told, ANSWERERS),
    Route("POST", "/requests/{request}/offer", offer, ANSWERERS),
    Route("POST", "/requests/{request}/watch", watch, ANSWERERS),
    Route("POST", "/requests/{request}/approve", approve, ANSWER_REVIEWERS),
    Route("POST", "/requests/{request}/return", send_back, ANSWER_REVIEWERS),
]
