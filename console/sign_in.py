"""Signing in, step by step: password, code, a password of one's own, a second factor."""

from __future__ import annotations

import segno
from aiohttp import web
from markupsafe import Markup

from bot.model import Fault, MedrepError
from bot.staff import (
    LONGEST_PASSWORD,
    SHORTEST_PASSWORD,
    Session,
    SignInStep,
    choose_password,
    factor_uri,
    give_code,
    offered_factor,
    session_of,
    sign_in,
    sign_out,
)
from console.asking import ASKS, DESK, SETTINGS, drop_token, field, keep_token, page, take_token, to, who
from console.routes import EVERYBODY, Route

WRONG = "登录名或密码不对。"
TOO_MANY = "尝试次数过多，请 15 分钟后再试，或请管理员重置密码。"
WRONG_CODE = "验证码不对，或已经用过。请等下一个验证码。"
OVER = "登录已过期，请重新登录。"
_PASSWORD = {
    "length": f"密码要有 {SHORTEST_PASSWORD} 到 {LONGEST_PASSWORD} 个字符。",
    "simple": "密码太简单：不能包含登录名，也不能总是重复几个字符。",
    "same": "不能与现在的密码相同。",
}


async def show(request: web.Request) -> web.StreamResponse:
    return sign_in_page(request)


def sign_in_page(request: web.Request, fault: str = "", status: int = 200, login: str = "") -> web.Response:
    """The page of signing in, with what went wrong."""
    company = request.app[SETTINGS].accounts.oidc
    context = {"fault": fault, "login": login, "company": company.label if company else ""}
    return page(request, "sign_in.html", context, status)


async def enter(request: web.Request) -> web.StreamResponse:
    """A new session, whatever the browser had before."""
    services, origin = request.app[DESK].services, request[ASKS].origin
    login, password = (await field(request, "login", 200)).strip(), await field(request, "password", 1000)
    demo = origin.here and request.app[SETTINGS].sandbox
    now = services.clock.now()
    try:
        token = await sign_in(
            services.db, services.vault.keyring, login, password, origin.address, demo=demo, now=now
        )
    except MedrepError as error:
        busy = error.fault == Fault.BUSY
        fault = TOO_MANY if busy else WRONG
        return sign_in_page(request, fault, 429 if busy else 401, login)
    return await signed_in(request, token)


async def signed_in(request: web.Request, token: str) -> web.Response:
    """The new session instead of any that the browser had."""
    db = request.app[DESK].services.db
    if (before := take_token(request)) and (session := await session_of(db, before)):
        await sign_out(db, session)
    response = to("/console/")
    keep_token(response, token)
    return response


async def ask_code(request: web.Request) -> web.StreamResponse:
    return page(request, "code.html", {"fault": ""})


async def take_code(request: web.Request) -> web.StreamResponse:
    return await _code(request, who(request), "code.html", {})


async def _code(
    request: web.Request, session: Session, template: str, context: dict[str, object]
) -> web.StreamResponse:
    services = request.app[DESK].services
    code = await field(request, "code", 20)
    try:
        token = await give_code(services.db, services.vault.keyring, session, code, services.clock.now())
    except MedrepError as error:
        if error.fault == Fault.CONFLICT:
            raise
        busy = error.fault == Fault.BUSY
        fault = TOO_MANY if busy else WRONG_CODE
        return page(request, template, {**context, "fault": fault}, 429 if busy else 401)
    response = to("/console/")
    keep_token(response, token)
    return response


async def ask_password(request: web.Request) -> web.StreamResponse:
    return page(request, "password.html", {"fault": "", "shortest": SHORTEST_PASSWORD})


async def take_password(request: web.Request) -> web.StreamResponse:
    session = who(request)
    services = request.app[DESK].services
    password, again = await field(request, "password", 1000), await field(request, "again", 1000)
    old = await field(request, "old", 1000) if session.step == SignInStep.IN else None
    try:
        if password != again:
            raise MedrepError(Fault.BAD_INPUT, "again")
        token = await choose_password(services.db, session, password, services.clock.now(), old=old)
    except MedrepError as error:
        if error.fault == Fault.CONFLICT:
            raise
        old_one = "现在的密码不对。" if error.fault == Fault.FORGED else "两次输入的密码不一样。"
        fault = _PASSWORD.get(error.detail, old_one)
        return page(request, "password.html", {"fault": fault, "shortest": SHORTEST_PASSWORD}, 422)
    response = to("/console/")
    keep_token(response, token)
    return response


async def show_factor(request: web.Request) -> web.StreamResponse:
    return page(request, "enrol.html", {**await _factor(request), "fault": ""})


async def take_factor(request: web.Request) -> web.StreamResponse:
    return await _code(request, who(request), "enrol.html", await _factor(request))


async def _factor(request: web.Request) -> dict[str, object]:
    services, session = request.app[DESK].services, who(request)
    secret = await offered_factor(services.db, services.vault.keyring, session)
    code = segno.make(factor_uri(secret, session.login), error="m")
    drawn = code.svg_inline(scale=5, border=2, dark="#111", light="#fff", svgclass="qr", lineclass=None)
    return {"qr": Markup(drawn), "secret": " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))}  # noqa: S704


async def leave(request: web.Request) -> web.StreamResponse:
    await sign_out(request.app[DESK].services.db, who(request))
    response = to("/console/sign-in")
    drop_token(response)
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


_ANY = frozenset(SignInStep)
_CODE, _OWN = frozenset({SignInStep.CODE}), frozenset({SignInStep.PASSWORD, SignInStep.IN})
_ENROL = frozenset({SignInStep.ENROL, SignInStep.IN})
ROUTES = [
    Route("GET", "/sign-in", show),
    Route("POST", "/sign-in", enter),
    Route("GET", "/code", ask_code, EVERYBODY, _CODE),
    Route("POST", "/code", take_code, EVERYBODY, _CODE),
    Route("GET", "/password", ask_password, EVERYBODY, _OWN),
    Route("POST", "/password", take_password, EVERYBODY, _OWN),
    Route("GET", "/enrol", show_factor, EVERYBODY, _ENROL),
    Route("POST", "/enrol", take_factor, EVERYBODY, _ENROL),
    Route("POST", "/sign-out", leave, EVERYBODY, _ANY),
]
