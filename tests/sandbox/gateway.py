"""A small gateway that speaks the callback protocol, for the double to talk to.

It reads and seals with `wechatpy`, a third implementation: the double's own crypto is not its own judge.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from aiohttp import web
from defusedxml import ElementTree
from wechatpy.crypto import WeChatCrypto
from wechatpy.utils import check_signature

from sandbox.accounts import Account


@dataclass(frozen=True)
class Post:
    """One callback as it came in; `fields` are the leaves of the message after verification."""

    account: Account
    query: dict[str, str]
    body: str
    fields: dict[str, str]
    at: float

    def reply(self, content: str = "好的", kind: str = "text", **swap: str) -> str:
        """The clear XML of a passive reply."""
        fields = {
            "ToUserName": self.fields["FromUserName"],
            "FromUserName": self.fields["ToUserName"],
            "CreateTime": str(int(time.time())),
            "MsgType": kind,
            "Content": content,
        } | swap
        return "<xml>" + "".join(f"<{k}>{escape(v)}</{k}>" for k, v in fields.items()) + "</xml>"

    def sealed(self, xml: str) -> web.Response:
        return web.Response(text=crypto(self.account).encrypt_message(xml, "123456", str(int(time.time()))))


Answerer = Callable[[Post], Awaitable[web.StreamResponse]]


def crypto(account: Account) -> WeChatCrypto:
    return WeChatCrypto(account.token, account.encoding_aes_key, account.app_id)


async def acknowledge(post: Post) -> web.StreamResponse:
    return web.Response(text="success")


@dataclass
class Gateway:
    """`posts` in order of arrival; `answer` decides what goes back."""

    accounts: dict[str, Account] = field(default_factory=dict)
    posts: list[Post] = field(default_factory=list)
    answer: Answerer = acknowledge
    url: str = ""
    _runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/wechat/{name}", self._verify)
        app.router.add_post("/wechat/{name}", self._take)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        if self._runner:
            await self._runner.cleanup()

    async def _verify(self, request: web.Request) -> web.Response:
        query, account = request.query, self.accounts[request.match_info["name"]]
        check_signature(account.token, query["signature"], query["timestamp"], query["nonce"])
        return web.Response(text=query["echostr"])

    async def _take(self, request: web.Request) -> web.StreamResponse:
        query, body = dict(request.query), await request.text()
        account = self.accounts[request.match_info["name"]]
        check_signature(account.token, query["signature"], query["timestamp"], query["nonce"])
        xml = body
        if account.mode != "plain":
            xml = crypto(account).decrypt_message(
                body, query["msg_signature"], query["timestamp"], query["nonce"]
            )
        leaves = {leaf.tag: leaf.text or "" for leaf in ElementTree.fromstring(xml).iter() if len(leaf) == 0}
        post = Post(account, query, body, leaves, time.monotonic())
        self.posts.append(post)
        return await self.answer(post)
