"""From the fields of an authentic WeChat message to an `Inbound`.

Our own table and not wechatpy's message classes: they give every event the id 0, raise on a MsgId that is no
number, and know several events only as `UnknownMessage`.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.model import Account, Fault, Inbound, InboundKind, MedrepError

NAME = re.compile(r"[A-Za-z0-9_@.-]{1,64}")  # openids and gh_ ids; safe to write back into XML
NUMBER = re.compile(r"[0-9]{1,20}")

FIRST_DAY = datetime(2011, 1, 21, tzinfo=UTC)  # WeChat's own: no message is older
SKEW = timedelta(minutes=10)

# Field -> name in `Inbound.detail`, per message type.
MEDIA = {
    "image": {"MediaId": "media_id", "PicUrl": "url"},
    "voice": {"MediaId": "media_id", "Format": "format"},
    "video": {"MediaId": "media_id", "ThumbMediaId": "thumb_media_id"},
    "shortvideo": {"MediaId": "media_id", "ThumbMediaId": "thumb_media_id"},
    "location": {"Location_X": "latitude", "Location_Y": "longitude", "Scale": "scale", "Label": "label"},
    "link": {"Title": "title", "Description": "description", "Url": "url"},
    "file": {"Title": "title", "Description": "description", "FileKey": "file_key"},
    "miniprogrampage": {"Title": "title", "AppId": "app_id", "PagePath": "page_path"},
}

# Events about one person; those about the account itself (mass sends, reviews) are not ours to act on.
EVENTS = frozenset(
    {
        "subscribe",
        "unsubscribe",
        "scan",
        "click",
        "view",
        "view_miniprogram",
        "location",
        "location_select",
        "scancode_push",
        "scancode_waitmsg",
        "pic_sysphoto",
        "pic_photo_or_album",
        "pic_weixin",
        "user_enter_tempsession",
        "subscribe_msg_popup_event",
        "subscribe_msg_change_event",
    }
)
EVENT_DETAIL = {
    "EventKey": "key",
    "Ticket": "ticket",
    "Latitude": "latitude",
    "Longitude": "longitude",
    "Precision": "precision",
}

TEMPLATE_REPORT = "templatesendjobfinish"


def parse(fields: dict[str, str], account: Account, now: datetime) -> Inbound | None:
    """The message; None for a type or event we do not know. Raises MedrepError(MALFORMED).

    Text is kept exactly as it was written. `now` is real time: it stands in for an absurd CreateTime.
    """
    for name in ("FromUserName", "ToUserName"):
        if not NAME.fullmatch(fields.get(name, "")):
            raise MedrepError(Fault.MALFORMED, f"{name} is missing or not an id")
    kind = fields.get("MsgType", "").lower()
    if not kind:
        raise MedrepError(Fault.MALFORMED, "MsgType is missing")
    if kind == "event":
        return _event(fields, account, now)
    if kind != "text" and kind not in MEDIA:
        return None
    if not NUMBER.fullmatch(fields.get("MsgId", "")):
        raise MedrepError(Fault.MALFORMED, "MsgId is missing or not a number")
    return _text(fields, account, now) if kind == "text" else _media(kind, fields, account, now)


def _text(fields: dict[str, str], account: Account, now: datetime) -> Inbound:
    if "Content" not in fields:
        raise MedrepError(Fault.MALFORMED, "Content is missing")
    picked = fields.get("bizmsgmenuid", "")  # the answer to a msgmenu is a text message with this beside it
    return Inbound(
        account=account,
        address=fields["FromUserName"],
        key=f"m:{fields['MsgId']}",
        kind=InboundKind.CHOICE if picked else InboundKind.TEXT,
        sent_at=_sent_at(fields, now),
        text=fields["Content"],
        choice=picked,
    )


def _media(kind: str, fields: dict[str, str], account: Account, now: datetime) -> Inbound:
    words = fields.get("Recognition", "") if kind == "voice" else ""
    detail = {name: fields[field] for field, name in MEDIA[kind].items() if fields.get(field)}
    return Inbound(
        account=account,
        address=fields["FromUserName"],
        key=f"m:{fields['MsgId']}",
        kind=InboundKind.TEXT if words.strip() else InboundKind.MEDIA,
        sent_at=_sent_at(fields, now),
        text=words,
        detail={"type": kind, **detail},
    )


def _event(fields: dict[str, str], account: Account, now: datetime) -> Inbound | None:
    event = fields.get("Event", "").lower()
    if event != TEMPLATE_REPORT and event not in EVENTS:
        return None
    detail: dict[str, Any]
    if event == TEMPLATE_REPORT:
        kind = InboundKind.RECEIPT
        # "success", "failed:user block", "failed: system failed"
        status = fields.get("Status", "")
        detail = {"platform_id": _report_id(fields), "status": status, "delivered": status == "success"}
    else:
        kind = InboundKind.EVENT
        detail = {name: fields[field] for field, name in EVENT_DETAIL.items() if fields.get(field)}
    return Inbound(
        account=account,
        address=fields["FromUserName"],
        key=_event_key(fields),
        kind=kind,
        sent_at=_sent_at(fields, now),
        event=event,
        detail=detail,
    )


def _report_id(fields: dict[str, str]) -> str:
    return fields.get("MsgID") or fields.get("MsgId") or ""


def _event_key(fields: dict[str, str]) -> str:
    """What stands for an event's id; hashed, since the key is stored in clear and the openid must not be.

    The report id is part of it: two templates to one person in one second would otherwise look like one.
    """
    parts = [fields.get(name, "") for name in ("FromUserName", "CreateTime", "Event", "EventKey")]
    return "e:" + hashlib.sha256("\0".join([*parts, _report_id(fields)]).encode()).hexdigest()


def _sent_at(fields: dict[str, str], now: datetime) -> datetime:
    created = fields.get("CreateTime", "")
    plausible = (
        NUMBER.fullmatch(created) and FIRST_DAY.timestamp() <= int(created) <= (now + SKEW).timestamp()
    )
    return datetime.fromtimestamp(int(created), UTC) if plausible else now
