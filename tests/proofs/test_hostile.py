"""Forged and malformed posts to the running service: refused, nothing stored, memory flat, never a 5xx."""

from __future__ import annotations

import io
import secrets
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from sandbox.accounts import Account, read_accounts
from sandbox.envelope import seal, to_xml
from tests.phone import Phone
from tests.proofs.scene import Scene

NUMBERS = iter(range(90_000_000_000_000_000, 99_000_000_000_000_000))


@pytest.fixture
def home(whole: Scene) -> Scene:
    """Nothing here breaks anything, so nothing need come back."""
    return whole


@pytest.fixture(scope="module")
async def phone(whole: Scene) -> Phone:
    await whole.back()
    (one,) = await whole.doctors(1)
    await one.ask("谢谢")
    return one


def account(home: Scene) -> Account:
    return read_accounts(home.service.home / "sandbox.toml")["sandbox"]


def letter(home: Scene, phone: Phone, **fields: object) -> str:
    head = {
        "ToUserName": account(home).original_id,
        "FromUserName": phone.openid,
        "CreateTime": int(time.time()),
        "MsgType": "text",
        "Content": "二甲双胍怎么吃",
        "MsgId": next(NUMBERS),
    }
    return to_xml(head | fields)


def sealed(home: Scene, phone: Phone, xml: str = "") -> tuple[dict[str, str], bytes]:
    stamp, nonce = str(int(time.time())), secrets.token_hex(5)
    return seal(account(home), phone.openid, xml or letter(home, phone), timestamp=stamp, nonce=nonce)


async def post(home: Scene, query: dict[str, str], body: bytes) -> int:
    url = f"{home.service.url}/wechat/sandbox"
    async with home.http.post(url, params=query, data=io.BytesIO(body)) as answer:
        await answer.read()
        return int(answer.status)


async def stored(home: Scene) -> int:
    return int((await home.rows("SELECT count(*) FROM inbox"))[0][0])


def flipped(value: str) -> Iterator[str]:
    """The value with one bit of one character changed, at its start, middle and end."""
    for place in {0, 1, len(value) // 2, len(value) - 1}:
        for bit in (1, 2, 4):
            changed = chr(ord(value[place]) ^ bit)
            if changed.isprintable() and changed != value[place]:
                yield value[:place] + changed + value[place + 1 :]


async def test_one_bit_of_any_signed_field_is_enough_to_be_refused(home: Scene, phone: Phone) -> None:
    query, body = sealed(home, phone)
    before, tried = await stored(home), 0
    for name in ("msg_signature", "timestamp", "nonce"):
        for changed in flipped(query[name]):
            assert await post(home, {**query, name: changed}, body) == 403, (name, changed)
            tried += 1
        without = {key: value for key, value in query.items() if key != name}
        assert await post(home, without, body) == 403
    start, end = body.index(b"<Encrypt><![CDATA[") + 18, body.index(b"]]></Encrypt>")
    for changed in flipped(body[start:end].decode()):
        status = await post(home, query, body[:start] + changed.encode() + body[end:])
        assert status in (400, 403), status
        tried += 1
    assert tried > 25 and await stored(home) == before
    assert await post(home, query, body) == 200, "the untouched one is taken"
    assert await stored(home) == before + 1
    assert await post(home, query, body) == 200, "and replayed, it is acknowledged"
    assert await stored(home) == before + 1


async def test_an_unsigned_or_plain_post_is_refused(home: Scene, phone: Phone) -> None:
    before = await stored(home)
    query, body = sealed(home, phone)
    assert await post(home, {}, body) == 403
    assert await post(home, query, letter(home, phone).encode()) == 403
    assert await post(home, query, b"") in (400, 403)
    assert await stored(home) == before


BOMB = (
    '<!DOCTYPE xml [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{"".join([f"&{chr(97 + n)};"] * 10)}">' for n in range(8))
    + "]>"
)
MALFORMED: dict[str, Callable[[str], str]] = {
    "a bomb of entities": lambda xml: BOMB + xml.replace("二甲双胍怎么吃", "&i;"),
    "a DTD": lambda xml: '<!DOCTYPE xml SYSTEM "http://127.0.0.1:1/x">' + xml,
    "cut off": lambda xml: xml[: len(xml) // 2],
    "not XML": lambda xml: "你好",
    "nested Content": lambda xml: xml.replace("<Content>", "<Content><Content>").replace(
        "</Content>", "</Content></Content>"
    ),
    "Content twice": lambda xml: xml.replace("</xml>", "<Content>再来</Content></xml>"),
    "no MsgId": lambda xml: xml[: xml.index("<MsgId>")] + "</xml>",
    "a MsgId in words": lambda xml: xml[: xml.index("<MsgId>")] + "<MsgId>abc</MsgId></xml>",
    "an unknown type": lambda xml: xml.replace("text", "hologram"),
    "an unknown event": lambda xml: xml.replace("text", "event").replace("</xml>", "<Event>x</Event></xml>"),
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_what_is_signed_but_unreadable_is_never_a_5xx(home: Scene, phone: Phone, name: str) -> None:
    before = await stored(home)
    query, body = sealed(home, phone, MALFORMED[name](letter(home, phone)))
    assert await post(home, query, body) in (200, 400, 413)
    assert await stored(home) == before


async def test_ten_megabytes_are_refused_and_memory_stays_flat(home: Scene, phone: Phone) -> None:
    before, memory = await stored(home), used(home)
    query, body = sealed(home, phone)
    for _ in range(10):
        assert await post(home, query, body + b" " * 10_000_000) == 413
    xml = letter(home, phone, Content="药" * 3_000_000)
    assert await post(home, *sealed(home, phone, xml)) == 413
    assert await stored(home) == before
    assert used(home) - memory < 80_000_000


def used(home: Scene) -> int:
    return sum(psutil.Process(pid).memory_info().rss for pid in home.apps())


async def test_a_hundred_thousand_characters_are_text_like_any_other(home: Scene, phone: Phone) -> None:
    reply = await phone.ask("二甲双胍肾功能不全能用吗" + "好" * 100_000, seconds=40)
    assert reply
    assert "来源" in await phone.ask("氨氯地平漏服了怎么办"), "and the conversation is whole after it"
