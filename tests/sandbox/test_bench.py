"""The bench itself: faults, journal, stream, reset, the followers' file, the command, the crypto."""

from __future__ import annotations

import asyncio
import base64
import csv
import json
import os
import re
import signal
import socket
import stat
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sandbox.accounts import read_accounts, write_demo_accounts
from sandbox.crypto import WireError, decrypt, encrypt, signature
from sandbox.demo import DOCTORS, PEOPLE, TEMPLATES
from sandbox.world import World
from tests.sandbox.conftest import DOCTOR, Bench

SEND = "message/custom/send"
HEADER = [
    *("姓名", "医院", "医院等级", "科室", "职称", "城市", "手机", "关注领域", "负责代表"),
    *("渠道", "渠道账号", "外部编号"),
]


def fault(kind: str, **more: Any) -> list[dict[str, Any]]:
    return [{"api": SEND, "kind": kind, **more}]


# ---------------------------------------------------------------- faults


async def test_an_errcode_so_many_times(bench: Bench) -> None:
    await bench.say()
    await bench.faults(api=fault("errcode", errcode=45009, times=2))
    codes = [(await bench.send_text("好"))["errcode"] for _ in range(3)]
    assert codes == [45009, 45009, 0]
    assert len(await bench.chat()) == 2


async def test_a_fault_until_cleared_and_for_one_account(bench: Bench) -> None:
    await bench.faults(api=fault("errcode", errcode=-1, times=None, account="sandbox-patient"))
    await bench.say()
    assert (await bench.send_text("好"))["errcode"] == 0
    await bench.faults(api=[{"api": "*", "kind": "errcode", "errcode": -1, "times": None}])
    token = (await bench.post("wechat/cgi-bin/stable_token", {}))["errcode"]
    assert token == -1
    async with bench.http.delete(f"{bench.url}/sandbox/control/faults") as response:
        assert (await response.json())["api"] == []
    assert (await bench.send_text("好"))["errcode"] == 0


async def test_an_html_page(bench: Bench) -> None:
    await bench.faults(api=fault("html"))
    token = await bench.token()
    async with bench.http.post(
        f"{bench.url}/sandbox/wechat/cgi-bin/{SEND}", params={"access_token": token}, data=b"{}"
    ) as response:
        assert (response.status, response.content_type) == (200, "text/html")


@pytest.mark.parametrize(("kind", "arrived"), [("reset", 0), ("accept_then_reset", 1)])
async def test_a_reset_connection(bench: Bench, kind: str, arrived: int) -> None:
    await bench.say()
    token = await bench.token()
    await bench.faults(api=fault(kind))
    body = {"touser": DOCTOR, "msgtype": "text", "text": {"content": "到了吗"}}
    with pytest.raises(aiohttp.ClientConnectionError):
        await bench.call(SEND, body, token=token)
    assert len(await bench.chat()) == 1 + arrived
    assert (await bench.send_text("下一条"))["errcode"] == 0


async def test_hanging_and_slowness(bench: Bench) -> None:
    await bench.say()
    token = await bench.token()
    body = {"touser": DOCTOR, "msgtype": "text", "text": {"content": "好"}}
    await bench.faults(api=fault("hang"))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(bench.call(SEND, body, token=token), 0.3)
    await bench.faults(api=fault("slow", seconds=0.3))
    begun = time.monotonic()
    assert (await bench.call(SEND, body, token=token))["errcode"] == 0
    assert time.monotonic() - begun >= 0.3
    assert len(await bench.chat()) == 2


async def test_slow_network_slows_both_ways(bench: Bench) -> None:
    await bench.faults(network={"delay_seconds": 0.2})
    begun = time.monotonic()
    await bench.say()
    assert time.monotonic() - begun >= 0.4
    begun = time.monotonic()
    await bench.token()
    assert time.monotonic() - begun >= 0.2


async def test_webhooks_can_be_late(bench: Bench) -> None:
    await bench.faults(webhook={"delay_seconds": 0.3})
    begun = time.monotonic()
    await bench.say()
    assert bench.gateway.posts[0].at - begun >= 0.3


BAD_CONTROL = [
    ("control/faults", {"api": [{"kind": "explode"}]}),
    ("control/faults", {"surprise": 1}),
    ("control/faults", {"webhook": {"copies": 0}}),
    ("control/clock", {"offset_seconds": "soon"}),
    ("control/clock", {"offset_seconds": 1e300}),
    ("control/tokens", {"account": "nobody"}),
    ("control/raw", {"account": "nobody", "openid": "o", "xml": "<xml/>"}),
    ("api/messages", {"account": "sandbox", "openid": "oNobody", "content": "x"}),
    ("api/messages", {"account": "nobody", "openid": DOCTOR, "content": "x"}),
    ("api/messages", {"account": "sandbox", "openid": DOCTOR, "content": ""}),
    ("api/messages", {"account": "sandbox", "openid": DOCTOR, "type": "event"}),
    ("api/messages", {"account": "sandbox", "openid": DOCTOR, "type": "menu", "content": "x"}),
    ("api/messages", {"account": "sandbox", "openid": DOCTOR, "type": "hologram"}),
    ("api/followers", {"account": "sandbox", "nickname": " "}),
    ("api/followers", {"account": "sandbox", "nickname": "二", "openid": DOCTOR}),
]


@pytest.mark.parametrize(("path", "body"), BAD_CONTROL)
async def test_bad_requests_say_why(bench: Bench, path: str, body: Any) -> None:
    async with bench.http.post(f"{bench.url}/sandbox/{path}", json=body) as response:
        assert response.status in (400, 404, 409)
        assert (await response.json())["error"]
    assert bench.gateway.posts == []


async def test_another_site_cannot_drive_it(bench: Bench) -> None:
    headers = {"Sec-Fetch-Site": "cross-site"}
    async with bench.http.post(f"{bench.url}/sandbox/control/reset", headers=headers) as response:
        assert response.status == 403


# ---------------------------------------------------------------- journal, reset, stream


async def test_the_journal_tells_what_happened_in_order(bench: Bench) -> None:
    sent = await bench.say()
    await bench.send_text("好")
    kinds = [(entry["kind"], entry.get("api", "")) for entry in await bench.log()]
    assert kinds == [("delivery", ""), ("api", "stable_token"), ("api", SEND)]
    (delivery,) = await bench.log(kind="delivery", msg_id=sent["msg_id"])
    assert (delivery["outcome"], delivery["status"], delivery["number"]) == ("acknowledged", 200, 1)
    (call,) = await bench.log(api=SEND, openid=DOCTOR)
    assert call["errcode"] == 0
    last = (await bench.get("control/log"))["last"]
    assert await bench.log(since=last) == []
    trace = await bench.get("api/trace", item=sent["item"])
    assert [entry["msg_id"] for entry in trace] == [sent["msg_id"]]
    (answer,) = [item for item in await bench.chat() if item["from"] == "account"]
    assert [entry["api"] for entry in await bench.get("api/trace", item=answer["id"])] == [SEND]


async def test_reset(bench: Bench) -> None:
    before = await bench.say()
    await bench.faults(network={"delay_seconds": 0.1})
    await bench.post("control/clock", {"offset_seconds": 99})
    await bench.post("api/followers", {"account": "sandbox", "nickname": "某某"})
    await bench.post("control/reset")
    assert await bench.chat() == [] == await bench.log()
    assert (await bench.get("control/faults"))["network"]["delay_seconds"] == 0
    assert (await bench.get("control/clock"))["offset_seconds"] == 0
    assert {each["openid"] for each in await bench.get("api/followers")} == {
        person.openid for person in PEOPLE
    }
    assert int((await bench.say())["msg_id"]) > int(before["msg_id"])


async def test_the_stream_brings_what_happens_in_one_chat(bench: Bench) -> None:
    query = {"account": "sandbox", "openid": DOCTOR}
    async with bench.http.get(f"{bench.url}/sandbox/api/stream", params=query) as response:
        assert response.content_type == "text/event-stream"
        assert (await response.content.readuntil(b"\n\n")).startswith(b"event: epoch\n")
        await bench.say("别人的", openid=DOCTORS[1].openid)
        await bench.say("我的")
        await bench.send_text("答")
        await bench.call("message/custom/typing", {"touser": DOCTOR, "command": "Typing"})
        seen: list[tuple[str, Any]] = []
        while "typing" not in [name for name, _ in seen]:
            frame = (await asyncio.wait_for(response.content.readuntil(b"\n\n"), 5)).decode()
            name, data = re.fullmatch(r"event: (\w+)\ndata: (.*)\n\n", frame).groups()  # type: ignore[union-attr]
            seen.append((name, json.loads(data)))
    texts = [data["item"]["text"] for name, data in seen if name == "item"]
    assert texts == ["我的", "我的", "答"]  # on its way, delivered, answered
    assert "trace" in [name for name, _ in seen]
    assert seen[-1][1]["seconds"] == 15


async def test_openids_and_msgids_look_real(bench: Bench) -> None:
    made = await bench.post("api/followers", {"account": "sandbox", "nickname": "某某"})
    for openid in (made["openid"], *(person.openid for person in PEOPLE)):
        assert re.fullmatch(r"o[A-Za-z0-9_-]{27}", openid)
    sent = [(await bench.say())["msg_id"] for _ in range(2)]
    assert re.fullmatch(r"\d{17}", sent[0])
    assert int(sent[0]) < int(sent[1]) < 2**63


# ---------------------------------------------------------------- files


def test_followers_made_on_the_page_survive_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "state" / "followers.json"
    made = World(file).add("sandbox", "新人", subscribed=False)
    assert World(file).followers["sandbox", made.openid] == made
    assert ("sandbox", made.openid) not in World().followers


def test_demo_accounts_are_random_private_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "home" / "sandbox.toml"
    write_demo_accounts(path, "http://127.0.0.1:1/sandbox/wechat")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    first = read_accounts(path)
    assert {name: (a.audience, a.mode) for name, a in first.items()} == {
        "sandbox": ("doctor", "safe"),
        "sandbox-patient": ("patient", "safe"),
    }
    secrets = [getattr(a, name) for a in first.values() for name in ("app_id", "app_secret", "token")]
    assert len(set(secrets)) == len(secrets)
    write_demo_accounts(path, "http://127.0.0.1:2/sandbox/wechat")
    second = read_accounts(path)
    assert {a.api_base for a in second.values()} == {"http://127.0.0.1:2/sandbox/wechat"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert all(second[n].model_copy(update={"api_base": first[n].api_base}) == first[n] for n in first)
    assert [each.name for each in path.parent.iterdir()] == ["sandbox.toml"]
    write_demo_accounts(tmp_path / "other.toml", "")
    assert read_accounts(tmp_path / "other.toml")["sandbox"].app_secret != first["sandbox"].app_secret


def test_the_accounts_are_what_the_product_reads(tmp_path: Path) -> None:
    from bot.settings import read_accounts as read_product_accounts

    write_demo_accounts(tmp_path / "sandbox.toml", "http://127.0.0.1:1/sandbox/wechat")
    accounts = read_product_accounts(tmp_path / "sandbox.toml").wechat
    assert accounts["sandbox"].templates["meeting"].fields["title"] == "thing1"
    for template in TEMPLATES:
        assert set(template.uses.values()) == set(template.fields)


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "sandbox", *map(str, arguments)]


async def run(*arguments: str | Path) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(*command(*arguments), stderr=asyncio.subprocess.PIPE)
    _, errors = await process.communicate()
    return process.returncode or 0, errors.decode()


async def test_the_doctors_as_an_import_list(tmp_path: Path) -> None:
    assert (await run("doctors", "--out", tmp_path / "doctors.csv"))[0] == 0
    with (tmp_path / "doctors.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == HEADER
    assert len(rows) == 6
    assert all(re.fullmatch(r"1\d\d0000\d{4}", row[6]) for row in rows)
    assert [row[9:11] == ["", ""] for row in rows].count(True) == 1
    bound = {row[10] for row in rows if row[9] == "wechat:sandbox"}
    assert bound == {doctor.openid for doctor in DOCTORS if doctor.kind == "imported"}


async def test_the_process_serves_on_loopback_and_stops_at_once(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config, base = tmp_path / "sandbox.toml", f"http://127.0.0.1:{port}/sandbox"
    assert (await run("accounts", "--out", config, "--api-base", f"{base}/wechat"))[0] == 0
    process = await asyncio.create_subprocess_exec(*command("--port", str(port), "--config", config))
    try:
        async with aiohttp.ClientSession() as http:
            for _ in range(200):
                try:
                    async with http.get(f"{base}/healthz") as response:
                        assert response.status == 200
                    break
                except aiohttp.ClientConnectionError:
                    await asyncio.sleep(0.05)
            query = {"account": "sandbox", "openid": DOCTOR}
            async with http.get(f"{base}/api/stream", params=query) as stream:
                await stream.content.readuntil(b"\n\n")
                begun = time.monotonic()
                process.send_signal(signal.SIGTERM)
                assert await asyncio.wait_for(process.wait(), 10) == 0
                assert time.monotonic() - begun < 3  # an open page does not hold it up
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_wrong_configuration_is_named_without_its_secrets(tmp_path: Path) -> None:
    config = tmp_path / "bad.toml"
    config.write_text('[wechat.a]\napp_id = "wx"\napp_secret = "topsecret"\naudience = "all"\n')
    status, errors = await run("--port", "1", "--config", config)
    assert status == 2
    assert "a.audience" in errors or "audience" in errors
    assert "topsecret" not in errors
    assert (await run("--port", "1", "--config", tmp_path / "none.toml"))[0] == 2


# ---------------------------------------------------------------- crypto

KEY = base64.b64encode(bytes(range(32))).decode().rstrip("=")


def test_signature_of_the_official_example() -> None:
    # developers.weixin.qq.com, message push, "encryption"
    assert signature("AAAAA", "1714036504", "1514711492") == "f464b24fc39322e44b38aa78f5edd27bd1441696"


@pytest.mark.parametrize("length", [0, 1, 11, 12, 31, 32, 33, 5000])
def test_what_is_sealed_can_be_opened(length: int) -> None:
    message = os.urandom(length)
    assert decrypt(KEY, encrypt(KEY, message, "wxapp"), "wxapp") == message


def test_what_was_touched_cannot_be_opened() -> None:
    sealed = base64.b64decode(encrypt(KEY, b"hello", "wxapp"))
    with pytest.raises(WireError):
        decrypt(KEY, base64.b64encode(sealed).decode(), "wxother")
    with pytest.raises(WireError):
        decrypt(KEY, base64.b64encode(sealed[:-1]).decode(), "wxapp")
    with pytest.raises(WireError):
        decrypt(KEY, base64.b64encode(sealed[:-1] + bytes([sealed[-1] ^ 1])).decode(), "wxapp")
    for rubbish in ("", "not base64!", "QUJD"):
        with pytest.raises(WireError):
            decrypt(KEY, rubbish, "wxapp")
