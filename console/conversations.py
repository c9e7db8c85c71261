"""对话: the list, one conversation, and what a colleague does in it."""

from __future__ import annotations

import re
from datetime import datetime

from aiohttp import web

from bot import desk
from bot.desk import BLANKS, Chat, Flag, Mark, Place
from bot.model import Fault, MedrepError
from console.asking import DESK, LIVE, field, number, page, to, who
from console.routes import SPEAKERS, WORKERS, Route

_MARK = re.compile(r"(\d{1,18})-(\d{1,18})-(\d{1,18})", re.ASCII)
_BELOW = re.compile(r"(\d{1,18})-(\d{1,18})", re.ASCII)
FILTERS = ("all", "waiting", "mine", "unanswered")
CHANGED = "您打开之后，会话有了新消息，或换了处理人。请先看过最新内容再操作。"
_NOT_SENT = {
    Fault.BAD_INPUT: "备注请写 1 到 1000 个字。",
    Fault.REFUSED_TEXT: "备注没有保存：标出的词句不符合规则。",
    Fault.NO_BASIS: "这条内容现在不能发：已撤下、已过期，或医生还没有通过认证。",
}
_BLANK = {
    "when": "时间要晚于现在，且在 60 天之内。",
    "due": "时间要晚于现在，且在 60 天之内。",
    "place": "地点只能填 1 到 20 个汉字、字母或数字，且不能有不合规的词句。",
    "product": "请选择一个产品。",
}
STALE = "您打开之后，会话有了新消息，或换了处理人。请先看过最新内容，再决定是否发送；您写的话还在下面。"
_REFUSED = {
    Fault.BAD_INPUT: "请写 1 到 600 个字。",
    Fault.REFUSED_TEXT: "这段话不能发出：标出的词句不符合规则。",
    Fault.NO_BASIS: "医生还没有通过认证，不能谈产品。",
    Fault.UNREGISTERED: "您的备案已到期，不能发送消息。请联系管理员更新备案。",
    Fault.WINDOW_CLOSED: "平台窗口已关闭：对方来信后才能发送。",
    Fault.STOPPED: "对方已退订，来信之前不能发送。",
    Fault.UNREACHABLE: "对方已取消关注或拉黑，收不到消息。",
}


async def show_all(request: web.Request) -> web.StreamResponse:
    which, words = request.query.get("filter", "all"), request.query.get("q", "").strip()[: desk.LONGEST]
    which = which if which in FILTERS else "all"
    context = {"which": which, "q": words, "filters": FILTERS}
    reading, me, below = request.app[DESK], who(request), _below(request)
    if not words:
        found = await desk.chats(reading, me, which)
        return page(request, "chats.html", {**context, "chats": found})
    searched = await desk.find_chats(reading, me, which, words, below)
    part = below and request.headers.get("HX-Request") and not request.headers.get("HX-Boosted")
    given = {**context, "found": searched, "below": below}
    return page(request, "said_part.html" if part else "chats.html", given)


def _below(request: web.Request) -> Place | None:
    """Where a search goes on; None: from its beginning."""
    found = _BELOW.fullmatch(request.query.get("below", ""))
    return Place(int(found[1]), int(found[2])) if found else None


async def show(request: web.Request) -> web.StreamResponse:
    reading, me, contact = request.app[DESK], who(request), number(request, "contact")
    since = await desk.standing(reading, me, contact)  # before what is shown is read
    found = await desk.chat(reading, me, contact, before=_before(request))
    return page(request, "chat.html", {**_context(found, before=_before(request)), "since": since})


def _before(request: web.Request) -> datetime | None:
    try:
        moment = datetime.fromisoformat(request.query["before"])
    except (KeyError, ValueError):
        return None
    return moment if moment.tzinfo else None


def _context(
    found: Chat,
    *,
    text: str = "",
    fault: str = "",
    flags: tuple[Flag, ...] = (),
    before: datetime | None = None,
) -> dict[str, object]:
    return {
        **{"chat": found, "text": text, "fault": fault, "flags": flags, "before": before},
        **{"blanks": BLANKS, "phrase": "", "given": {}, "why": "", "note_flags": (), "note_text": ""},
    }


async def show_part(request: web.Request) -> web.StreamResponse:
    """What changes by itself: all but the box one writes in, which learns from the mark that goes along."""
    found = await desk.chat(request.app[DESK], who(request), number(request, "contact"), opened=False)
    return page(request, "chat_part.html", _context(found))


async def stream(request: web.Request) -> web.StreamResponse:
    reading, me, contact = request.app[DESK], who(request), number(request, "contact")
    return await request.app[LIVE].stream(request, reading, me, lambda: desk.standing(reading, me, contact))


async def claim(request: web.Request) -> web.StreamResponse:
    contact = number(request, "contact")
    await desk.claim(request.app[DESK], who(request), contact, await _mark(request))
    return to(f"/console/conversations/{contact}")


async def hand_back(request: web.Request) -> web.StreamResponse:
    contact = number(request, "contact")
    await desk.hand_back(request.app[DESK], who(request), contact, await _mark(request))
    return to(f"/console/conversations/{contact}")


async def reply(request: web.Request) -> web.StreamResponse:
    """What was typed leaves to the letter, or stays in the box with the reason beside it."""
    contact, text = number(request, "contact"), await field(request, "text")
    reading, me = request.app[DESK], who(request)
    try:
        await desk.reply(reading, me, contact, text, await _mark(request))
    except MedrepError as error:
        if error.fault == Fault.NOT_FOUND:
            raise
        flags = (
            tuple(await desk.watch(reading, me, contact, text)) if error.fault == Fault.REFUSED_TEXT else ()
        )
        fault = _REFUSED.get(error.fault, STALE)
        shown = await desk.chat(reading, me, contact, opened=False)
        context = _context(shown, text=text, fault=fault, flags=flags)
        return page(request, "chat.html", context, 409 if error.fault == Fault.CONFLICT else 422)
    return to(f"/console/conversations/{contact}")


async def transfer(request: web.Request) -> web.StreamResponse:
    """To another colleague, with what they should know."""
    contact, words = number(request, "contact"), await field(request, "note")
    reading, me, receiver = request.app[DESK], who(request), await field(request, "to", 60)
    try:
        await desk.transfer(reading, me, contact, receiver, words, await _mark(request))
    except MedrepError as error:
        return await _refusal(request, error, transferring=words)
    return to(f"/console/conversations/{contact}")


async def call(request: web.Request) -> web.StreamResponse:
    """The platform's template, which asks them to write."""
    contact = number(request, "contact")
    try:
        await desk.call(request.app[DESK], who(request), contact, await _mark(request))
    except MedrepError as error:
        return await _refusal(request, error)
    return to(f"/console/conversations/{contact}")


async def refer(request: web.Request) -> web.StreamResponse:
    """What the doctor asked last goes to medical information."""
    contact = number(request, "contact")
    try:
        await desk.refer(request.app[DESK], who(request), contact, await _mark(request))
    except MedrepError as error:
        return await _refusal(request, error)
    return to(f"/console/conversations/{contact}")


async def write_note(request: web.Request) -> web.StreamResponse:
    contact, words = number(request, "contact"), await field(request, "note")
    try:
        await desk.write_note(request.app[DESK], who(request), contact, words)
    except MedrepError as error:
        return await _refusal(request, error, noting=words)
    return to(f"/console/conversations/{contact}")


async def send_phrase(request: web.Request) -> web.StreamResponse:
    """An approved reply; a blank that cannot be taken is named, and what was filled in stays."""
    contact, name = number(request, "contact"), await field(request, "phrase", 80)
    given = {blank: await field(request, blank, 80) for blank in BLANKS}
    reading, me = request.app[DESK], who(request)
    try:
        await desk.send_phrase(reading, me, contact, name, given, await _mark(request))
    except MedrepError as error:
        return await _refusal(request, error, phrase=name, given=given)
    return to(f"/console/conversations/{contact}")


async def show_approved(request: web.Request) -> web.StreamResponse:
    """What may be sent and speaks of these words."""
    contact, words = number(request, "contact"), request.query.get("q", "")[:40]
    found = await desk.approved(request.app[DESK], who(request), contact, words)
    part = request.headers.get("HX-Request") and not request.headers.get("HX-Boosted")
    shown = await desk.chat(request.app[DESK], who(request), contact, opened=False)
    context = {**_context(shown), "items": found, "q": words}
    return page(request, "approved_part.html" if part else "approved.html", context)


async def send_approved(request: web.Request) -> web.StreamResponse:
    contact, kind = number(request, "contact"), await field(request, "kind", 20)
    item, form = await field(request, "item", 80), await field(request, "format", 20)
    reading, me = request.app[DESK], who(request)
    try:
        await desk.send_approved(reading, me, contact, kind, item, form, await _mark(request))
    except MedrepError as error:
        return await _refusal(request, error)
    return to(f"/console/conversations/{contact}")


async def _refusal(request: web.Request, error: MedrepError, **kept: object) -> web.StreamResponse:
    """The page as it is now, with the reason and what was filled in."""
    if error.fault == Fault.NOT_FOUND:
        raise error
    reading, me, contact = request.app[DESK], who(request), number(request, "contact")
    words = str(kept.get("noting") or kept.get("transferring") or "")
    refused = error.fault == Fault.REFUSED_TEXT
    found = await desk.watch(reading, me, contact, words, sent=False) if refused else ()
    why = _NOT_SENT.get(error.fault, _REFUSED.get(error.fault, CHANGED))
    if error.fault == Fault.BAD_INPUT and "phrase" in kept:
        why = _BLANK.get(error.detail, why)
    shown = await desk.chat(reading, me, contact, opened=False)
    context = {**_context(shown), **kept, "why": why, "note_flags": tuple(found), "note_text": words}
    return page(request, "chat.html", context, 409 if error.fault == Fault.CONFLICT else 422)


async def watch(request: web.Request) -> web.StreamResponse:
    """What is found in the words while they are typed, be it a reply or a note."""
    contact = number(request, "contact")
    text = await field(request, "text")
    sent, text = bool(text), text or await field(request, "note")
    flags = await desk.watch(request.app[DESK], who(request), contact, text, sent=sent)
    return page(request, "flags.html", {"flags": flags, "text": text})


async def _mark(request: web.Request) -> Mark:
    found = _MARK.fullmatch(await field(request, "mark", 60))
    if found is None:
        raise web.HTTPBadRequest
    return Mark(*map(int, found.groups()))


ROUTES = [
    Route("GET", "/conversations", show_all, WORKERS),
    Route("GET", "/conversations/{contact}", show, WORKERS),
    Route("GET", "/conversations/{contact}/part", show_part, WORKERS, live=True),
    Route("GET", "/conversations/{contact}/live", stream, WORKERS, live=True),
    Route("POST", "/conversations/{contact}/claim", claim, SPEAKERS),
    Route("POST", "/conversations/{contact}/hand-back", hand_back, SPEAKERS),
    Route("POST", "/conversations/{contact}/reply", reply, SPEAKERS),
    Route("POST", "/conversations/{contact}/transfer", transfer, SPEAKERS),
    Route("POST", "/conversations/{contact}/call", call, SPEAKERS),
    Route("POST", "/conversations/{contact}/medical", refer, SPEAKERS),
    Route("POST", "/conversations/{contact}/note", write_note, SPEAKERS),
    Route("POST", "/conversations/{contact}/phrase", send_phrase, SPEAKERS),
    Route("GET", "/conversations/{contact}/approved", show_approved, SPEAKERS),
    Route("POST", "/conversations/{contact}/approved", send_approved, SPEAKERS),
    Route("POST", "/conversations/{contact}/watch", watch, SPEAKERS),
]
