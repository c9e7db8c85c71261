"""The HTTP API of the page: followers, what they send, what their chats show, and the stream of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from sandbox.accounts import Account
from sandbox.calls import Double
from sandbox.faults import Strict
from sandbox.user_actions import Sent, UnfitError, UserActions
from sandbox.world import Follower

HEARTBEAT = 15  # seconds; keeps proxies from closing a quiet stream

Model = TypeVar("Model", bound=BaseModel)
Handler = Callable[[web.Request], Awaitable[Any]]


class NewFollower(Strict):
    """`subscribed` true: follows already, silently; to see the greeting start with false and subscribe."""

    account: str
    nickname: str
    openid: str = ""
    subscribed: bool = True


class Consent(Strict):
    account: str
    openid: str
    template_id: str
    accept: bool = True


class Block(Strict):
    account: str
    openid: str
    blocked: bool


class Phone:
    def __init__(self, double: Double) -> None:
        self._double = double
        self._actions = UserActions(double)

    def routes(self, base: str) -> list[web.RouteDef]:
        return [
            web.get(f"{base}/accounts", as_json(self.accounts)),
            web.get(f"{base}/followers", as_json(self.followers)),
            web.post(f"{base}/followers", as_json(self.add_follower)),
            web.get(f"{base}/messages", as_json(self.messages)),
            web.post(f"{base}/messages", as_json(self.send)),
            web.post(f"{base}/subscriptions", as_json(self.consent)),
            web.post(f"{base}/block", as_json(self.block)),
            web.get(f"{base}/trace", as_json(self.trace)),
            web.get(f"{base}/stream", self.stream),
            web.get(f"{base}/media/{{id}}", self.media),
        ]

    # -------------------------------------------------------------- looking

    async def accounts(self, request: web.Request) -> Any:
        codes = list(self._double.world.codes.values())
        return [
            {
                "name": account.name,
                "title": account.title,
                "audience": account.audience,
                "app_id": account.app_id,
                "original_id": account.original_id,
                "mode": account.mode,
                "menu": self._double.world.menus.get(account.name),
                "codes": [one.url for one in codes if one.account == account.name],
                "templates": [use.id for use in account.templates.values()],
            }
            for account in self._double.accounts.values()
        ]

    async def followers(self, request: web.Request) -> Any:
        world, ledger, wanted = self._double.world, self._double.ledger, request.query.get("account")
        return [
            {
                "account": each.account,
                "openid": each.openid,
                "nickname": each.nickname,
                "subscribed": each.subscribed,
                "blocked": each.blocked,
                "card": each.card,
                "left": ledger.left(each.account, each.openid, world.now()),
            }
            for each in world.followers.values()
            if each.account in self._double.accounts and wanted in (None, each.account)
        ]

    async def messages(self, request: web.Request) -> Any:
        follower = self._watched(request)
        return [item.shown() for item in self._double.world.chat(follower.account, follower.openid)]

    async def trace(self, request: web.Request) -> Any:
        """The posts by which an item of the chat travelled."""
        item = request.query.get("item", "")
        if not item.isdecimal() or item == "0":
            raise refused(400, "item")
        return self._double.journal.select(item=int(item))

    async def media(self, request: web.Request) -> web.Response:
        found = self._double.world.media.get(request.match_info["id"])
        if found is None:
            raise refused(404, "media")
        return web.Response(body=found.data, content_type=found.kind)

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Server-sent events of one chat: epoch, item, typing, trace, state. `messages` has the past."""
        follower = self._watched(request)
        headers = {"Content-Type": "text/event-stream; charset=utf-8", "X-Accel-Buffering": "no"}
        response = web.StreamResponse(headers=headers)
        watching = self._double.world.watch((follower.account, follower.openid))
        # A page that was closed is nobody's fault.
        with suppress(ConnectionResetError), watching as queue:
            await response.prepare(request)
            queue.put_nowait({"event": "epoch", "epoch": self._double.world.epoch})
            await _feed(response, queue)
        return response

    # -------------------------------------------------------------- doing

    async def add_follower(self, request: web.Request) -> Any:
        new = await read(request, NewFollower)
        account, nickname = self._account(new.account), new.nickname.strip()
        if not 0 < len(nickname) <= 32:
            raise refused(400, "nickname must have 1 to 32 characters")
        try:
            follower = self._double.world.add(account.name, nickname, new.openid, subscribed=new.subscribed)
        except ValueError:
            raise refused(409, "openid is taken") from None
        return {"openid": follower.openid}

    async def send(self, request: web.Request) -> Any:
        sent = await read(request, Sent)
        account, follower = self._account(sent.account), self._follower(sent.account, sent.openid)
        try:
            letter = self._actions.perform(account, follower, sent)
        except UnfitError as error:
            raise refused(409, str(error)) from None
        outcome = self._double.delivery.send(letter)
        answer: dict[str, Any] = {"msg_id": letter.msg_id, "item": letter.item}
        if sent.wait:
            answer["outcome"] = await asyncio.shield(outcome)
        return answer

    async def consent(self, request: web.Request) -> Any:
        """The user answers the subscription pop-up; each agreement is good for one notice."""
        given = await read(request, Consent)
        account, follower = self._account(given.account), self._follower(given.account, given.openid)
        if account.template(given.template_id) is None:
            raise refused(404, "template")
        key, consents = (account.name, follower.openid, given.template_id), self._double.world.consents
        consents[key] = consents.get(key, 0) + given.accept
        status = "accept" if given.accept else "reject"
        line = {"TemplateId": given.template_id, "SubscribeStatusString": status, "PopupScene": "2"}
        event = {"Event": "subscribe_msg_popup_event", "SubscribeMsgPopupEvent": {"List": line}}
        self._double.delivery.send(self._actions.post_event(account, follower.openid, event, audible=False))
        return {"left": consents[key]}

    async def block(self, request: web.Request) -> Any:
        """The user refuses template messages, or takes them again."""
        given = await read(request, Block)
        follower = self._follower(given.account, given.openid)
        self._double.world.put(replace(follower, blocked=given.blocked))
        return {"blocked": given.blocked}

    # -------------------------------------------------------------- who

    def _account(self, name: str) -> Account:
        if account := self._double.accounts.get(name):
            return account
        raise refused(404, f"no account {name!r}")

    def _follower(self, account: str, openid: str) -> Follower:
        if follower := self._double.world.followers.get((account, openid)):
            return follower
        raise refused(404, "no such follower")

    def _watched(self, request: web.Request) -> Follower:
        return self._follower(request.query.get("account", ""), request.query.get("openid", ""))


async def _feed(response: web.StreamResponse, queue: asyncio.Queue[dict[str, Any] | None]) -> None:
    """Write what the queue brings until it brings None."""
    while True:
        try:
            event = await asyncio.wait_for(queue.get(), HEARTBEAT)
        except TimeoutError:
            await response.write(b": alive\n\n")
            continue
        if event is None:
            return
        await response.write(f"event: {event['event']}\ndata: {dumps(event)}\n\n".encode())


def as_json(handler: Handler) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        return web.json_response(await handler(request), dumps=dumps)

    return handle


async def read(request: web.Request, model: type[Model]) -> Model:
    """The JSON body as `model`. Raises HTTP 400 with the reasons."""
    try:
        return model.model_validate_json(await request.read())
    except ValidationError as error:
        raise refused(400, error.errors(include_url=False, include_context=False)) from None


def refused(status: int, why: object) -> web.HTTPException:
    kinds: dict[int, type[web.HTTPException]] = {
        400: web.HTTPBadRequest,
        404: web.HTTPNotFound,
        409: web.HTTPConflict,
    }
    return kinds[status](text=dumps({"error": why}), content_type="application/json")


def dumps(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
