"""What the webhook makes of what is posted: tables over one real HTTP server."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.clock import real_now
from bot.model import InboundKind
from connectors.wechat import webhook
from tests.connectors.wechat import world
from tests.connectors.wechat.conftest import MODES, Site
from tests.connectors.wechat.world import OPENID, Gateways, counted, event, post, sign, text, xml

# ---------------------------------------------------------------- GET


@pytest.mark.parametrize("mode", MODES)
async def test_url_verification_echoes(site: Site, mode: str) -> None:
    query = {"timestamp": "1714036504", "nonce": "1514711492", "echostr": "<b>4375120948345356249</b>"}
    query["signature"] = sign(query["timestamp"], query["nonce"])
    async with site.http.get(site.url(mode), params=query) as response:
        assert (response.status, await response.text()) == (200, query["echostr"])
        assert response.content_type == "text/plain"
        assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("broken", ["signature", "timestamp", "nonce", "echostr"])
async def test_url_verification_needs_all(site: Site, broken: str) -> None:
    query = {"timestamp": "1714036504", "nonce": "1514711492", "echostr": "1"}
    query["signature"] = sign(query["timestamp"], query["nonce"])
    del query[broken]
    async with site.http.get(site.url("safe"), params=query) as response:
        assert response.status == 403


async def test_url_verification_refuses_a_wrong_signature(site: Site) -> None:
    query = {"timestamp": "1714036504", "nonce": "1514711492", "echostr": "1", "signature": "0" * 40}
    async with site.http.get(site.url("safe"), params=query) as response:
        assert response.status == 403
        assert "1" not in await response.text()


# ---------------------------------------------------------------- POST: what is understood


@dataclass
class Understood:
    label: str
    message: str
    kind: InboundKind
    text: str = ""
    choice: str = ""
    event: str = ""
    detail: dict[str, Any] = field(default_factory=dict)
    passive: bool = True


LONG = "二甲双胍能不能用？" * 11_112  # 100,008 characters

UNDERSTOOD = [
    Understood("text", text("你好"), InboundKind.TEXT, "你好"),
    Understood("spaces are kept", text("  你好 \n "), InboundKind.TEXT, "  你好 \n "),
    Understood("a slash is text", text("/restart"), InboundKind.TEXT, "/restart"),
    Understood("braces are text", text("{drug}{0} %s"), InboundKind.TEXT, "{drug}{0} %s"),
    Understood(
        "markup is text",
        text("X").replace("<![CDATA[X]]>", "a]]&gt;&lt;b&gt;"),
        InboundKind.TEXT,
        "a]]><b>",
    ),
    Understood("emoji", text("👩‍⚕️🈶"), InboundKind.TEXT, "👩‍⚕️🈶"),
    Understood("100,000 characters", text(LONG), InboundKind.TEXT, LONG),
    Understood("a control character", text("血压\x0b160\x00"), InboundKind.TEXT, "血压\ufffd160\ufffd"),
    Understood("empty text", text(""), InboundKind.TEXT, ""),
    Understood(
        "menu answer",
        text("肾功能不全", bizmsgmenuid="123401"),
        InboundKind.CHOICE,
        "肾功能不全",
        choice="123401",
    ),
    Understood("no menu answer", text("x", bizmsgmenuid=""), InboundKind.TEXT, "x"),
    Understood(
        "voice with words",
        xml(MsgType="voice", MsgId="82", MediaId="M", Format="amr", Recognition="二甲双胍怎么吃。"),
        InboundKind.TEXT,
        "二甲双胍怎么吃。",
        detail={"type": "voice", "media_id": "M", "format": "amr"},
    ),
    Understood(
        "voice without words",
        xml(MsgType="voice", MsgId="83", MediaId="M", Format="amr", Recognition=""),
        InboundKind.MEDIA,
        detail={"type": "voice", "media_id": "M", "format": "amr"},
    ),
    Understood(
        "picture",
        xml(MsgType="image", MsgId="84", MediaId="M", PicUrl="http://mmbiz.qpic.cn/x"),
        InboundKind.MEDIA,
        detail={"type": "image", "media_id": "M", "url": "http://mmbiz.qpic.cn/x"},
    ),
    Understood(
        "location",
        xml(MsgType="location", MsgId="85", Location_X="23.1", Location_Y="113.3", Scale="20", Label="广州"),
        InboundKind.MEDIA,
        detail={"type": "location", "latitude": "23.1", "longitude": "113.3", "scale": "20", "label": "广州"},
    ),
    Understood(
        "link",
        xml(MsgType="link", MsgId="86", Title="题", Description="述", Url="http://a.example"),
        InboundKind.MEDIA,
        detail={"type": "link", "title": "题", "description": "述", "url": "http://a.example"},
    ),
    Understood(
        "video",
        xml(MsgType="shortvideo", MsgId="87", MediaId="M", ThumbMediaId="T"),
        InboundKind.MEDIA,
        detail={"type": "shortvideo", "media_id": "M", "thumb_media_id": "T"},
    ),
    Understood(
        "file",
        xml(MsgType="file", MsgId="88", Title="化验单.pdf", Description="", FileKey="K"),
        InboundKind.MEDIA,
        detail={"type": "file", "title": "化验单.pdf", "file_key": "K"},
    ),
    Understood(
        "subscribed by a code",
        event("subscribe", EventKey="qrscene_7", Ticket="T"),
        InboundKind.EVENT,
        event="subscribe",
        detail={"key": "qrscene_7", "ticket": "T"},
    ),
    Understood(
        "unsubscribed",
        event("unsubscribe", EventKey=""),
        InboundKind.EVENT,
        event="unsubscribe",
        passive=False,
    ),
    Understood("scan", event("SCAN", EventKey="7"), InboundKind.EVENT, event="scan", detail={"key": "7"}),
    Understood(
        "click", event("CLICK", EventKey="MENU"), InboundKind.EVENT, event="click", detail={"key": "MENU"}
    ),
    Understood(
        "view",
        event("VIEW", EventKey="http://a.example"),
        InboundKind.EVENT,
        event="view",
        detail={"key": "http://a.example"},
    ),
    Understood("entered", event("user_enter_tempsession"), InboundKind.EVENT, event="user_enter_tempsession"),
    Understood(
        "scan with elements inside",
        event("scancode_waitmsg", EventKey="k").replace(
            "</xml>", "<ScanCodeInfo><ScanType>qrcode</ScanType></ScanCodeInfo></xml>"
        ),
        InboundKind.EVENT,
        event="scancode_waitmsg",
        detail={"key": "k"},
    ),
    Understood(
        "template arrived",
        event("TEMPLATESENDJOBFINISH", MsgID="200163836", Status="success"),
        InboundKind.RECEIPT,
        event="templatesendjobfinish",
        detail={"platform_id": "200163836", "status": "success", "delivered": True},
        passive=False,
    ),
    Understood(
        "template blocked",
        event("TEMPLATESENDJOBFINISH", MsgID="200163837", Status="failed:user block"),
        InboundKind.RECEIPT,
        event="templatesendjobfinish",
        detail={"platform_id": "200163837", "status": "failed:user block", "delivered": False},
        passive=False,
    ),
]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", UNDERSTOOD, ids=lambda case: case.label)
async def test_understood(site: Site, gateways: Gateways, mode: str, case: Understood) -> None:
    assert await site.message(mode, case.message) == (200, "success")
    inbound = gateways[mode].one
    assert (inbound.kind, inbound.text, inbound.choice, inbound.event) == (
        case.kind,
        case.text,
        case.choice,
        case.event,
    )
    assert inbound.detail == case.detail
    assert (inbound.account, inbound.address) == (world.account(mode), OPENID)
    created = re.search(r"<CreateTime><!\[CDATA\[(\d+)", case.message)
    assert created is not None
    assert inbound.sent_at.timestamp() == int(created[1])
    assert gateways[mode].passive == [case.passive]


@pytest.mark.parametrize(
    "created", ["0", "1000", "99999999999", "-5", "abc", "", None, "1" * 20, "１７００００００００"]
)
async def test_an_absurd_time_is_now(site: Site, gateways: Gateways, created: str | None) -> None:
    assert await site.message("safe", text("x", CreateTime=created)) == (200, "success")
    assert abs(gateways["safe"].one.sent_at - real_now()) < timedelta(minutes=1)


async def test_the_platforms_time_is_kept(site: Site, gateways: Gateways) -> None:
    await site.message("safe", text("x", CreateTime="1409735668"))
    assert gateways["safe"].one.sent_at == datetime.fromtimestamp(1409735668, UTC)


# ---------------------------------------------------------------- POST: acknowledged, nothing stored


@pytest.mark.parametrize(
    "message",
    [
        xml(MsgType="hologram", MsgId="1"),
        xml(MsgType="event", Event="debug_demo", debug_str="hello world"),
        xml(MsgType="event"),
        event("MASSSENDJOBFINISH", MsgID="1", Status="send success"),
        event("publishjobfinish").replace("</xml>", "<PublishEventInfo><a>0</a></PublishEventInfo></xml>"),
    ],
)
async def test_an_unknown_type_is_acknowledged_only(site: Site, gateways: Gateways, message: str) -> None:
    assert await site.message("safe", message) == (200, "success")
    assert gateways["safe"].accepted == 0


async def test_whoever_cannot_sign_does_not_fill_the_log(
    site: Site, gateways: Gateways, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """F29: each unsigned request wrote a line, with words of the caller in it."""
    caplog.set_level("DEBUG")
    before = counted("medrep_webhook_refused_total", account="wechat:safe", fault="malformed")
    monkeypatch.setattr(webhook, "LOG_EVERY_S", 0.0)
    good, word = post("safe", text("x")), "forged-line"
    bad = f"<xml><{word}>1</{word}><{word}>2</{word}></xml>".encode()
    assert (await site.send("safe", replace(good, body=bad)))[0] == 400
    monkeypatch.setattr(webhook, "LOG_EVERY_S", 60.0)
    caplog.clear()
    for _ in range(50):
        assert (await site.send("safe", replace(good, body=bad)))[0] == 400
        unsigned = replace(good, query={**good.query, "timestamp": word})
        assert (await site.send("safe", unsigned))[0] == 403
    records = [record.getMessage() for record in caplog.records if record.name.startswith("connectors")]
    assert len(records) <= 2
    assert word not in "\n".join(records)
    after = counted("medrep_webhook_refused_total", account="wechat:safe", fault="malformed")
    assert after == before + 51


# ---------------------------------------------------------------- POST: unreadable

BOMB = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><xml><Content>&c;</Content></xml>'
)
UNREADABLE: list[tuple[str, str | bytes]] = [
    ("nothing", b""),
    ("not XML", b"hello"),
    ("JSON", b'{"MsgType": "text"}'),
    ("cut off", text("x")[:-8]),
    ("binary", bytes(range(256))),
    ("another root", text("x").replace("xml>", "sml>")),
    ("nothing in it", "<xml/>"),
    ("a DTD", '<!DOCTYPE xml SYSTEM "http://127.0.0.1:9/x.dtd">' + text("x")),
    (
        "an external entity",
        '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><xml><Content>&e;</Content></xml>',
    ),
    ("an entity bomb", BOMB),
    ("an undeclared entity", text("x").replace("<![CDATA[x]]>", "&nbsp;")),
    ("a null by reference", text("x").replace("<![CDATA[x]]>", "&#0;")),
    ("half a surrogate by reference", text("x").replace("<![CDATA[x]]>", "&#xD800;")),
    ("Content nested", text("x").replace("<![CDATA[x]]>", "<Content>y</Content>")),
    ("FromUserName nested", text("x").replace(f"<![CDATA[{OPENID}]]>", "<a>o1</a>")),
    ("Content twice", text("x").replace("</xml>", "<Content>y</Content></xml>")),
    ("FromUserName twice", text("x").replace("</xml>", "<FromUserName>other</FromUserName></xml>")),
    ("MsgId not a number", text("x", "abc")),
    ("MsgId negative", text("x", "-1")),
    ("MsgId in other digits", text("x", "１２３")),
    ("MsgId endless", text("x", "9" * 5000)),
    ("MsgId missing", xml(MsgType="text", Content="x")),
    ("Content missing", xml(MsgType="text", MsgId="5")),
    ("MsgType missing", xml(Content="x", MsgId="5")),
    ("FromUserName missing", text("x", FromUserName=None)),
    ("FromUserName with markup", text("x", FromUserName="a<b")),
    ("ToUserName missing", text("x", ToUserName=None)),
    ("very deep", "<xml>" + "<a>" * 40_000 + "</a>" * 40_000 + "</xml>"),
]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("message", [case[1] for case in UNREADABLE], ids=[case[0] for case in UNREADABLE])
async def test_unreadable(site: Site, gateways: Gateways, mode: str, message: str | bytes) -> None:
    if mode == "plain":
        sent = post(mode, message)
    else:
        stamp = str(int(time.time()))
        sent = world.sealed(world.encrypt(message), {"timestamp": stamp, "nonce": "5"})
    assert (await site.send(mode, sent))[0] == 400
    assert gateways[mode].accepted == 0


@pytest.mark.parametrize(
    "declared",
    ['<?xml version="1.0" encoding="utf-16"?>', '<?xml version="1.0" encoding="x-none"?>', "\ufeff"],
)
async def test_utf_8_whatever_is_declared(site: Site, gateways: Gateways, declared: str) -> None:
    assert await site.message("plain", declared + text("血压")) == (200, "success")
    assert gateways["plain"].one.text == "血压"
