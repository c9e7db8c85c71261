"""What stands around the connector in its tests: WeChat's side of the protocol, a gateway, a token store.

The crypto here is an independent implementation on `cryptography` and hashlib: none of the connector's code,
none of wechatpy's.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import itertools
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from aiohttp import web
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from prometheus_client import REGISTRY

from bot.model import Accepted, Account, Audience, Channel, Inbound, Message, PassiveReply, TokenFetch
from bot.settings import Template, WeChatAccount

VECTORS: dict[str, list[dict[str, str]]] = json.loads(
    (Path(__file__).parent / "vectors.json").read_text(encoding="utf-8")
)

TOKEN = "spamtest"
AES_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
APP_ID = "wx2c2769f8efd9abc2"
SECRET = "app-secret-9f3b1c"
OPENID = "oyORnuP8q7ou2gfYjqLzSIWZf0rs"
GH = "gh_10f6c3c3ac5a"


def settings(mode: str, api_base: str = "https://api.weixin.qq.com") -> WeChatAccount:
    return WeChatAccount.model_validate(
        {
            "app_id": APP_ID,
            "app_secret": SECRET,
            "token": TOKEN,
            "encoding_aes_key": AES_KEY,
            "mode": mode,
            "audience": Audience.DOCTOR,
            "api_base": api_base,
            "templates": {"meeting": Template(id="T1", fields={"title": "thing1", "when": "time2"})},
        }
    )


def account(name: str) -> Account:
    return Account(Channel.WECHAT, name)


# ---------------------------------------------------------------- WeChat's side of the webhook


def sign(*parts: str, token: str = TOKEN) -> str:
    return hashlib.sha1("".join(sorted([token, *parts])).encode()).hexdigest()  # noqa: S324


def _aes(key: str) -> Cipher[modes.CBC]:
    raw = base64.b64decode(key + "=")
    return Cipher(algorithms.AES(raw), modes.CBC(raw[:16]))


def encrypt_raw(padded: bytes, key: str = AES_KEY) -> str:
    worker = _aes(key).encryptor()
    return base64.b64encode(worker.update(padded) + worker.finalize()).decode()


def pad(data: bytes) -> bytes:
    count = 32 - len(data) % 32
    return data + bytes([count]) * count


def frame(text: str | bytes, app_id: str = APP_ID, random16: bytes = b"0123456789abcdef") -> bytes:
    data = text.encode() if isinstance(text, str) else text
    return random16 + len(data).to_bytes(4, "big") + data + app_id.encode()


def encrypt(text: str | bytes, app_id: str = APP_ID, key: str = AES_KEY) -> str:
    return encrypt_raw(pad(frame(text, app_id)), key)


def decrypt(encrypted: str, app_id: str = APP_ID, key: str = AES_KEY) -> str:
    worker = _aes(key).decryptor()
    data = worker.update(base64.b64decode(encrypted)) + worker.finalize()
    count = data[-1]
    assert data[-count:] == bytes([count]) * count
    data = data[:-count]
    end = 20 + int.from_bytes(data[16:20], "big")
    assert data[end:].decode() == app_id
    return data[20:end].decode()


def flat(xml: str) -> dict[str, str]:
    return {child.tag: child.text or "" for child in ElementTree.fromstring(xml)}  # noqa: S314


_ids = itertools.count(7_000_000_000_000_000_001)


def xml(**fields: str | None) -> str:
    """A message as WeChat writes it; a field given as None is left out."""
    whole: dict[str, str | None] = {
        "ToUserName": GH,
        "FromUserName": OPENID,
        "CreateTime": str(int(time.time())),
        **fields,
    }
    inner = "".join(f"<{k}><![CDATA[{v}]]></{k}>" for k, v in whole.items() if v is not None)
    return f"<xml>{inner}</xml>"


def text(content: str, msg_id: str | None = None, **more: str | None) -> str:
    return xml(MsgType="text", Content=content, MsgId=msg_id or str(next(_ids)), **more)


def event(name: str, **more: str | None) -> str:
    return xml(MsgType="event", Event=name, **more)


@dataclass
class Post:
    """One POST, ready to be tampered with."""

    query: dict[str, str]
    body: bytes


def post(mode: str, message: str | bytes, *, at: float | None = None) -> Post:
    """The message as WeChat posts it in that mode."""
    stamp, nonce = str(int(at or time.time())), "1320562132"
    query = {"signature": sign(stamp, nonce), "timestamp": stamp, "nonce": nonce, "openid": OPENID}
    if mode == "plain":
        return Post(query, message.encode() if isinstance(message, str) else message)
    return sealed(encrypt(message), query, clear=message if mode == "compatible" else b"")


def sealed(encrypted: str, query: dict[str, str], *, clear: str | bytes = b"") -> Post:
    signature = sign(query["timestamp"], query["nonce"], encrypted)
    head = clear.decode() if isinstance(clear, bytes) else clear
    inner = head.removeprefix("<xml>").removesuffix("</xml>") or f"<ToUserName>{GH}</ToUserName>"
    body = f"<xml>{inner}<Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>"
    return Post({**query, "msg_signature": signature, "encrypt_type": "aes"}, body.encode())


# ---------------------------------------------------------------- our side


@dataclass
class MemoryGateway:
    """What the inbox does, in memory: one row a key, replies by row, faults on request."""

    rows: dict[str, Inbound] = field(default_factory=dict)
    accepted: int = 0
    passive: list[bool] = field(default_factory=list)
    reply: Message | None = None
    written: list[bool] = field(default_factory=list)
    refuse: int = 0  # so many calls of accept fail
    hang: float = 0  # seconds passive_reply takes
    reply_error: Exception | None = None

    async def accept(self, inbound: Inbound, *, passive: bool) -> Accepted:
        self.accepted += 1
        self.passive.append(passive)
        if self.refuse:
            self.refuse -= 1
            raise RuntimeError(f"connection to the database lost while storing {inbound.text}")
        duplicate = inbound.key in self.rows
        self.rows.setdefault(inbound.key, inbound)
        return Accepted(list(self.rows).index(inbound.key) + 1, duplicate)

    async def passive_reply(self, accepted: Accepted) -> PassiveReply | None:
        if self.reply_error:
            raise self.reply_error
        await asyncio.sleep(self.hang)
        return PassiveReply(accepted.inbox_id, self.reply) if self.reply else None

    async def passive_written(self, reply: PassiveReply, *, written: bool) -> None:
        self.written.append(written)

    def reset(self) -> None:
        self.__init__()  # type: ignore[misc]

    @property
    def one(self) -> Inbound:
        (row,) = self.rows.values()
        return row


Gateways = dict[str, MemoryGateway]


def counted(name: str, **labels: str) -> float:
    """What this counter of the process stands at."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


class MemoryTokens:
    """The token store's promises in one process: single flight, compare and refresh."""

    def __init__(self) -> None:
        self.token = ""
        self.lock = asyncio.Lock()

    async def get(self, account: Account, fetch: TokenFetch) -> str:
        async with self.lock:
            if not self.token:
                self.token, _ = await fetch()
            return self.token

    async def refused(self, account: Account, token: str, fetch: TokenFetch) -> str:
        async with self.lock:
            if self.token == token:
                self.token, _ = await fetch()
            return self.token


@dataclass
class Platform:
    """A double of WeChat's API on a real socket; each injected fault meets one request."""

    faults: list[Any] = field(default_factory=list)  # an errcode, a whole response, or the name of a fault
    token_faults: list[Any] = field(default_factory=list)
    requests: list[tuple[str, bytes]] = field(default_factory=list)
    valid: str = ""
    issued: int = 0
    sticky: bool = False  # hands out the same token until forced
    slow: asyncio.Event = field(default_factory=asyncio.Event)

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/cgi-bin/stable_token", self.stable_token)
        app.router.add_get("/cgi-bin/token", self.plain_token)
        for path in ("custom/send", "custom/typing", "template/send"):
            app.router.add_post(f"/cgi-bin/message/{path}", self.message)
        app.router.add_get("/sns/oauth2/access_token", self.oauth)
        return app

    def sent(self, path: str = "custom/send") -> list[dict[str, Any]]:
        return [json.loads(body) for where, body in self.requests if where.endswith(path)]

    async def stable_token(self, request: web.Request) -> web.StreamResponse:
        body = await self._seen(request)
        if fault := await self._fault(request, self.token_faults):
            return fault
        asked = json.loads(body)
        if asked["secret"] != SECRET or asked["appid"] != APP_ID:
            return _error(40125)
        return self._issue(force=asked["force_refresh"] or not self.sticky)

    async def plain_token(self, request: web.Request) -> web.StreamResponse:
        await self._seen(request)
        if fault := await self._fault(request, self.token_faults):
            return fault
        return self._issue(force=True) if request.query["secret"] == SECRET else _error(40125)

    def _issue(self, *, force: bool) -> web.Response:
        if force or not self.valid:
            self.issued += 1
            self.valid = f"access-token-{self.issued}-c0ffee"
        return web.json_response({"access_token": self.valid, "expires_in": 7200})

    async def message(self, request: web.Request) -> web.StreamResponse:
        await self._seen(request)
        if fault := await self._fault(request, self.faults):
            return fault
        if request.query.get("access_token") != self.valid:
            return _error(40001)
        msgid = {"msgid": 200228332} if request.path.endswith("template/send") else {}
        return web.json_response({"errcode": 0, "errmsg": "ok", **msgid})

    async def oauth(self, request: web.Request) -> web.StreamResponse:
        await self._seen(request)
        if fault := await self._fault(request, self.faults):
            return fault
        query = request.query
        if (query["appid"], query["secret"], query["code"]) != (APP_ID, SECRET, "good"):
            return _error(40029)
        return web.json_response({"access_token": "page", "expires_in": 7200, "openid": OPENID})

    async def _seen(self, request: web.Request) -> bytes:
        body = await request.read()
        self.requests.append((request.path, body))
        return body

    async def _fault(self, request: web.Request, faults: list[Any]) -> web.StreamResponse | None:
        fault = faults.pop(0) if faults else None
        if fault is None:
            return None
        if isinstance(fault, int):
            return _error(fault)
        if isinstance(fault, web.Response):
            return fault
        assert request.transport is not None
        if fault == "timeout":
            await self.slow.wait()
        elif fault == "garbage":
            request.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: nonsense\r\n\r\n")
            await asyncio.sleep(0.05)
        elif fault == "midway":
            request.transport.write(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"errcode"')
            await asyncio.sleep(0.05)
        else:
            assert fault == "reset"
        request.transport.abort()
        return web.Response()


def _error(code: int) -> web.Response:
    message = f"invalid credential rid: 655d9278-7c157f97-69055077 {OPENID}"
    return web.json_response({"errcode": code, "errmsg": message})
