"""The WeChat Official Account connector: the face that `bot/app.py` builds and calls."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime

import aiohttp
from aiohttp import web

from bot.clock import real_now
from bot.model import Account, Channel, Fault, Gateway, Media, MedrepError, Message, Receipt, Tokens
from bot.settings import WeChatAccount
from connectors.wechat import render
from connectors.wechat.client import TIMEOUT, Api
from connectors.wechat.media import UNKNOWN, Pictures
from connectors.wechat.webhook import Webhook

FIELD_LIMIT = 20  # characters in one field of a template message
CLIENT_MSG_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
PATH_NAME = re.compile(r"[0-9A-Za-z_-]+")


class WeChat:
    """One Official Account, served at `/wechat/NAME`.

    `now` is real time (signature freshness, time stamps), never the product clock. `media` keeps the
    platform's ids of pictures.
    """

    def __init__(
        self,
        account: Account,
        settings: WeChatAccount,
        gateway: Gateway,
        tokens: Tokens,
        http: aiohttp.ClientSession,
        *,
        media: Media | None = None,
        now: Callable[[], datetime] = real_now,
        timeout: aiohttp.ClientTimeout = TIMEOUT,
    ) -> None:
        if account.channel is not Channel.WECHAT or not PATH_NAME.fullmatch(account.name):
            raise MedrepError(Fault.CONFIGURATION, f"{account} cannot be a WeChat account's name")
        self.account = account
        self.api = Api(account, settings, tokens, http, timeout)
        self._settings = settings
        self._pictures = Pictures(account, self.api, media)
        self._webhook = Webhook(account, settings, gateway, now, self._pictures.id_of)

    def routes(self) -> list[web.RouteDef]:
        """GET (URL verification) and POST (messages) at `/wechat/NAME`."""
        path = f"/wechat/{self.account.name}"
        return [web.get(path, self._webhook.verify, allow_head=False), web.post(path, self._webhook.receive)]

    def passive_fits(self, message: Message) -> bool:
        """Whether a passive reply carries all of it; what does not fit is to be pushed."""
        return render.passive_fits(message)

    def split(self, message: Message, halved: int = 0) -> tuple[Message, ...]:
        """The message in parts that `send` takes, one platform message (and one of the 5) each.

        `halved`: how often the platform found that too long.
        """
        return render.split(message, render.LIMIT >> halved)

    async def ready(self) -> None:
        """Have the access token at hand. Raises MedrepError, never AMBIGUOUS: nothing is sent yet."""
        await self.api.ready()

    async def send(self, address: str, message: Message, *, key: str) -> Receipt:
        """Push one message by the customer-service API: a text, a menu when it has choices, or a picture.

        `key` is not used: this API has no idempotency key, so an AMBIGUOUS send must not be repeated.
        Raises MedrepError with a sending Fault; TOO_LONG when it needs `split` first.
        """
        if not render.fits(message):
            raise MedrepError(Fault.TOO_LONG, f"more than {render.LIMIT} bytes")
        ends, attachment = self.api.ends(), message.attachment
        media_id = await self._pictures.id_of(attachment) if attachment else ""
        body = render.body(address, message, media_id)
        try:
            await self.api.call("/cgi-bin/message/custom/send", body, ends=ends)
        except MedrepError as error:
            if attachment is None or error.code != UNKNOWN:
                raise
        else:
            return Receipt()
        await self._pictures.forget(attachment, media_id)
        raise MedrepError(Fault.TRANSIENT, "the platform forgot the picture; nothing was sent", code=UNKNOWN)

    def template_fields(self, template: str) -> frozenset[str] | None:
        """Our names of this template's fields; None: the account has no such template."""
        configured = self._settings.templates.get(template)
        return None if configured is None else frozenset(configured.fields)

    async def template(
        self, address: str, template: str, fields: Mapping[str, str], *, client_msg_id: str
    ) -> Receipt:
        """Send the template named `template` in the account's settings; `fields` by our own field names.

        WeChat drops a second send with the same `client_msg_id` to the same person within 10 minutes, so an
        AMBIGUOUS one may be repeated in that time. The outcome arrives later as a RECEIPT whose detail
        holds this `platform_id`. Raises MedrepError: CONFIGURATION, BAD_INPUT, or a sending Fault.
        """
        configured = self._settings.templates.get(template)
        if configured is None:
            raise MedrepError(Fault.CONFIGURATION, f"{self.account} has no template {template!r}")
        if set(fields) != set(configured.fields):
            raise MedrepError(Fault.BAD_INPUT, f"template {template!r} takes {sorted(configured.fields)}")
        if not CLIENT_MSG_ID.fullmatch(client_msg_id):
            raise MedrepError(Fault.BAD_INPUT, "client_msg_id is not up to 64 of [0-9A-Za-z_-]")
        for name, value in fields.items():
            _check_field(name, value)
        body = {
            "touser": address,
            "template_id": configured.id,
            "client_msg_id": client_msg_id,
            "data": {configured.fields[name]: {"value": value} for name, value in fields.items()},
        }
        answer = await self.api.call("/cgi-bin/message/template/send", body)
        return Receipt(platform_id=str(answer.get("msgid") or ""))


def _check_field(name: str, value: str) -> None:
    """The platform cuts or drops what breaks its rules, silently: so refuse it here."""
    if not value.strip() or len(value) > FIELD_LIMIT:
        raise MedrepError(Fault.BAD_INPUT, f"template field {name!r}: 1 to {FIELD_LIMIT} characters")
    if value.splitlines() != [value] or value != render.clean(value):
        raise MedrepError(Fault.BAD_INPUT, f"template field {name!r}: no line break, no control character")
