"""Template messages and subscription notices: cards that leave outside the 48 hours."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from aiohttp import web

from sandbox.account_api import OK
from sandbox.calls import Answer, Call, Calls, Double, RefusedError, follower_of
from sandbox.delivery import Letter
from sandbox.demo import DemoTemplate

FIELD_CHARACTERS = 20
DEDUPE_SECONDS = 600
FINISH_SECONDS = 0.2  # how long the platform takes before it reports the outcome
DROPPED = frozenset({"first", "remark"})  # since 2023-05-04 the platform removes them

# Pictographs, dingbats, regional indicators, joiners and variation selectors.
_EMOJI = re.compile("[\u200d\u2600-\u27bf\ufe0e\ufe0f\U0001f000-\U0001faff\U000e0000-\U000e007f]")


class Notices:
    def __init__(self, double: Double) -> None:
        self._double = double
        self._sent: dict[tuple[str, str, str], tuple[float, str]] = {}  # client_msg_id -> when, msgid
        self._tasks: set[asyncio.Task[None]] = set()

    def routes(self, calls: Calls, base: str) -> list[web.RouteDef]:
        apis = {"message/template/send": self.send, "message/subscribe/bizsend": self.bizsend}
        return [
            web.route("*", f"{base}/cgi-bin/{api}", calls.route(api, calls.with_token(handler)))
            for api, handler in apis.items()
        ]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._sent.clear()

    async def send(self, call: Call) -> Answer:
        follower, world = follower_of(self._double, call), self._double.world
        template = _template(call)
        rows = _rows(template, call.body.get("data"))
        client_id = call.body.get("client_msg_id")
        if client_id is not None and not (isinstance(client_id, str) and client_id):
            raise RefusedError(47003, "client_msg_id")
        sent_key = (call.account.name, follower.openid, client_id or "")
        when, msg_id = self._sent.get(sent_key, (0.0, ""))
        if client_id and world.now() - when < DEDUPE_SECONDS and when:
            return {**OK, "msgid": int(msg_id)}
        msg_id = world.next_msg_id()
        if client_id:
            self._sent[sent_key] = (world.now(), msg_id)
        status = self._double.faults.template_status or (
            "failed:user block" if follower.blocked else "success"
        )
        if status == "success":
            self._show(call, follower.openid, template, rows, "template", msg_id)
        event = {"Event": "TEMPLATESENDJOBFINISH", "MsgID": int(msg_id), "Status": status}
        if self._double.faults.template_early:
            await self._double.delivery.send(self._report_letter(call, follower.openid, event))
        else:
            self._report(call, follower.openid, event)
        return {**OK, "msgid": int(msg_id)}

    async def bizsend(self, call: Call) -> Answer:
        """One agreement of the user, one send."""
        follower, world = follower_of(self._double, call), self._double.world
        template = _template(call)
        rows = _rows(template, call.body.get("data"))
        key = (call.account.name, follower.openid, template.id)
        if not world.consents.get(key):
            raise RefusedError(43101)
        world.consents[key] -= 1
        msg_id = world.next_msg_id()
        self._show(call, follower.openid, template, rows, "subscription", msg_id)
        sent = {"TemplateId": template.id, "MsgID": msg_id, "ErrorCode": "0", "ErrorStatus": "success"}
        event = {"Event": "subscribe_msg_sent_event", "SubscribeMsgSentEvent": {"List": sent}}
        self._report(call, follower.openid, event)
        return OK

    def _show(
        self,
        call: Call,
        openid: str,
        template: DemoTemplate,
        rows: list[tuple[str, str]],
        via: str,
        msg_id: str,
    ) -> None:
        url = call.body.get("url") or call.body.get("page")
        card = {
            "title": template.title,
            "rows": [{"label": label, "value": value} for label, value in rows],
            "url": url if isinstance(url, str) else "",
        }
        item = self._double.world.show(
            call.account.name,
            openid,
            "account",
            "template",
            template.title,
            via=via,
            card=card,
            msg_id=msg_id,
        )
        call.showed(item)

    def _report(self, call: Call, openid: str, event: dict[str, Any]) -> None:
        """Post the outcome to the gateway, a moment later."""

        async def later() -> None:
            await asyncio.sleep(FINISH_SECONDS)
            self._double.delivery.send(self._report_letter(call, openid, event))

        task = asyncio.create_task(later())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _report_letter(self, call: Call, openid: str, event: dict[str, Any]) -> Letter:
        xml = self._double.delivery.compose(call.account, openid, {"MsgType": "event", **event})
        return Letter(call.account, openid, xml, audible=False)


def _template(call: Call) -> DemoTemplate:
    template = call.account.template(str(call.body.get("template_id") or ""))
    if template is None:
        raise RefusedError(40037)
    return template


def _rows(template: DemoTemplate, data: object) -> list[tuple[str, str]]:
    """(label, value) of each keyword of the template. Raises RefusedError (47001, 47003)."""
    if not isinstance(data, dict):
        raise RefusedError(47001)
    rows = []
    for name, label in template.fields.items():
        if name in DROPPED:
            continue
        given = data.get(name)
        value = given.get("value") if isinstance(given, dict) else None
        if not isinstance(value, str | int | float) or not str(value).strip():
            raise RefusedError(47003, f"data.{name}.value is empty")
        text = str(value)
        if len(text) > FIELD_CHARACTERS or "\n" in text or "\r" in text or _EMOJI.search(text):
            raise RefusedError(47003, f"data.{name}.value invalid")
        rows.append((label, text))
    return rows
