"""A colleague takes a conversation over by command: silence, safety, words typed by hand, the end."""

from __future__ import annotations

import json

import aiohttp

from tests.phone import Phone
from tests.running import Service

QIAN = "oSbx2Ptnt_QianNaiNai000001fF"


async def test_a_takeover_from_its_beginning_to_its_end(
    http: aiohttp.ClientSession, service: Service
) -> None:
    phone = Phone(http, service.url, QIAN, "sandbox-patient")
    phone.replies_read = len(await phone.replies())
    contact, login = f"wechat:sandbox-patient:{QIAN}", "jiao"
    service.prints("staff", "add", login, "--role", "rep")
    await phone.ask("你好")

    first, *lines = map(json.loads, service.prints("takeover", contact, "--as", login).splitlines())
    assert first["contact"] == contact and first["until"]
    assert [line["text"] for line in lines if line["from"] == "person"][-1] == "你好"
    assert lines[-1]["from"] == "bot"

    await phone.send(type="text", content="我想找你们的人说句话", wait=True)
    await phone.silent(2.0)
    flagged = await phone.ask("胸口疼得厉害，出冷汗")
    assert "120" in flagged, "safety is never taken over"
    await phone.silent(1.0)

    refused = service.medrep("say", contact, "这药疗效显著，放心吃", "--as", login)
    assert refused.returncode == 2 and "efficacy_claim" in refused.stderr
    words = "钱奶奶您好，我是示例制药的焦代表，请先听120和医生的安排。"
    assert "on its way" in service.prints("say", contact, words, "--as", login)
    (typed,) = await phone.next()
    assert typed["text"] == words and not typed["is_ai"]
    sent = [json.loads(line) for line in service.prints("messages", "--contact", contact).splitlines()][-1]
    assert (sent["state"], sent["basis"]) == ("sent", f"person:{login}@{first['takeover']}")

    service.prints("takeover", contact, "--as", login, "--end")
    assert "人工" in await phone.ask("今天天气不错")
