"""What a user does with their phone, as the platform reports it: the XML, the allowance, the chat."""

from __future__ import annotations

import secrets
from typing import Any, Literal

from sandbox.accounts import Account
from sandbox.calls import Double
from sandbox.delivery import Letter
from sandbox.faults import Strict
from sandbox.quota import Act
from sandbox.world import Follower

EVENT_LINES = {"subscribe": "你已关注该公众号", "unsubscribe": "你已取消关注该公众号"}


class Sent(Strict):
    """What a user does. `type` decides which of the others count; `wait` answers after the delivery.

    text; voice (`content`: the words recognised, or none); image; location (`content`: the place); menu (`id`
    of a line of a msgmenu, `content` only when no such line is in the chat); event (`event`, `event_key`; of
    a scan what the QR code says, `url`, in place of its key).
    """

    account: str
    openid: str
    type: Literal["text", "voice", "image", "location", "menu", "event"] = "text"
    content: str = ""
    id: str = ""
    event: Literal["", "subscribe", "unsubscribe", "CLICK", "VIEW", "SCAN"] = ""
    event_key: str = ""
    url: str = ""
    latitude: float = 30.0
    longitude: float = 110.0
    wait: bool = False


class UnfitError(Exception):
    """Nobody could do this on a phone; the text says why."""


class UserActions:
    def __init__(self, double: Double) -> None:
        self._double = double

    def perform(self, account: Account, follower: Follower, sent: Sent) -> Letter:
        """The letter to deliver; chat and allowance are brought up to date. Raises UnfitError."""
        if not follower.subscribed and sent.event not in ("subscribe", "SCAN"):
            raise UnfitError("not following")
        if sent.type == "event":
            return self._event(account, follower, sent)
        return self._message(account, follower, sent)

    def post_event(self, account: Account, openid: str, fields: dict[str, Any], *, audible: bool) -> Letter:
        xml = self._double.delivery.compose(account, openid, {"MsgType": "event", **fields})
        return Letter(account, openid, xml, audible=audible)

    # -------------------------------------------------------------- messages

    def _message(self, account: Account, follower: Follower, sent: Sent) -> Letter:
        world, openid = self._double.world, follower.openid
        text, card, fields = self._content(account, follower, sent)
        msg_id = world.next_msg_id()
        act = Act.CLICK if sent.type == "menu" else Act.MESSAGE
        self._double.ledger.grant(account.name, openid, act, world.now())
        world.last_act[account.name, openid] = world.now()
        kind = "text" if sent.type == "menu" else sent.type
        item = world.show(
            account.name, openid, "user", kind, text, card=card, msg_id=msg_id, delivery="sending"
        )
        xml = self._double.delivery.compose(account, openid, {**fields, "MsgId": int(msg_id)})
        return Letter(account, openid, xml, item.id, msg_id)

    def _content(
        self, account: Account, follower: Follower, sent: Sent
    ) -> tuple[str, dict[str, Any] | None, dict[str, Any]]:
        """(what the chat shows, its card, the fields of the XML)."""
        match sent.type:
            case "voice":
                fields = {"MsgType": "voice", "MediaId": secrets.token_urlsafe(48), "Format": "amr"}
                if sent.content:
                    fields["Recognition"] = sent.content
                return sent.content, None, fields
            case "image":
                # The platform's own address of the picture; nothing is served there.
                fields = {
                    "MsgType": "image",
                    "PicUrl": f"http://mmbiz.qpic.cn/sandbox/{secrets.token_hex(8)}/0",
                    "MediaId": secrets.token_urlsafe(48),
                }
                return "[图片]", None, fields
            case "location":
                label = sent.content or "示例市示例县"
                place = {
                    "Location_X": sent.latitude,
                    "Location_Y": sent.longitude,
                    "Scale": 15,
                    "Label": label,
                }
                return label, None, {"MsgType": "location", **place}
            case "menu" if not sent.id:
                raise UnfitError("id is missing")
            case "menu":
                content = sent.content or self._line(account, follower, sent.id)
                return content, None, {"MsgType": "text", "Content": content, "bizmsgmenuid": sent.id}
        if not sent.content:
            raise UnfitError("content is empty")
        return sent.content, None, {"MsgType": "text", "Content": sent.content}

    def _line(self, account: Account, follower: Follower, line_id: str) -> str:
        """The words of a line that a msgmenu in this chat offers, the latest first."""
        for item in reversed(self._double.world.chat(account.name, follower.openid)):
            for line in (item.menu or {}).get("items", []):
                if line["id"] == line_id:
                    return str(line["content"])
        raise UnfitError("no msgmenu in this chat has that line")

    # -------------------------------------------------------------- events

    def _scanned(self, account: Account, sent: Sent) -> dict[str, Any]:
        if not sent.url:
            return {"Ticket": secrets.token_urlsafe(48)}
        code = self._double.world.code(account.name, sent.url)
        if code is None:
            raise UnfitError("the QR code has expired, or is another account's")
        return {"EventKey": code.scene, "Ticket": code.ticket}

    def _event(self, account: Account, follower: Follower, sent: Sent) -> Letter:
        world, openid, event = self._double.world, follower.openid, sent.event
        if not event:
            raise UnfitError("event is missing")
        fields: dict[str, Any] = {"Event": event, "EventKey": sent.event_key}
        if event == "SCAN":
            fields |= self._scanned(account, sent)
            if not follower.subscribed:  # scanning somebody new in is a subscription
                fields |= {"Event": "subscribe", "EventKey": f"qrscene_{fields['EventKey']}"}
        if fields["Event"] == "unsubscribe":
            world.follow(follower, subscribed=False)
            self._double.ledger.close(account.name, openid)
        elif not follower.subscribed:
            world.follow(follower, subscribed=True)
        if fields["Event"] in ("subscribe", "SCAN", "CLICK"):
            self._double.ledger.grant(account.name, openid, Act.CLICK, world.now())
            world.last_act[account.name, openid] = world.now()
        item = world.show(account.name, openid, "system", "event", _event_line(fields))
        # After leaving, or on the way to a web page, nobody sees that the service failed.
        audible = fields["Event"] not in ("unsubscribe", "VIEW")
        xml = self._double.delivery.compose(account, openid, {"MsgType": "event", **fields})
        return Letter(account, openid, xml, item.id, audible=audible)


def _event_line(fields: dict[str, Any]) -> str:
    event = str(fields["Event"])
    names = {"CLICK": "点击菜单", "VIEW": "打开菜单链接", "SCAN": "扫描二维码"}
    return EVENT_LINES.get(event) or f"{names[event]}：{fields['EventKey']}"
