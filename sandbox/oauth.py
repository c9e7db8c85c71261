"""Web authorisation: the page that asks who you are, and the exchange of its code."""

from __future__ import annotations

import html
import re
import secrets
import time
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit, urlunsplit

from aiohttp import web

from sandbox.account_api import client
from sandbox.accounts import Account
from sandbox.calls import Answer, Calls, Double, RefusedError

CODE_SECONDS = 300
STATE = re.compile("[a-zA-Z0-9]{0,128}")
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

PAGE = """<!doctype html><html lang="zh-CN"><meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1"><title>微信登录（沙箱）</title>
<link rel="stylesheet" href="../../../static/oauth.css">
<main><h1>{title}</h1><p>申请获取你的身份信息。请选择以谁的身份继续：</p><ul>{people}</ul>
<p class="note">这是沙箱里的授权页，不连接真实微信。</p></main></html>"""
FAILED = """<!doctype html><html lang="zh-CN"><meta charset="utf-8"><title>出错了</title>
<link rel="stylesheet" href="../../../static/oauth.css"><main><h1>出错了</h1><p>{why}</p></main></html>"""


@dataclass(slots=True)
class Code:
    account: str
    openid: str
    scope: str
    until: float
    used: bool = False


class OAuth:
    def __init__(self, double: Double) -> None:
        self._double = double
        self._codes: dict[str, Code] = {}

    def routes(self, calls: Calls, base: str) -> list[web.RouteDef]:
        return [
            web.get(f"{base}/connect/oauth2/authorize", self.authorize),
            web.get(f"{base}/sns/oauth2/access_token", calls.route("sns/oauth2/access_token", self.exchange)),
        ]

    async def authorize(self, request: web.Request) -> web.Response:
        """Ask which follower this is; with `openid` in the query, take that one at once."""
        query = request.query
        account = next((a for a in self._double.accounts.values() if a.app_id == query.get("appid")), None)
        if account is None:
            return _failed("AppID 参数错误（10013）")
        target = query.get("redirect_uri", "")
        if not self._allowed(request, target):
            return _failed("redirect_uri 域名与后台配置不一致（10003）")
        if query.get("response_type") != "code":
            return _failed("response_type 参数错误（10004）")
        if query.get("scope") not in ("snsapi_base", "snsapi_userinfo"):
            return _failed("scope 参数错误（10005）")
        if not STATE.fullmatch(query.get("state", "")):
            return _failed("state 参数错误")
        openid = query.get("openid")
        if not openid:
            return self._ask(request, account)
        if (account.name, openid) not in self._double.world.followers:
            return _failed("没有这个用户")
        code = secrets.token_urlsafe(24)
        self._codes[code] = Code(account.name, openid, query["scope"], time.time() + CODE_SECONDS)
        parts = urlsplit(target)
        answer = urlencode({"code": code, "state": query.get("state", "")})
        joined = f"{parts.query}&{answer}" if parts.query else answer
        raise web.HTTPFound(urlunsplit(parts._replace(query=joined)))

    async def exchange(self, request: web.Request, raw: bytes) -> Answer:
        query = request.query
        account = client(self._double, dict(query))
        if query.get("grant_type") != "authorization_code":
            raise RefusedError(40002)
        if not query.get("code"):
            raise RefusedError(41008)
        code = self._codes.get(query["code"])
        if code is None or code.account != account.name or code.until < time.time():
            raise RefusedError(40029)
        if code.used:
            raise RefusedError(40163)
        code.used = True
        return {
            "access_token": secrets.token_urlsafe(48),
            "expires_in": 7200,
            "refresh_token": secrets.token_urlsafe(48),
            "openid": code.openid,
            "scope": code.scope,
        }

    def _allowed(self, request: web.Request, target: str) -> bool:
        """The platform only redirects to the account's own domain: here the gateway's, loopback, or ours."""
        parts = urlsplit(target)
        own = {urlsplit(self._double.delivery.gateway).hostname, request.url.host}
        return parts.scheme in ("http", "https") and parts.hostname in LOOPBACK | own

    def _ask(self, request: web.Request, account: Account) -> web.Response:
        people = "".join(
            '<li><a href="?{query}">{name}</a></li>'.format(
                query=html.escape(urlencode({**request.query, "openid": follower.openid})),
                name=html.escape(follower.nickname),
            )
            for follower in self._double.world.followers.values()
            if follower.account == account.name
        )
        page = PAGE.format(title=html.escape(account.title), people=people)
        return web.Response(text=page, content_type="text/html")


def _failed(why: str) -> web.Response:
    return web.Response(text=FAILED.format(why=why), content_type="text/html", status=200)
