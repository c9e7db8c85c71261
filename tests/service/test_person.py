"""Somebody asks for a person, through the running service and the real engine, across restarts."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import datetime, timedelta
from pathlib import Path

import aiohttp

from bot.clock import CHINA
from tests.phone import Phone
from tests.running import Service, ask, with_model

CHEN = "oSbx1Dctr_ChenJia000000001aA"  # of the demo's list, verified
TUESDAY = datetime(2026, 12, 8, 10, 0, tzinfo=CHINA)


def move(service: Service, moment: datetime) -> None:
    status, _ = ask(f"{service.url}/test/clock", body=json.dumps({"now": moment.isoformat()}))
    assert status == 200


async def until(phone: Phone, words: str, seconds: float = 30.0) -> str:
    """The message that says this, once it is there."""
    deadline = time.monotonic() + seconds
    while True:
        texts = [item["text"] for item in await phone.replies()]
        if found := [text for text in texts if words in text]:
            phone.replies_read = len(texts)
            return str(found[-1])
        assert time.monotonic() < deadline, texts
        await asyncio.sleep(0.3)


async def test_a_person_is_asked_for_late_found_given_on_and_the_bot_returns(
    http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    home = await asyncio.to_thread(with_model, tmp_path / "home")
    service = Service(home, {"MEDREP_SANDBOX": "1", "MEDREP_TEST": "1"})
    contact = f"wechat:sandbox:{CHEN}"
    with service.serving("serve", "--demo"):
        move(service, TUESDAY)
        people = [json.loads(line) for line in service.prints("staff", "list").splitlines()]
        phone = Phone(http, service.url, CHEN)
        phone.replies_read = len(await phone.replies())
        told = await phone.ask("转人工")
        assert "周代表" in told and "预计12月8日（周二）11:0" in told, told
        answered = await phone.ask("二甲双胍肾功能不全能用吗")
        assert "二甲双胍" in answered and "说明书" in answered, "until somebody is there it answers"
        assert "11:0" in await phone.ask("人工什么时候来")
    with service.serving("serve", "--demo"):  # a restart: the request stands in rows
        phone.replies_read = 0  # the platform's double forgets, its window too
        await phone.ask("你好")
        move(service, TUESDAY + timedelta(minutes=75))
        late = await until(phone, "还没有同事接手")
        assert "很抱歉" in late and "预计12月8日（周二）12:" in late, late
        assert "二甲双胍" in await phone.ask("二甲双胍每日最大剂量是多少"), "the bot goes on"
        await phone.send(type="voice", content="缬沙坦孕妇能用吗")
        heard = await until(phone, "您说的是：缬沙坦孕妇能用吗")
        assert "缬沙坦" in heard.split("您说的是：缬沙坦孕妇能用吗", 1)[1], "and answered"
        tasks = [json.loads(line) for line in service.prints("tasks").splitlines()]
        (request,) = [
            one for one in tasks if one["kind"] == "hand_over" and "转人工" in (one["detail"] or "")
        ]
        managers = [one for one in people if "manager" in one["roles"]]
        assert request["owner"] in {one["name"] for one in managers}, request

        rep = "zhou"  # the doctor's own, of the demo's logins
        manager = next(one for one in managers if one["name"] == request["owner"])["login"]
        service.prints("takeover", contact, "--as", manager)
        await phone.send(type="text", content="您是哪位")
        await phone.silent(2.0)
    with service.serving("serve", "--demo"):
        phone.replies_read = 0
        move(service, TUESDAY + timedelta(minutes=90))
        await phone.send(type="text", content="二甲双胍怎么吃")
        await phone.silent(3.0)  # silent across a restart, too
        assert "120" in await phone.ask("病人胸痛大汗，喘不上气"), "but for safety"
        service.prints("takeover", contact, "--as", manager, "--to", rep)
        refused = service.medrep("say", contact, "您好", "--as", manager)
        assert refused.returncode != 0, "it is another colleague's now"
        service.prints("say", contact, "您好，我来接着跟进。", "--as", rep)
        await until(phone, "我来接着跟进")
        service.prints("takeover", contact, "--as", rep, "--end")
        assert "二甲双胍" in await phone.ask("二甲双胍老年人能用吗"), "handed back, the bot answers"
