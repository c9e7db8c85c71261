"""A request of the console: who asks, from where, what is sent along; and how a page is made for them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp_jinja2
from aiohttp import hdrs, web

from bot.clock import CHINA
from bot.desk import Desk
from bot.model import Fault, MedrepError
from bot.settings import Settings
from bot.staff import Session, today
from console.guard import Origin
from console.live import Live
from console.routes import CRM_KEEPERS, DOCTOR_READERS, MEETING_READERS, REQUEST_READERS, WORKERS

if TYPE_CHECKING:
    from bot.single_sign_on import CompanyAccounts

DESK: web.AppKey[Desk] = web.AppKey("desk", Desk)
LIVE: web.AppKey[Live] = web.AppKey("live", Live)
SETTINGS: web.AppKey[Settings] = web.AppKey("settings", Settings)
COMPANY: web.AppKey[CompanyAccounts | None] = web.AppKey("company")
COOKIE = "__Host-medrep"
_ITEM = re.compile(r"[a-z0-9][a-z0-9-]{0,80}")
FILES = {
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "json": "application/json",
}
_LEAVING = "__Host-medrep-leaving"  # to the company's provider


@dataclass(slots=True)
class Asks:
    """Where a request comes from, and whose it is; nobody's until the session is found."""

    origin: Origin
    session: Session | None = None


ASKS: web.RequestKey[Asks] = web.RequestKey("asks", Asks)


def who(request: web.Request) -> Session:
    """Whose request it is; only for routes that need a session."""
    session = request[ASKS].session
    if session is None:
        raise MedrepError(Fault.FORGED, "nobody is signed in")
    return session


def take_token(request: web.Request) -> str | None:
    token = request.cookies.get(COOKIE)
    return token if token and len(token) <= 100 else None


def keep_token(response: web.StreamResponse, token: str) -> None:
    """In a cookie that no other host, no script and no other site gets."""
    response.set_cookie(COOKIE, token, path="/", secure=True, httponly=True, samesite="Lax")


def drop_token(response: web.StreamResponse) -> None:
    response.del_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="Lax")


def keep_leaving(response: web.StreamResponse, sealed: str, lasts: int) -> None:
    response.set_cookie(_LEAVING, sealed, max_age=lasts, path="/", secure=True, httponly=True, samesite="Lax")


def take_leaving(request: web.Request) -> str:
    return request.cookies.get(_LEAVING, "")[:4096]


def drop_leaving(response: web.StreamResponse) -> None:
    response.del_cookie(_LEAVING, path="/", secure=True, httponly=True, samesite="Lax")


async def field(request: web.Request, name: str, longest: int = 4000) -> str:
    """A field of the form; empty where it is missing. Raises MedrepError(TOO_LARGE)."""
    value = (await request.post()).get(name, "")
    if not isinstance(value, str):
        raise web.HTTPBadRequest
    if len(value) > longest:
        raise web.HTTPRequestEntityTooLarge(max_size=longest, actual_size=len(value))
    return value.replace("\r\n", "\n").replace("\0", "")


def number(request: web.Request, name: str) -> int:
    """A number of the path; what is none is not found."""
    given = request.match_info[name]
    if not given.isascii() or not given.isdigit() or len(given) > 18:
        raise web.HTTPNotFound
    return int(given)


def item(given: str) -> str:
    """The id of something that is content; what can be none is not found."""
    if not _ITEM.fullmatch(given):
        raise web.HTTPNotFound
    return given


async def version(request: web.Request) -> int:
    """What the form was made from."""
    given = await field(request, "version", 5)
    if not given.isascii() or not given.isdigit():
        raise web.HTTPBadRequest
    return int(given)


def file_kind(request: web.Request) -> str:
    """Of `FILES`, as the path names it."""
    kind = request.match_info["kind"]
    if kind not in FILES:
        raise web.HTTPNotFound
    return kind


def file(data: bytes, name: str, kind: str) -> web.Response:
    named = f'attachment; filename="{name}.{kind}"'
    return web.Response(body=data, content_type=FILES[kind], headers={hdrs.CONTENT_DISPOSITION: named})


def page(request: web.Request, template: str, context: Mapping[str, Any], status: int = 200) -> web.Response:
    """A page for whoever asks."""
    asks = request[ASKS]
    services = request.app[DESK].services
    now = services.clock.now()
    roles = asks.session.roles if asks.session else frozenset()
    given = {
        "asks": asks,
        "me": asks.session,
        "now": now.astimezone(CHINA),
        "today": today(now),
        "pages": {
            "chats": roles & WORKERS,
            "doctors": roles & DOCTOR_READERS,
            "meetings": roles & MEETING_READERS,
            "crm": services.crm and roles & CRM_KEEPERS,
            "requests": roles & REQUEST_READERS,
        },
    }
    return aiohttp_jinja2.render_template(template, request, {**given, **context}, status=status)


def to(where: str) -> web.Response:
    """On to another page, by GET."""
    return web.Response(status=303, headers={"Location": where})
