"""Messages on the wire: user messages as the platform posts them, and the passive reply read back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from sandbox.accounts import Account
from sandbox.crypto import WireError, decrypt, encrypt, signature, signed_by

TEXT_BYTES = 2048  # the longest text the platform carries, in UTF-8 bytes
PASSIVE_KINDS = frozenset({"text", "image", "voice", "video", "music", "news", "transfer_customer_service"})

# What XML 1.0 cannot hold at all; a phone may still send it.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_xml(fields: Mapping[str, Any], tag: str = "xml") -> str:
    """Fields as the platform writes them: text in CDATA, numbers bare, mappings and lists nested."""
    parts = []
    for name, value in fields.items():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, Mapping):
                parts.append(to_xml(each, name))
            elif isinstance(each, int | float):
                parts.append(f"<{name}>{each}</{name}>")
            else:
                text = _NOT_XML.sub("", str(each)).replace("]]>", "]]]]><![CDATA[>")
                parts.append(f"<{name}><![CDATA[{text}]]></{name}>")
    return f"<{tag}>{''.join(parts)}</{tag}>"


def seal(
    account: Account, openid: str, xml: str, *, timestamp: str, nonce: str
) -> tuple[dict[str, str], bytes]:
    """The query and the body of one POST to the gateway, signed and in the account's mode encrypted."""
    query = {
        "signature": signature(account.token, timestamp, nonce),
        "timestamp": timestamp,
        "nonce": nonce,
        "openid": openid,
    }
    if account.mode == "plain":
        return query, xml.encode()
    encrypted = encrypt(account.encoding_aes_key, xml.encode(), account.app_id)
    query["encrypt_type"] = "aes"
    query["msg_signature"] = signature(account.token, timestamp, nonce, encrypted)
    sealed = f"<Encrypt><![CDATA[{encrypted}]]></Encrypt>"
    if account.mode == "compatible":  # clear fields and Encrypt side by side
        return query, (xml.removesuffix("</xml>") + sealed + "</xml>").encode()
    return query, f"<xml><ToUserName><![CDATA[{account.original_id}]]></ToUserName>{sealed}</xml>".encode()


@dataclass(frozen=True, slots=True)
class Article:
    title: str
    description: str
    url: str
    picture: str


@dataclass(frozen=True, slots=True)
class Passive:
    """A passive reply as the phone would show it; `clear` is its XML after decryption."""

    kind: str
    text: str
    articles: tuple[Article, ...]
    clear: str
    media_id: str = ""


def open_passive(account: Account, openid: str, body: bytes) -> Passive:
    """Read the gateway's answer as the platform does. Raises WireError with the platform's objection."""
    root = _parse(body)
    encrypted = _text(root, "Encrypt")
    if account.mode == "safe" and not encrypted:
        raise WireError("a reply in safe mode must be encrypted")
    if account.mode == "plain" and encrypted:
        raise WireError("a reply in plain mode must not be encrypted")
    if encrypted:
        parts = (_text(root, "TimeStamp"), _text(root, "Nonce"), encrypted)
        if not all(parts) or not signed_by(_text(root, "MsgSignature"), account.token, *parts):
            raise WireError("MsgSignature does not match")
        body = decrypt(account.encoding_aes_key, encrypted, account.app_id)
        root = _parse(body)
    if _text(root, "ToUserName") != openid or _text(root, "FromUserName") != account.original_id:
        raise WireError("ToUserName and FromUserName must be the sender and the account")
    if not _text(root, "CreateTime").isdecimal():
        raise WireError("CreateTime must be a number")
    kind = _text(root, "MsgType")
    if kind not in PASSIVE_KINDS:
        raise WireError(f"a passive reply cannot be of type {kind[:40]!r}")
    text = _text(root, "Content")
    if kind == "text" and not text:
        raise WireError("Content is empty")
    if len(text.encode()) > TEXT_BYTES:
        raise WireError(f"Content is longer than {TEXT_BYTES} bytes")
    articles = tuple(
        Article(_text(item, "Title"), _text(item, "Description"), _text(item, "Url"), _text(item, "PicUrl"))
        for item in root.iterfind("Articles/item")
    )
    if kind == "news" and len(articles) != 1:
        raise WireError("news must hold exactly one article")
    media_id = root.findtext("Image/MediaId") or ""
    if kind == "image" and not media_id:
        raise WireError("an image must have a MediaId")
    return Passive(kind, text, articles, body.decode("utf-8", "replace"), media_id)


def _parse(body: bytes) -> Element:
    try:
        root: Element = fromstring(body, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise WireError(f"not the XML of a reply: {type(error).__name__}") from None
    if root.tag != "xml":
        raise WireError("the root element must be <xml>")
    return root


def _text(root: Element, name: str) -> str:
    return root.findtext(name) or ""
