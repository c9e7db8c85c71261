"""Who is believed: forged, altered, downgraded, packed, oversized and broken requests store nothing."""

from __future__ import annotations

import asyncio
import gzip
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from urllib.parse import urlencode

import pytest
from yarl import URL

from connectors.wechat import webhook
from tests.connectors.wechat import world
from tests.connectors.wechat.conftest import MODES, Site
from tests.connectors.wechat.world import Gateways, Post, post, sign, text

SIGNED = {
    "plain": ("signature", "timestamp", "nonce"),
    "compatible": ("msg_signature", "timestamp", "nonce"),
    "safe": ("msg_signature", "timestamp", "nonce"),
}


def flips(value: str) -> Iterator[str]:
    """The value with one bit of one character flipped: every character, a low and a high bit."""
    for at, char in enumerate(value):
        for bit in (1, 4):
            yield value[:at] + chr(ord(char) ^ bit) + value[at + 1 :]


@pytest.mark.parametrize(("mode", "name"), [(mode, name) for mode in MODES for name in SIGNED[mode]])
async def test_a_flipped_bit_is_forged(site: Site, gateways: Gateways, mode: str, name: str) -> None:
    good = post(mode, text("x"))
    for value in flips(good.query[name]):
        assert (await site.send(mode, replace(good, query={**good.query, name: value})))[0] == 403
    assert gateways[mode].accepted == 0
    assert (await site.send(mode, good))[0] == 200


@pytest.mark.parametrize("mode", ["compatible", "safe"])
async def test_a_flipped_bit_in_the_ciphertext_is_forged(site: Site, gateways: Gateways, mode: str) -> None:
    encrypted = world.encrypt(text("一条短消息"))
    good = world.sealed(encrypted, {"timestamp": str(int(time.time())), "nonce": "5"})
    for value in list(flips(encrypted))[::7]:
        body = good.body.replace(encrypted.encode(), value.encode())
        # A flip may yield `<` or `]` and break the envelope: unreadable then, and as little stored.
        assert (await site.send(mode, replace(good, body=body)))[0] in (400, 403)
    assert gateways[mode].accepted == 0


def without(*names: str) -> Callable[[Post], Post]:
    return lambda good: replace(good, query={k: v for k, v in good.query.items() if k not in names})


def with_query(**query: str) -> Callable[[Post], Post]:
    return lambda good: replace(good, query={**good.query, **query})


def body_of(body: str) -> Callable[[Post], Post]:
    return lambda good: replace(good, body=body.encode())


DOWNGRADES: list[tuple[str, Callable[[Post], Post], int]] = [
    ("no msg_signature", without("msg_signature"), 403),
    ("no msg_signature, plain body", lambda _: post("plain", text("x")), 403),
    ("empty msg_signature", with_query(msg_signature=""), 403),
    (
        "the plain signature as msg_signature",
        lambda p: with_query(msg_signature=p.query["signature"])(p),
        403,
    ),
    ("encrypt_type raw", lambda p: with_query(encrypt_type="raw")(without("msg_signature")(p)), 403),
    ("no Encrypt, clear fields", body_of(text("x")), 403),
    ("empty Encrypt", body_of("<xml><Encrypt></Encrypt></xml>"), 403),
    (
        "empty Encrypt, signed as if empty were covered",
        lambda p: replace(
            with_query(msg_signature=p.query["signature"])(p),
            body=text("x").replace("</xml>", "<Encrypt></Encrypt></xml>").encode(),
        ),
        403,
    ),
    (
        "Encrypt twice",
        lambda p: replace(p, body=p.body.replace(b"</xml>", b"<Encrypt>x</Encrypt></xml>")),
        400,
    ),
    ("Encrypt nested", lambda p: replace(p, body=p.body.replace(b"<Encrypt>", b"<Encrypt><a/>")), 400),
    ("no timestamp", without("timestamp"), 403),
    ("no nonce", without("nonce"), 403),
    ("nothing in the query", lambda p: replace(p, query={}), 403),
]


@pytest.mark.parametrize("mode", ["compatible", "safe"])
@pytest.mark.parametrize(
    ("change", "status"), [case[1:] for case in DOWNGRADES], ids=[case[0] for case in DOWNGRADES]
)
async def test_no_downgrade(
    site: Site, gateways: Gateways, mode: str, change: Callable[[Post], Post], status: int
) -> None:
    assert (await site.send(mode, change(post(mode, text("x")))))[0] == status
    assert gateways[mode].accepted == 0


async def test_an_encrypted_post_to_a_plain_account_is_refused(site: Site, gateways: Gateways) -> None:
    assert (await site.send("plain", post("safe", text("x"))))[0] == 400
    assert gateways["plain"].accepted == 0


async def test_compatible_mode_believes_only_what_was_encrypted(site: Site, gateways: Gateways) -> None:
    good = post("compatible", text("真的", "101"))
    lie = good.body.replace("真的".encode(), "假的".encode()).replace(b"[101]", b"[999]")
    lie = lie.replace(world.OPENID.encode(), b"somebody-else")
    assert lie != good.body
    assert await site.send("compatible", replace(good, body=lie)) == (200, "success")
    inbound = gateways["compatible"].one
    assert (inbound.text, inbound.key, inbound.address) == ("真的", "m:101", world.OPENID)


@pytest.mark.parametrize(
    ("encrypted", "status"),
    [
        (world.encrypt(text("x"), app_id="wxother"), 403),
        (world.encrypt_raw(world.frame(text("x"))[:128]), 400),
        (world.encrypt_raw(b"a" * 60 + b"\1\2\3\4"), 400),
        ("AAAA", 400),
        ("密文", 400),
        (world.encrypt(b"\xff\xfe\xfd"), 400),
        (world.encrypt(b""), 400),
    ],
)
async def test_well_signed_and_still_bad(site: Site, gateways: Gateways, encrypted: str, status: int) -> None:
    sent = world.sealed(encrypted, {"timestamp": str(int(time.time())), "nonce": "5"})
    assert (await site.send("safe", sent))[0] == status
    assert gateways["safe"].accepted == 0


@pytest.mark.parametrize("name", ["signature", "msg_signature", "timestamp", "nonce", "openid"])
async def test_a_parameter_given_twice_is_refused(site: Site, gateways: Gateways, name: str) -> None:
    good = post("safe", text("x"))
    pairs = [*good.query.items(), (name, good.query[name])]
    async with site.http.post(
        URL(site.url("safe") + "?" + urlencode(pairs), encoded=True), data=good.body
    ) as response:
        assert response.status == 403
    assert gateways["safe"].accepted == 0


async def test_digits_cannot_move_from_the_nonce_to_the_time(site: Site, gateways: Gateways) -> None:
    # The signature joins its parts without a separator, so these two sign alike; only one is a time.
    stamp, nonce = str(int(time.time())), "9000"
    moved = {"timestamp": stamp[:-1], "nonce": stamp[-1] + nonce}
    sent = post("plain", text("x"))
    query = {**moved, "signature": sign(*moved.values())}
    assert (await site.send("plain", replace(sent, query=query)))[0] == 403
    assert gateways["plain"].accepted == 0


# ---------------------------------------------------------------- bodies


async def test_other_methods_are_not_served(site: Site) -> None:
    for method in ("PUT", "DELETE", "HEAD"):
        async with site.http.request(method, site.url("safe")) as response:
            assert response.status == 405


async def test_a_packed_body_is_refused(site: Site, gateways: Gateways) -> None:
    good = post("plain", text("x"))
    headers = {"Content-Encoding": "gzip"}
    async with site.http.post(
        site.url("plain"), params=good.query, data=gzip.compress(good.body), headers=headers
    ) as response:
        assert response.status == 400
    assert gateways["plain"].accepted == 0


async def test_just_below_the_limit_is_read(site: Site, gateways: Gateways) -> None:
    room = webhook.BODY_LIMIT - len(text("").encode())
    assert (await site.message("plain", text("x" * (room - 64))))[0] == 200
    assert len(gateways["plain"].one.text) == room - 64


async def answer(site: Site, mode: str, head: str, body: AsyncIterator[bytes]) -> int:
    """The status of a request written by hand, which may be refused before it is sent whole."""
    query = urlencode(post(mode, text("x")).query)
    reader, writer = await asyncio.open_connection("127.0.0.1", site.server.port)
    writer.write(f"POST /wechat/{mode}?{query} HTTP/1.1\r\nHost: a\r\n{head}\r\n\r\n".encode())

    async def write() -> None:
        async for piece in body:
            writer.write(piece)
            await writer.drain()

    writing = asyncio.create_task(write())
    try:
        return int((await asyncio.wait_for(reader.readline(), 30)).split()[1])
    finally:
        await asyncio.gather(writing, return_exceptions=True)
        writer.close()


PIECE = b"x" * 65536


async def ten_megabytes(*, chunked: bool) -> AsyncIterator[bytes]:
    for _ in range(160):
        if chunked:
            yield b"10000\r\n"
        yield PIECE
        if chunked:
            yield b"\r\n"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("chunked", [False, True])
async def test_ten_megabytes_leave_memory_flat(
    site: Site, gateways: Gateways, mode: str, chunked: bool
) -> None:
    head = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {160 * len(PIECE)}"
    tracemalloc.start()
    try:
        status = await answer(site, mode, head, ten_megabytes(chunked=chunked))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert status == 413
    assert gateways[mode].accepted == 0
    # Chunked, up to the limit has to be held, twice while the buffer grows.
    assert peak < 4 * webhook.BODY_LIMIT


async def test_a_length_too_large_is_refused_unread(site: Site, gateways: Gateways) -> None:
    async def nothing() -> AsyncIterator[bytes]:
        return
        yield b""

    started = time.monotonic()
    head = f"Content-Length: {webhook.BODY_LIMIT + 1}"
    assert await answer(site, "plain", head, nothing()) == 413
    assert time.monotonic() - started < 1


@pytest.mark.parametrize("piece", [b"zz\r\nnot a chunk", b"5\r\nabcdefgh\r\n", b"-1\r\n\r\n"])
@pytest.mark.parametrize("after", [0, 0.05])  # before and after the handler began to read
async def test_broken_chunks(
    site: Site, gateways: Gateways, monkeypatch: pytest.MonkeyPatch, piece: bytes, after: float
) -> None:
    # aiohttp does not always tell a waiting handler that the chunks broke: then the time limit ends it.
    monkeypatch.setattr(webhook, "BODY_S", 0.3)

    async def body() -> AsyncIterator[bytes]:
        await asyncio.sleep(after)
        yield piece

    assert await answer(site, "safe", "Transfer-Encoding: chunked", body()) == 400
    assert gateways["safe"].accepted == 0


async def test_a_body_that_does_not_come(
    site: Site, gateways: Gateways, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "BODY_S", 0.2)

    async def body() -> AsyncIterator[bytes]:
        yield b"<xml>"

    assert await answer(site, "safe", "Content-Length: 500", body()) == 400


async def test_a_sender_that_hangs_up(
    site: Site, gateways: Gateways, caplog: pytest.LogCaptureFixture
) -> None:
    query = urlencode(post("safe", text("x")).query)
    _, writer = await asyncio.open_connection("127.0.0.1", site.server.port)
    writer.write(
        f"POST /wechat/safe?{query} HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\n\r\n<xml>".encode()
    )
    await writer.drain()
    await asyncio.sleep(0.05)
    writer.close()
    await asyncio.sleep(0.1)
    assert gateways["safe"].accepted == 0
    assert not [record for record in caplog.records if record.name.startswith("aiohttp")]


async def test_refusals_log_nothing_personal_or_secret(
    site: Site, gateways: Gateways, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    monkeypatch.setattr(webhook, "LOG_EVERY_S", 0.0)
    for bad in (
        replace(post("safe", text("我的血压")), query={"openid": world.OPENID}),
        post("safe", text("我的血压", "abc")),
        post("safe", text("我的血压"), at=5_000_000_000),
        post("safe", world.xml(MsgType="hologram", Content="我的血压")),
    ):
        await site.send("safe", bad)
    records = [record.getMessage() for record in caplog.records if record.name.startswith("connectors")]
    assert len(records) == 4
    for word in (world.OPENID, "我的血压", world.TOKEN, world.AES_KEY, world.SECRET):
        assert word not in "\n".join(records)
