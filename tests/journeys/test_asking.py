"""How doctors ask, and what must not come of it: two replies to one question, a case, an off-label use."""

from __future__ import annotations

import asyncio
import json

import aiohttp

from tests.phone import Phone
from tests.running import Service

OUYANG = "oSbx1Dctr_OuYangWu00000000-5"  # verified by import


async def room(http: aiohttp.ClientSession, service: Service) -> Phone:
    phone = Phone(http, service.url, OUYANG)
    phone.replies_read = len(await phone.replies())
    return phone


def kinds(service: Service) -> list[str]:
    """The kinds of all tasks, oldest first."""
    found = [json.loads(line) for line in service.prints("tasks").splitlines()]
    return [task["kind"] for task in sorted(found, key=lambda task: int(task["id"]))]


async def test_a_name_and_its_question_make_one_reply(http: aiohttp.ClientSession, service: Service) -> None:
    phone = await room(http, service)
    await phone.send(type="text", content="二甲双胍")
    await asyncio.sleep(0.5)  # as fast as somebody types
    await phone.send(type="text", content="肾功能不全能用吗")
    (reply,) = await phone.next()
    assert "eGFR" in reply["text"] and "来源" in reply["text"]
    await phone.silent(2.0)
    assert "都不是" in await phone.ask("缬沙坦"), "a name alone is answered after its wait"


async def test_who_merely_asks_or_says_that_nobody_takes_it_opens_no_case(
    http: aiohttp.ClientSession, service: Service
) -> None:
    phone, before = await room(http, service), kinds(service)
    for words in ("病人不肯吃", "缬沙坦吃了咳嗽不", "心梗病人刚溶完栓立普妥给多少", "他汀吃了伤肝不"):
        reply = await phone.ask(words)
        assert "药物安全" not in reply and "120" not in reply, (words, reply)
    opened = kinds(service)[len(before) :]
    assert not {"adverse_event", "emergency"} & set(opened)
    assert "药物安全" in await phone.ask("我病人吃了缬沙坦咳嗽得厉害")
    assert "adverse_event" in kinds(service)[len(before) :]


async def test_evidence_is_medical_informations_and_no_off_label_use(
    http: aiohttp.ClientSession, service: Service
) -> None:
    phone = await room(http, service)
    assert "来源" in await phone.ask("二甲双胍饭前吃还是饭后吃")
    for words in ("有没有保护心血管的证据", "有啥临床研究数据"):
        reply = await phone.ask(words)
        assert "医学信息部" in reply and "不在说明书批准的范围内" not in reply, (words, reply)


async def test_what_looks_like_a_command_is_neither_a_wish_nor_a_question(
    http: aiohttp.ClientSession, service: Service
) -> None:
    """The NLU takes /restart for a wish to hear from us again, and signs for a question on a product."""
    phone, before = await room(http, service), kinds(service)
    for text in ("/restart", "/start now", "{drug} ]]> ✅"):
        reply = await phone.ask(text)
        assert "恢复接收，之后" not in reply and "已转给" not in reply, reply
    assert kinds(service) == before


async def test_a_stop_is_undone_by_its_words_alone(http: aiohttp.ClientSession, service: Service) -> None:
    phone = await room(http, service)
    assert "已为您退订" in await phone.ask("退订")
    assert "回复「恢复接收」" in await phone.ask("/restart")
    assert "已恢复接收" in await phone.ask("恢复接收")
