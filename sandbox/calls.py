"""How a call of the gateway is taken: faults, method, token, JSON, the handler, the answer."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from sandbox.accounts import Account
from sandbox.delivery import Delivery
from sandbox.faults import ApiFault, Faults, Harm
from sandbox.journal import Journal, masked
from sandbox.quota import Ledger
from sandbox.tokens import Tokens
from sandbox.world import Follower, Item, World

MESSAGES = {
    -1: "system error",
    40001: "invalid credential, access_token is invalid or not latest",
    40002: "invalid grant_type",
    40003: "invalid openid",
    40004: "invalid media type",
    40007: "invalid media_id",
    40008: "invalid message type",
    40013: "invalid appid",
    40016: "invalid button size",
    40017: "invalid button type",
    40018: "invalid button name size",
    40019: "invalid button key size",
    40020: "invalid button url size",
    40022: "invalid sub button level",
    40023: "invalid sub button size",
    40024: "invalid sub button type",
    40025: "invalid sub button name size",
    40026: "invalid sub button key size",
    40027: "invalid sub button url size",
    40029: "invalid code",
    40033: "invalid charset. please check your request, if include \\uxxxx will create fail!",
    40037: "invalid template_id",
    40052: "invalid expire_seconds",
    40053: "invalid action info",
    40054: "invalid action name",
    40125: "invalid appsecret",
    40137: "invalid image format",
    40163: "code been used",
    40164: "invalid ip, not in whitelist",
    41001: "access_token missing",
    41002: "appid missing",
    41004: "appsecret missing",
    41005: "media data missing",
    41008: "missing code",
    42001: "access_token expired",
    43002: "require POST method",
    43004: "require subscribe",
    43101: "user refuse to accept the msg",
    44002: "empty post data",
    44003: "empty news data",
    44004: "empty content",
    45001: "media size out of limit",
    45002: "content size out of limit",
    45008: "article size out of limit",
    45009: "reach max api daily quota limit",
    45011: "api minute-quota reach limit, must slower, retry next minute",
    45015: "response out of time limit or subscription is canceled",
    45047: "out of response count limit",
    45072: "invalid typing command",
    45080: "client request too fast, require user message within 30s",
    45081: "already in typing status",
    46003: "menu no exist",
    47001: "data format error",
    47003: "argument invalid!",
    48001: "api unauthorized",
}

# The call's journal entry, on its request.
ENTRY: web.RequestKey[dict[str, Any]] = web.RequestKey("entry", dict)

# An escape that is not itself escaped: `\\u4e2d` is text, `\u4e2d` is what the platform refuses.
_ESCAPE = re.compile(rb"(?<!\\)(?:\\\\)*\\u[0-9a-fA-F]{4}")


class RefusedError(Exception):
    """The platform says no: an errcode inside HTTP 200."""

    def __init__(self, errcode: int, detail: str = "") -> None:
        super().__init__(errcode)
        self.errcode = errcode
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Double:
    """The parts of the double, put together once."""

    accounts: dict[str, Account]
    world: World
    delivery: Delivery
    faults: Faults
    journal: Journal
    ledger: Ledger = field(default_factory=Ledger)
    tokens: Tokens = field(default_factory=Tokens)


@dataclass(frozen=True, slots=True)
class Call:
    """One call with a valid token. `body` is the JSON object, {} for a GET."""

    account: Account
    request: web.Request
    body: dict[str, Any]

    def showed(self, item: Item) -> None:
        """Note in the journal what this call put into a chat."""
        self.request[ENTRY]["item"] = item.id


Answer = dict[str, Any]
Handler = Callable[[Call], Awaitable[Answer]]
Open = Callable[[web.Request, bytes], Awaitable[Answer]]


def answered(errcode: int, detail: str = "") -> Answer:
    text = MESSAGES.get(errcode, "system error") + (f" {detail}" if detail else "")
    return {"errcode": errcode, "errmsg": f"{text} rid: {secrets.token_hex(4)}-{secrets.token_hex(4)}"}


def read_json(raw: bytes) -> dict[str, Any]:
    """The body of a call. Raises RefusedError (44002, 40033, 47001)."""
    if not raw:
        raise RefusedError(44002)
    if _ESCAPE.search(raw):
        raise RefusedError(40033)
    try:
        body = json.loads(raw.decode("utf-8"))
    except ValueError:
        raise RefusedError(47001) from None
    if not isinstance(body, dict):
        raise RefusedError(47001)
    return body


def follower_of(double: Double, call: Call) -> Follower:
    """Whom a message is for. Raises RefusedError: 40003 nobody we know, 43004 does not follow."""
    openid = call.body.get("touser")
    follower = double.world.followers.get((call.account.name, openid)) if isinstance(openid, str) else None
    if follower is None:
        raise RefusedError(40003)
    if not follower.subscribed:
        raise RefusedError(43004)
    return follower


class Calls:
    """Turns handlers into routes that fail the way the platform (and the faults) would have it."""

    def __init__(self, double: Double) -> None:
        self._double = double

    def with_token(self, handler: Handler, *, post: bool = True) -> Open:
        """A call that carries `access_token` and, when POST, a JSON body."""

        async def opened(request: web.Request, raw: bytes) -> Answer:
            if post and request.method != "POST":
                raise RefusedError(43002)
            account, errcode = self._double.tokens.check(request.query.get("access_token", ""))
            if errcode:
                raise RefusedError(errcode)
            body = read_json(raw) if post else {}
            return await handler(Call(self._double.accounts[account], request, body))

        return opened

    def route(self, api: str, opened: Open) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """`api` is the name by which faults and the journal know this call."""

        async def handle(request: web.Request) -> web.StreamResponse:
            multipart = request.content_type.startswith("multipart/")
            raw = b"" if multipart else await request.read()
            account = self._account(request, raw)
            entry = self._double.journal.open(
                "api",
                api=api,
                account=account,
                method=request.method,
                query=masked(request.query_string),
                body=masked(raw.decode("utf-8", "replace")),
                openid=_openid(raw),
            )
            request[ENTRY] = entry
            await asyncio.sleep(self._double.faults.network.delay_seconds)
            fault = self._double.faults.take(api, account)
            if fault:
                entry["fault"] = fault.kind
                if harmed := await _harm(request, fault):
                    return harmed
            answer = await _answer(opened, request, raw)
            entry["errcode"] = answer.get("errcode", 0)
            entry["answer"] = masked(json.dumps(answer, ensure_ascii=False))
            if fault and fault.kind is Harm.ACCEPT_THEN_RESET:
                return reset(request)
            if fault and fault.kind is Harm.ANSWER:
                return _given(fault)
            return web.json_response(answer, dumps=_dumps)

        return handle

    def _account(self, request: web.Request, raw: bytes) -> str:
        """Whose call it is, by token or app id; "" when neither says so."""
        if token := request.query.get("access_token"):
            return self._double.tokens.account_of(token)
        for account in self._double.accounts.values():
            if request.query.get("appid") == account.app_id or account.app_id.encode() in raw:
                return account.name
        return ""


async def _answer(opened: Open, request: web.Request, raw: bytes) -> Answer:
    try:
        return await opened(request, raw)
    except RefusedError as refusal:
        return answered(refusal.errcode, refusal.detail)


async def _harm(request: web.Request, fault: ApiFault) -> web.StreamResponse | None:
    """The response of a call that goes wrong before anything is done; None lets it go on."""
    match fault.kind:
        case Harm.ERRCODE:
            return web.json_response(answered(fault.errcode), dumps=_dumps)
        case Harm.HTML:
            page = "<html><head><title>系统繁忙</title></head><body>系统繁忙，请稍后再试</body></html>"
            return web.Response(text=page, content_type="text/html")
        case Harm.RESET:
            return reset(request)
        case Harm.HANG:
            await asyncio.sleep(fault.seconds)
            return reset(request)
        case Harm.SLOW:
            await asyncio.sleep(fault.seconds)
        case Harm.ANSWER if not fault.done:
            return _given(fault)
    return None


def _given(fault: ApiFault) -> web.Response:
    """The answer that the fault holds."""
    return web.Response(status=fault.status, text=fault.body, content_type=fault.content_type)


def reset(request: web.Request) -> web.StreamResponse:
    """Cut the connection with a TCP reset: the caller cannot tell what became of its call."""
    if (transport := request.transport) is not None:
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response()  # goes nowhere


def _openid(raw: bytes) -> str:
    """The addressee, as far as the body names one: for the journal only."""
    try:
        body = json.loads(raw)
    except ValueError:
        return ""
    return str(body.get("touser", "")) if isinstance(body, dict) else ""


def _dumps(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
