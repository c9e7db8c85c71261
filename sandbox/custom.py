"""Customer-service messages: what the platform takes, what it refuses, and how the phone shows it."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from aiohttp import web

from sandbox.account_api import OK
from sandbox.calls import Answer, Call, Calls, Double, RefusedError, follower_of
from sandbox.envelope import TEXT_BYTES

LINE_ID = re.compile("[0-9]{1,32}")  # of a msgmenu
TYPING_SECONDS = 15
TYPING_AFTER_ACT = 30  # "typing" may be shown this long after the user's last message

Shown = tuple[str, dict[str, Any]]  # the text, and what else `World.show` takes


class Custom:
    def __init__(self, double: Double) -> None:
        self._double = double

    def routes(self, calls: Calls, base: str) -> list[web.RouteDef]:
        apis = {"message/custom/send": self.send, "message/custom/typing": self.typing}
        return [
            web.route("*", f"{base}/cgi-bin/{api}", calls.route(api, calls.with_token(handler)))
            for api, handler in apis.items()
        ]

    async def send(self, call: Call) -> Answer:
        follower = follower_of(self._double, call)
        kind = call.body.get("msgtype")
        image = partial(self._image, call.account.name)
        reads: dict[str, Callable[[dict[str, Any]], Shown]] = {
            "text": _text,
            "msgmenu": _msgmenu,
            "image": image,
            "news": _news,
        }
        read = reads.get(str(kind))
        if read is None:
            raise RefusedError(40008)
        part = call.body.get(str(kind))
        if not isinstance(part, dict):
            raise RefusedError(44003 if kind == "news" else 44004)
        text, more = read(part)
        world = self._double.world
        # Counted last: what the platform refuses for its content uses nothing up.
        refused = self._double.ledger.take(call.account.name, follower.openid, world.now())
        if refused:
            raise RefusedError(refused)
        context = call.body.get("aimsgcontext")
        is_ai = isinstance(context, dict) and context.get("is_ai_msg") == 1
        item = world.show(
            call.account.name,
            follower.openid,
            "account",
            str(kind),
            text,
            via="customer_service",
            is_ai=is_ai,
            **more,
        )
        call.showed(item)
        return OK

    async def typing(self, call: Call) -> Answer:
        follower, world = follower_of(self._double, call), self._double.world
        key, now = (call.account.name, follower.openid), world.now()
        command = call.body.get("command")
        if command not in ("Typing", "CancelTyping"):
            raise RefusedError(45072)
        if not self._double.ledger.is_open(*key, now):
            raise RefusedError(45015)
        if command == "CancelTyping":
            world.typing.pop(key, None)
        else:
            if now - world.last_act.get(key, 0.0) > TYPING_AFTER_ACT:
                raise RefusedError(45080)
            if world.typing.get(key, 0.0) > now:
                raise RefusedError(45081)
            world.typing[key] = now + TYPING_SECONDS
        shown = TYPING_SECONDS if command == "Typing" else 0
        world.publish({"event": "typing", "seconds": shown}, key)
        return OK

    def _image(self, account: str, part: dict[str, Any]) -> Shown:
        media_id = part.get("media_id")
        if self._double.world.upload(account, media_id) is None:
            raise RefusedError(40007)
        return "[图片]", {"card": {"media": media_id}}


def _text(part: dict[str, Any]) -> Shown:
    return _content(part, "content"), {}


def _msgmenu(part: dict[str, Any]) -> Shown:
    """A menu: head, lines to pick from (id and content), tail; together no longer than a text may be.

    The platform's page shows ids of digits only and says nothing of others, so others are refused here.
    """
    lines = part.get("list")
    if not isinstance(lines, list) or not lines:
        raise RefusedError(44004)
    items = []
    for line in lines:
        if not isinstance(line, dict) or not str(line.get("id", "")) or not line.get("content"):
            raise RefusedError(44004)
        if not LINE_ID.fullmatch(str(line["id"])):
            raise RefusedError(47003, "msgmenu.list.id")
        items.append({"id": str(line["id"]), "content": str(line["content"])})
    head, tail = str(part.get("head_content") or ""), str(part.get("tail_content") or "")
    if len("".join([head, *(item["content"] for item in items), tail]).encode()) > TEXT_BYTES:
        raise RefusedError(45002)
    return head, {"menu": {"items": items, "tail": tail}}


def _news(part: dict[str, Any]) -> Shown:
    articles = part.get("articles")
    if not isinstance(articles, list) or not articles:
        raise RefusedError(44003)
    if len(articles) > 1:
        raise RefusedError(45008)
    first = articles[0]
    if not isinstance(first, dict) or not first.get("title"):
        raise RefusedError(44003)
    card = {name: str(first.get(name) or "") for name in ("title", "description", "url", "picurl")}
    return card["title"], {"card": card}


def _content(part: dict[str, Any], name: str) -> str:
    """A text that is there and not too long. Raises RefusedError."""
    text = part.get(name)
    if not isinstance(text, str) or not text.strip():
        raise RefusedError(44004)
    if len(text.encode()) > TEXT_BYTES:
        raise RefusedError(45002)
    return text
