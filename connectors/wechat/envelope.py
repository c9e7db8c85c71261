"""The XML around a message: what came in as flat fields, what goes out as a sealed reply.

In: `<xml><Name>value</Name>...</xml>`. Read with defusedxml; a DTD, an entity, a field given twice or a
field with elements inside is refused, because two readers could then see two different messages.
"""

from __future__ import annotations

import re
import secrets
from datetime import datetime
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring
from wechatpy.replies import ImageReply, TextReply

from bot.model import Fault, MedrepError
from connectors.wechat.crypto import Crypto

# What XML 1.0 cannot hold. WeChat puts what a person pasted into CDATA as it is.
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# Elements of real events that hold elements. We read nothing in them.
CONTAINERS = frozenset(
    {
        "ScanCodeInfo",
        "SendPicsInfo",
        "SendLocationInfo",
        "SubscribeMsgPopupEvent",
        "SubscribeMsgChangeEvent",
        "SubscribeMsgSentEvent",
        "CopyrightCheckResult",
        "ArticleUrlResult",
        "PublishEventInfo",
    }
)


def read(body: bytes) -> dict[str, str]:
    """The fields of a message or of its envelope. Raises MedrepError(MALFORMED).

    A character XML cannot hold becomes U+FFFD: a doctor's text with a stray control character in it is still
    the doctor's text, and refusing it would lose it.
    """
    text = NOT_XML.sub("\ufffd", body.decode("utf-8", "replace"))
    try:
        # A str, so that a declared encoding is ignored: WeChat writes UTF-8 only.
        root = fromstring(text, forbid_dtd=True)
    except DefusedXmlException:
        raise MedrepError(Fault.MALFORMED, "a DTD or an entity") from None
    except (ParseError, ValueError, LookupError, RecursionError):
        raise MedrepError(Fault.MALFORMED, "not XML") from None
    if root.tag != "xml":
        raise MedrepError(Fault.MALFORMED, "the root is not <xml>")
    return _fields(root)


def _fields(root: Element) -> dict[str, str]:
    fields: dict[str, str] = {}
    for child in root:
        if child.tag in fields:
            raise MedrepError(Fault.MALFORMED, f"{child.tag[:40]!r} is given twice")
        if len(child) and child.tag not in CONTAINERS:
            raise MedrepError(Fault.MALFORMED, f"{child.tag[:40]!r} holds elements")
        fields[child.tag] = child.text or ""
    return fields


def cdata(text: str) -> str:
    """The text so that it can stand inside one CDATA section; wechatpy does not escape."""
    return NOT_XML.sub("", text).replace("]]>", "]]]]><![CDATA[>")


def reply(fields: dict[str, str], text: str, now: datetime) -> str:
    """A passive text reply to the message `fields`, as XML in the clear."""
    answer = TextReply(
        source=cdata(fields["ToUserName"]),
        target=cdata(fields["FromUserName"]),
        content=cdata(text),
        time=int(now.timestamp()),
    )
    return str(answer.render())


def picture(fields: dict[str, str], media_id: str, now: datetime) -> str:
    """A passive picture as the reply to the message `fields`, as XML in the clear."""
    answer = ImageReply(
        source=cdata(fields["ToUserName"]),
        target=cdata(fields["FromUserName"]),
        media_id=cdata(media_id),
        time=int(now.timestamp()),
    )
    return str(answer.render())


def seal(crypto: Crypto, xml: str, now: datetime) -> str:
    """The reply encrypted, with a time stamp, a nonce and a signature of its own."""
    encrypted = crypto.encrypt(xml)
    stamp, nonce = str(int(now.timestamp())), secrets.token_hex(8)
    return (
        f"<xml><Encrypt><![CDATA[{encrypted}]]></Encrypt>"
        f"<MsgSignature><![CDATA[{crypto.signature(stamp, nonce, encrypted)}]]></MsgSignature>"
        f"<TimeStamp>{stamp}</TimeStamp><Nonce><![CDATA[{nonce}]]></Nonce></xml>"
    )
