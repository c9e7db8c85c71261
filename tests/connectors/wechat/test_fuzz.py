"""Whatever is posted, the webhook answers below 500 and stores nothing that is not authentic."""

from __future__ import annotations

import time
from urllib.parse import quote_from_bytes

from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from yarl import URL

from tests.connectors.wechat import world
from tests.connectors.wechat.conftest import MODES, Site
from tests.connectors.wechat.world import Post, post, sign, text

bounded = hypothesis_settings(
    max_examples=120,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

modes = st.sampled_from(MODES)
NAMES = ["signature", "msg_signature", "timestamp", "nonce", "echostr", "encrypt_type", "openid", "x"]
pairs = st.lists(st.tuples(st.sampled_from(NAMES), st.binary(max_size=40)), max_size=8)

PARTS = [
    "<xml>",
    "</xml>",
    "<Content>",
    "</Content>",
    "<![CDATA[",
    "]]>",
    "<MsgType>",
    "text",
    "event",
    "</MsgType>",
    "<Event>",
    "</Event>",
    "<MsgId>",
    "1",
    "</MsgId>",
    "<FromUserName>",
    "o1",
    "</FromUserName>",
    "<!DOCTYPE x [",
    "<!ENTITY a 'b'>",
    "&a;",
    "<!--",
    "-->",
    "<?x",
    "?>",
    "<a",
    " b='",
    "'>",
    "\0",
    "药",
    "\ud7ff",
    "<Encrypt>",
]
markup = st.lists(st.sampled_from(PARTS), max_size=30).map("".join)
FIELDS = [
    "MsgType",
    "Event",
    "MsgId",
    "CreateTime",
    "Content",
    "bizmsgmenuid",
    "Recognition",
    "EventKey",
    "MsgID",
]
VALUES = [
    "text",
    "event",
    "voice",
    "link",
    "subscribe",
    "TEMPLATESENDJOBFINISH",
    "",
    "0",
    "-1",
    "9" * 30,
    "½",
    "x",
]
message = st.dictionaries(st.sampled_from(FIELDS), st.sampled_from(VALUES)).map(lambda f: world.xml(**f))


@bounded
@given(mode=modes, pairs=pairs, body=st.binary(max_size=600), method=st.sampled_from(["GET", "POST"]))
async def test_any_request(
    site: Site, mode: str, pairs: list[tuple[str, bytes]], body: bytes, method: str
) -> None:
    before = site.gateways[mode].accepted
    query = "&".join(f"{name}={quote_from_bytes(value)}" for name, value in pairs)
    url = URL(f"{site.url(mode)}?{query}", encoded=True)
    async with site.http.request(method, url, data=body if method == "POST" else None) as response:
        assert response.status in (400, 403)
    assert site.gateways[mode].accepted == before


@bounded
@given(mode=modes, body=st.one_of(markup, message, st.text(max_size=100).map(text)))
async def test_any_authentic_message(site: Site, mode: str, body: str) -> None:
    status, answer = await site.message(mode, body.encode("utf-8", "replace"))
    assert status == 400 or (status, answer) == (200, "success")


@bounded
@given(plain=st.binary(max_size=200), whole=st.booleans())
async def test_any_ciphertext_that_is_signed(site: Site, plain: bytes, whole: bool) -> None:
    data = world.pad(plain) if whole else plain + b"\0" * (-len(plain) % 32)
    encrypted = world.encrypt_raw(data)
    sent = world.sealed(encrypted, {"timestamp": str(int(time.time())), "nonce": "5"})
    assert (await site.send("safe", sent))[0] in (400, 403)


@bounded
@given(encrypted=st.text(max_size=80), stamp=st.text(max_size=12), nonce=st.text(max_size=12))
async def test_any_signed_fields(site: Site, encrypted: str, stamp: str, nonce: str) -> None:
    clean = encrypted.replace("]]>", "").encode("utf-8", "ignore").decode()
    body = f"<xml><Encrypt><![CDATA[{clean}]]></Encrypt></xml>"
    query = {"timestamp": stamp, "nonce": nonce, "msg_signature": sign(stamp, nonce, clean)}
    assert (await site.send("safe", Post(query, body.encode())))[0] in (400, 403)


@bounded
@given(cut=st.integers(0, 700), insert=st.binary(max_size=6))
async def test_an_authentic_message_cut_into(site: Site, cut: int, insert: bytes) -> None:
    whole = text("二甲双胍肾功能不全能用吗").encode()
    status, _ = await site.send("plain", post("plain", whole[:cut] + insert + whole[cut + len(insert) :]))
    assert status in (200, 400)
