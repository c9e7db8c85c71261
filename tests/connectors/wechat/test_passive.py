"""The reply that goes back on the connection, and what happens when it or the store fails."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from urllib.parse import urlencode

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer, make_mocked_request
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from bot.clock import real_now
from bot.model import Accepted, Attachment, Choice, Fault, Inbound, MedrepError, Message, PassiveReply
from connectors.wechat import envelope, webhook
from connectors.wechat.render import passive_text
from tests.connectors.wechat import world
from tests.connectors.wechat.conftest import MODES, Site
from tests.connectors.wechat.world import GH, OPENID, Gateways, MemoryGateway, event, post, text


async def no_pictures(_: Attachment) -> str:
    raise MedrepError(Fault.TRANSIENT, "no upload")


def opened(mode: str, body: str) -> dict[str, str]:
    """The reply as WeChat reads it: signature checked, decrypted by the independent implementation."""
    if mode == "plain":
        return world.flat(body)
    outer = world.flat(body)
    assert set(outer) == {"Encrypt", "MsgSignature", "TimeStamp", "Nonce"}
    assert outer["MsgSignature"] == world.sign(outer["TimeStamp"], outer["Nonce"], outer["Encrypt"])
    assert abs(int(outer["TimeStamp"]) - time.time()) < 60
    return world.flat(world.decrypt(outer["Encrypt"]))


@pytest.mark.parametrize("mode", MODES)
async def test_a_reply_goes_back_on_the_connection(site: Site, gateways: Gateways, mode: str) -> None:
    gateways[mode].reply = Message("二甲双胍：eGFR<30 禁用。")
    status, body = await site.message(mode, text("二甲双胍肾功能不全能用吗"))
    inner = opened(mode, body)
    assert status == 200
    assert abs(int(inner.pop("CreateTime")) - time.time()) < 60
    assert inner == {
        "ToUserName": OPENID,
        "FromUserName": GH,
        "MsgType": "text",
        "Content": "二甲双胍：eGFR<30 禁用。",
    }
    assert gateways[mode].written == [True]


async def test_each_reply_is_sealed_afresh(site: Site, gateways: Gateways) -> None:
    gateways["safe"].reply = Message("答")
    once = post("safe", text("问"))
    first, second = [world.flat((await site.send("safe", once))[1]) for _ in range(2)]
    for name in ("Encrypt", "Nonce", "MsgSignature"):
        assert first[name] != second[name]
    assert once.query["nonce"] not in (first["Nonce"], second["Nonce"])


async def test_choices_are_numbered(site: Site, gateways: Gateways) -> None:
    choices = (Choice("entry:a", "肾功能不全"), Choice("medical_information", "都不是"))
    gateways["safe"].reply = Message("您想问的是", choices)
    _, body = await site.message("safe", text("问"))
    assert opened("safe", body)["Content"] == "您想问的是\n1. 肾功能不全\n2. 都不是\n回复序号即可"


HOSTILE = "a]]>b]]]]>c<xml>&amp;<![CDATA[d]]></Content><MsgType>news</MsgType>"


@pytest.mark.parametrize("mode", MODES)
async def test_text_cannot_leave_its_element(site: Site, gateways: Gateways, mode: str) -> None:
    gateways[mode].reply = Message(HOSTILE)
    inner = opened(mode, (await site.message(mode, text("问")))[1])
    assert inner["Content"] == HOSTILE
    assert inner["MsgType"] == "text"


@hypothesis_settings(max_examples=200, deadline=None, database=None)
@given(st.text(alphabet=st.sampled_from("]>[<!CDAT&;\0\x0b\ud800\n药"), max_size=40))
def test_any_text_reads_back(words: str) -> None:
    shown = passive_text(Message(words))
    reply = envelope.reply({"ToUserName": GH, "FromUserName": OPENID}, shown, real_now())
    assert world.flat(reply)["Content"] == shown
    assert shown == "".join(char for char in words if char not in "\0\x0b\ud800")


@pytest.mark.parametrize(
    ("words", "fits"), [("药" * 682 + "ab", True), ("药" * 682 + "abc", False), (" \n", False)]
)
async def test_what_does_not_fit_is_left_to_be_pushed(
    site: Site, gateways: Gateways, words: str, fits: bool
) -> None:
    gateways["safe"].reply = Message(words)
    status, body = await site.message("safe", text("问"))
    assert status == 200
    assert gateways["safe"].written == [fits]
    if fits:
        assert opened("safe", body)["Content"] == words
    else:
        assert body == "success"


@pytest.mark.parametrize(
    "message", [event("unsubscribe"), event("TEMPLATESENDJOBFINISH", MsgID="1", Status="success")]
)
async def test_nobody_to_reply_to(site: Site, gateways: Gateways, message: str) -> None:
    gateways["safe"].reply = Message("再见")
    assert await site.message("safe", message) == (200, "success")
    assert gateways["safe"].written == []


async def test_no_reply_in_time_is_success(
    site: Site, gateways: Gateways, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "REPLY_S", 0.2)
    gateways["safe"].reply, gateways["safe"].hang = Message("晚了"), 30
    started = time.monotonic()
    assert await site.message("safe", text("问")) == (200, "success")
    assert time.monotonic() - started < 2


async def test_a_failing_reply_is_success(site: Site, gateways: Gateways) -> None:
    gateways["safe"].reply_error = RuntimeError("engine")
    assert await site.message("safe", text("问")) == (200, "success")
    assert len(gateways["safe"].rows) == 1


# ---------------------------------------------------------------- the store is down


async def test_a_short_outage_of_the_store_goes_unseen(
    site: Site, gateways: Gateways, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "STORE_AGAIN_S", 0.05)
    gateways["safe"].refuse = 2
    assert await site.message("safe", text("问")) == (200, "success")
    assert gateways["safe"].accepted == 3
    assert len(gateways["safe"].rows) == 1


async def test_what_is_not_stored_is_not_acknowledged(
    site: Site, gateways: Gateways, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(webhook, "STORE_AGAIN_S", 0.1)
    monkeypatch.setattr(webhook, "STORE_S", 0.35)
    gateways["safe"].refuse = 1000
    started = time.monotonic()
    status, body = await site.message("safe", text("胸痛两小时"))
    assert status == 503
    assert "success" not in body
    # It held the connection, for WeChat's retries to be spread out.
    assert 0.3 < time.monotonic() - started < 2
    assert gateways["safe"].accepted >= 3
    assert "胸痛" not in caplog.text


async def test_what_is_too_much_is_refused_at_once(
    site: Site, gateways: Gateways, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trying again here, as with a store that is down, would only make it more."""

    async def accept(inbound: Inbound, *, passive: bool) -> Accepted:
        gateways["safe"].accepted += 1
        raise MedrepError(Fault.BUSY)

    monkeypatch.setattr(gateways["safe"], "accept", accept)
    monkeypatch.setattr(webhook, "STORE_AGAIN_S", 0.01)
    status, body = await site.message("safe", text("问"))
    assert status == 503 and "success" not in body
    assert gateways["safe"].accepted == 1


async def test_a_few_at_a_time_are_read_however_many_come(
    site: Site, gateways: Gateways, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or those that were read before would not get on with being stored."""
    rounds, accepted = 0, Counter[int]()
    accept = gateways["safe"].accept

    async def counting() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            await asyncio.sleep(0)

    async def counted(inbound: Inbound, *, passive: bool) -> Accepted:
        accepted[rounds] += 1
        return await accept(inbound, passive=passive)

    monkeypatch.setattr(gateways["safe"], "accept", counted)
    clock = asyncio.create_task(counting())
    for _ in range(3):  # connections are open from the second time on
        answers = await asyncio.gather(*(site.message("safe", text(f"问{n}")) for n in range(80)))
        assert set(answers) == {(200, "success")}
    clock.cancel()
    assert max(accepted.values()) <= webhook.AT_A_TIME


async def test_whose_turn_does_not_come_is_refused(
    site: Site, gateways: Gateways, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "TURN_S", 0.05)
    monkeypatch.setattr(asyncio.Semaphore, "acquire", lambda _: asyncio.sleep(60))
    assert await site.message("safe", text("问")) == (503, "busy")
    assert gateways["safe"].accepted == 0


async def test_a_hanging_store_is_not_acknowledged(
    site: Site, gateways: Gateways, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(*_: object, **__: object) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(webhook, "STORE_S", 0.2)
    monkeypatch.setattr(gateways["safe"], "accept", hang)
    started = time.monotonic()
    assert (await site.message("safe", text("问")))[0] == 503
    assert time.monotonic() - started < 2


# ---------------------------------------------------------------- the connection goes away


async def hang_up(port: int, mode: str, after: float) -> None:
    """Post a message and close the connection without reading an answer."""
    sent = post(mode, text("问"))
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST /wechat/{mode}?{urlencode(sent.query)} HTTP/1.1\r\nHost: a\r\n"
    writer.write(f"{head}Content-Length: {len(sent.body)}\r\n\r\n".encode() + sent.body)
    await writer.drain()
    await asyncio.sleep(after)
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize(("cancels", "reported"), [(False, [False]), (True, [])])
async def test_a_hang_up_before_the_reply(
    cancels: bool, reported: list[bool], caplog: pytest.LogCaptureFixture
) -> None:
    """aiohttp lets a handler finish when its client hangs up, unless told to cancel it: both must be safe."""
    gateway = MemoryGateway(reply=Message("答"), hang=0.3)
    hook = webhook.Webhook(world.account("safe"), world.settings("safe"), gateway, real_now, no_pictures)
    app = web.Application()
    app.router.add_post("/wechat/safe", hook.receive)
    runner = web.AppRunner(app, handler_cancellation=cancels)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        await hang_up(runner.addresses[0][1], "safe", after=0.1)
        await asyncio.sleep(0.5)
    finally:
        await runner.cleanup()
    assert len(gateway.rows) == 1
    # Cancelled while it waited, no reply had been handed over, so there is nothing to report.
    assert gateway.written == reported
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_cancelled_while_writing_reports_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = MemoryGateway(reply=Message("答"))
    hook = webhook.Webhook(world.account("plain"), world.settings("plain"), gateway, real_now, no_pictures)
    entered = asyncio.Event()

    async def stuck(_self: web.Response, _request: web.Request) -> None:
        entered.set()
        await asyncio.sleep(60)  # a peer that reads nothing

    monkeypatch.setattr(web.Response, "prepare", stuck)
    fields = {"ToUserName": GH, "FromUserName": OPENID}
    reply = PassiveReply(1, Message("答"))
    request = make_mocked_request("POST", "/wechat/plain")
    task = asyncio.create_task(hook._write(request, fields, reply))
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert gateway.written == [False]


PICTURE = Message("图里的话", attachment=Attachment("km", "1", "0" * 64))


@pytest.mark.parametrize("mode", MODES)
async def test_a_picture_goes_back_on_the_connection(mode: str) -> None:
    """Once it is uploaded; where that fails, `success` goes back and the picture is pushed."""
    asked: list[Attachment] = []

    async def uploaded(attachment: Attachment) -> str:
        asked.append(attachment)
        return "MEDIA-1"

    for picture_id, written in ((uploaded, True), (no_pictures, False)):
        gateway = MemoryGateway(reply=PICTURE)
        hook = webhook.Webhook(world.account(mode), world.settings(mode), gateway, real_now, picture_id)
        app = web.Application()
        app.router.add_post("/wechat/hook", hook.receive)
        sent = post(mode, text("发张图"))
        async with TestClient(TestServer(app)) as client:
            body = await (await client.post("/wechat/hook", params=sent.query, data=sent.body)).text()
        assert gateway.written == [written]
        if written:
            clear = body if mode == "plain" else world.decrypt(world.flat(body)["Encrypt"])
            assert world.flat(clear)["MsgType"] == "image"
            assert "<MediaId><![CDATA[MEDIA-1]]></MediaId>" in clear
        else:
            assert body == "success"
    assert asked == [PICTURE.attachment]
