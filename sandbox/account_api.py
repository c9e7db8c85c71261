"""Tokens, users, menus, media, quota: the platform's calls that put nothing into a chat."""

from __future__ import annotations

import secrets
import time
from typing import Any

from aiohttp import BodyPartReader, web

from sandbox.accounts import Account
from sandbox.calls import Answer, Call, Calls, Double, RefusedError, answered, read_json
from sandbox.tokens import QuotaError
from sandbox.world import Code, Upload

OK = {"errcode": 0, "errmsg": "ok"}
MEDIA_BYTES = 10 * 1024 * 1024
MEDIA_SECONDS = 3 * 86_400
CODE_SECONDS, CODE_DEFAULT = 30 * 86_400, 60  # the longest life of a QR code, and its default
SCENE = 64  # characters
# How files of the kinds that an image message takes begin.
PICTURES = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}
NAME_BYTES, URL_BYTES = {"top": 16, "sub": 60}, 1024
BELOW = 7  # a sub-button's errcode is so much higher than that of a button at the top
PUSHES = {"click", "scancode_push", "scancode_waitmsg", "location_select", "pic_sysphoto"}


class AccountApi:
    def __init__(self, double: Double) -> None:
        self._double = double

    def routes(self, calls: Calls, base: str) -> list[web.RouteDef]:
        plain = {"token": self.token, "stable_token": self.stable_token, "clear_quota": self.clear_quota}
        posts = {"menu/create": self.menu_create, "qrcode/create": self.qrcode_create}
        gets = {"menu/get": self.menu_get, "menu/delete": self.menu_delete, "user/info": self.user_info}
        opened = {
            **plain,
            **{api: calls.with_token(handler) for api, handler in posts.items()},
            **{api: calls.with_token(handler, post=False) for api, handler in gets.items()},
            "media/upload": calls.with_token(self.upload, post=False),
        }
        return [
            web.route("*", f"{base}/cgi-bin/{api}", calls.route(api, each)) for api, each in opened.items()
        ]

    # -------------------------------------------------------------- tokens

    async def token(self, request: web.Request, raw: bytes) -> Answer:
        account = self._client(dict(request.query))
        value, seconds = self._double.tokens.ordinary(account.name)
        return {"access_token": value, "expires_in": seconds}

    async def stable_token(self, request: web.Request, raw: bytes) -> Answer:
        if request.method != "POST":
            raise RefusedError(43002)
        body = read_json(raw)
        account = self._client(body)
        try:
            value, seconds = self._double.tokens.stable(account.name, force=body.get("force_refresh") is True)
        except QuotaError:
            raise RefusedError(45009) from None
        return {"access_token": value, "expires_in": seconds}

    def _client(self, given: dict[str, Any]) -> Account:
        """The account whose app id and secret these are. Raises RefusedError."""
        if given.get("grant_type") != "client_credential":
            raise RefusedError(40002)
        return client(self._double, given)

    async def clear_quota(self, request: web.Request, raw: bytes) -> Answer:
        """Done as asked; that it was called at all stands in the journal, and a test may object."""
        _, errcode = self._double.tokens.check(request.query.get("access_token", ""))
        return answered(errcode) if errcode else OK

    # -------------------------------------------------------------- users, menus, media

    async def user_info(self, call: Call) -> Answer:
        openid = call.request.query.get("openid", "")
        follower = self._double.world.followers.get((call.account.name, openid))
        if follower is None:
            raise RefusedError(40003)
        if not follower.subscribed:
            return {"subscribe": 0, "openid": openid, "tagid_list": []}
        return {
            "subscribe": 1,
            "openid": openid,
            "language": "zh_CN",
            "subscribe_time": follower.subscribed_at,
            "remark": "",
            "groupid": 0,
            "tagid_list": [],
            "subscribe_scene": "ADD_SCENE_SEARCH",
        }

    async def menu_create(self, call: Call) -> Answer:
        buttons = call.body.get("button")
        if not isinstance(buttons, list) or not 1 <= len(buttons) <= 3:
            raise RefusedError(40016)
        for button in buttons:
            _check_button(button, top=True)
        self._double.world.set_menu(call.account.name, {"button": buttons})
        return OK

    async def menu_get(self, call: Call) -> Answer:
        menu = self._double.world.menus.get(call.account.name)
        if menu is None:
            raise RefusedError(46003)
        return {"menu": menu}

    async def menu_delete(self, call: Call) -> Answer:
        self._double.world.set_menu(call.account.name, None)
        return OK

    async def qrcode_create(self, call: Call) -> Answer:
        """A QR code that ends, with a string as its scene: the kind that we use."""
        if call.body.get("action_name") != "QR_STR_SCENE":
            raise RefusedError(40054 if call.body.get("action_name") else 40053)
        info = call.body.get("action_info")
        scene = info.get("scene") if isinstance(info, dict) else None
        words = scene.get("scene_str") if isinstance(scene, dict) else None
        if not isinstance(words, str) or not 0 < len(words) <= SCENE:
            raise RefusedError(40053)
        seconds = call.body.get("expire_seconds", CODE_DEFAULT)
        if type(seconds) is not int or not 0 < seconds <= CODE_SECONDS:
            raise RefusedError(40052)
        world, ticket = self._double.world, "gQ" + secrets.token_urlsafe(70)
        url = "http://weixin.qq.com/q/" + secrets.token_urlsafe(20)
        world.codes[url] = Code(url, words, ticket, call.account.name, world.now() + seconds)
        world.publish({"event": "state"})
        return {"ticket": ticket, "expire_seconds": seconds, "url": url}

    async def upload(self, call: Call) -> Answer:
        """A picture for an image message; kept in memory, and known for three days."""
        if call.request.method != "POST":
            raise RefusedError(43002)
        if call.request.query.get("type") != "image":
            raise RefusedError(40004)
        if not call.request.content_type.startswith("multipart/"):
            raise RefusedError(41005)
        async for part in await call.request.multipart():
            if isinstance(part, BodyPartReader) and part.name == "media":
                data = await part.read()
                if not data or len(data) > MEDIA_BYTES:
                    raise RefusedError(41005 if not data else 45001)
                kind = next((kind for start, kind in PICTURES.items() if data.startswith(start)), "")
                if not kind or not part.filename:
                    raise RefusedError(40137 if part.filename else 41005)
                media_id, world = secrets.token_urlsafe(48), self._double.world
                until = world.now() + MEDIA_SECONDS
                world.media[media_id] = Upload(kind, bytes(data), call.account.name, until)
                return {"type": "image", "media_id": media_id, "created_at": int(time.time())}
        raise RefusedError(41005)


def client(double: Double, given: dict[str, Any]) -> Account:
    """The account of an appid and secret. Raises RefusedError: 41002 41004 missing, 40013 40125 wrong."""
    app_id, secret = given.get("appid"), given.get("secret")
    if not app_id:
        raise RefusedError(41002)
    if not secret:
        raise RefusedError(41004)
    for account in double.accounts.values():
        if account.app_id == app_id:
            if not secrets.compare_digest(account.app_secret.encode(), str(secret).encode()):
                raise RefusedError(40125)
            return account
    raise RefusedError(40013)


def _check_button(button: object, *, top: bool) -> None:
    """One button of a menu, with its sub-buttons. Raises RefusedError with the code of its level."""

    def wrong(code: int) -> RefusedError:
        return RefusedError(code if top else code + BELOW)

    if not isinstance(button, dict):
        raise RefusedError(47001)
    name = button.get("name")
    if not isinstance(name, str) or not 0 < len(name.encode()) <= NAME_BYTES["top" if top else "sub"]:
        raise wrong(40018)
    below = button.get("sub_button") or []
    if below and not top:
        raise RefusedError(40022)
    if below:
        if not isinstance(below, list) or len(below) > 5:
            raise RefusedError(40023)
        for each in below:
            _check_button(each, top=False)
        return
    kind = button.get("type")
    if kind == "view":
        url = str(button.get("url") or "")
        if not url.startswith(("http://", "https://")) or len(url.encode()) > URL_BYTES:
            raise wrong(40020)
    elif kind not in PUSHES:
        raise wrong(40017)
    elif not button.get("key") or len(str(button["key"]).encode()) > 128:
        raise wrong(40019)
