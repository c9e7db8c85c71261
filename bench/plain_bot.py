"""What the whole path is compared with: a WeChat bot as one builds it from the libraries' own pages.

aiohttp takes the post, wechatpy checks, decrypts, parses, renders and encrypts, Rasa's REST channel answers.
The reply is the passive one: within WeChat's 5 seconds it costs nothing. A repeated MsgId waits for the
answer that is being made. Nothing is kept, screened or approved: it does less than ours, to its advantage.
"""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from typing import Any

import aiohttp
from aiohttp import web
from wechatpy import create_reply, parse_message
from wechatpy.crypto import WeChatCrypto
from wechatpy.exceptions import InvalidAppIdException, InvalidSignatureException

ANSWER_SECONDS = 4.5
REMEMBERED = 10_000  # MsgIds


class Bot:
    """One Official Account in safe mode."""

    def __init__(self, crypto: WeChatCrypto, rasa: str, http: aiohttp.ClientSession) -> None:
        self._crypto = crypto
        self._rasa = rasa
        self._http = http
        self._answers: OrderedDict[int, asyncio.Task[str]] = OrderedDict()

    async def receive(self, request: web.Request) -> web.Response:
        """One message; 200 with the encrypted reply, `success` for what has none, 403 for a forgery."""
        query = request.query
        try:
            xml = self._crypto.decrypt_message(
                await request.text(), query["msg_signature"], query["timestamp"], query["nonce"]
            )
        except (InvalidSignatureException, InvalidAppIdException, KeyError):
            return web.Response(status=403)
        message = parse_message(xml)
        if message.type != "text":
            return web.Response(text="success")
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                text = await asyncio.shield(self._answer(message))
        except (TimeoutError, aiohttp.ClientError):
            return web.Response(text="success")
        reply = create_reply(text, message).render()
        sealed = self._crypto.encrypt_message(reply, query["nonce"], query["timestamp"])
        return web.Response(text=sealed, content_type="application/xml")

    def _answer(self, message: Any) -> asyncio.Task[str]:
        if message.id not in self._answers:
            self._answers[message.id] = asyncio.create_task(self._ask(message.source, message.content))
            if len(self._answers) > REMEMBERED:
                self._answers.popitem(last=False)
        return self._answers[message.id]

    async def _ask(self, sender: str, text: str) -> str:
        body = {"sender": sender, "message": text}
        async with self._http.post(f"{self._rasa}/webhooks/rest/webhook", json=body) as answer:
            answer.raise_for_status()
            return "\n\n".join(part["text"] for part in await answer.json() if "text" in part)


async def alive(_: web.Request) -> web.Response:
    return web.Response(text="ready")


async def serve() -> None:
    """Listen until the process is ended."""
    crypto = WeChatCrypto(os.environ["PLAIN_TOKEN"], os.environ["PLAIN_AES_KEY"], os.environ["PLAIN_APP_ID"])
    async with aiohttp.ClientSession() as http:
        app = web.Application()
        bot = Bot(crypto, os.environ["PLAIN_RASA_URL"], http)
        app.add_routes([web.get("/", alive), web.post(os.environ["PLAIN_PATH"], bot.receive)])
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", int(os.environ["PLAIN_PORT"])).start()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve())
