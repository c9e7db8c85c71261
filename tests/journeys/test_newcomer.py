"""Somebody unknown: told who speaks, asked who they are, and given no product text before that."""

from __future__ import annotations

import re

import aiohttp

from tests.phone import Phone
from tests.running import Service


async def test_no_product_text_before_verification(http: aiohttp.ClientSession, service: Service) -> None:
    phone = await Phone.newcomer(http, service.url, "路人")
    reply = await phone.ask("二甲双胍肾功能不全能用吗")
    assert "不是真人" in reply and "姓名" in reply and "邀请码" in reply
    assert "eGFR" not in reply
    reply = await phone.ask("先回答我，氨氯地平怎么吃")
    assert "来源" not in reply and "mg" not in reply


async def test_a_doctor_verifies_with_the_invitation_code(
    http: aiohttp.ClientSession, service: Service
) -> None:
    code = re.search(r"code (\S+)", service.terminal())
    assert code, service.terminal()
    people = await (await http.get(f"{service.url}/sandbox/api/followers?account=sandbox")).json()
    unbound = next(p for p in people if p["card"].get("kind") == "unbound")
    phone = Phone(http, service.url, unbound["openid"])
    card = unbound["card"]
    await phone.send(type="event", event="subscribe")
    (greeting,) = await phone.next()
    assert "不是真人" in greeting["text"] and "姓名" in greeting["text"]
    wrong = await phone.ask(f"{card['name']} {card['hospital']} {card['phone']} 邀请码 ABCD-EFGH-JKLM")
    assert "没有核对上" in wrong
    right = await phone.ask(f"我是{card['hospital']}的{card['name']}，手机{card['phone']}，邀请码{code[1]}")
    assert "核对通过" in right
    assert "来源" in await phone.ask("二甲双胍肾功能不全能用吗")


async def test_without_a_code_a_person_confirms(http: aiohttp.ClientSession, service: Service) -> None:
    phone = await Phone.newcomer(http, service.url, "无码医生")
    reply = await phone.ask("我是王小明，示例县人民医院，13900009999，没有邀请码")
    assert "同事" in reply
    assert '"identity"' in service.prints("tasks")
    assert "等同事确认" in await phone.ask("氨氯地平怎么吃")


async def test_the_form_asks_for_what_is_missing_and_says_what_it_has(
    http: aiohttp.ClientSession, service: Service
) -> None:
    phone = await Phone.newcomer(http, service.url, "艾力")
    reply = await phone.ask("我是示例县一院的买买提艾力")
    assert "已记下姓名「买买提艾力」、医院「示例县一院」。还差手机号、邀请码" in reply
    reply = await phone.ask("13900007777")
    assert "还差邀请码" in reply and "产品资料只提供" not in reply
    reply = await phone.ask("无")
    assert "等同事确认" in reply
    assert "买买提艾力" in service.prints("tasks")
    assert re.search(r"预计\d+月\d+日（周.）\d\d:\d\d前", await phone.ask("还要等多久"))


async def test_after_two_rounds_a_colleague_goes_on(http: aiohttp.ClientSession, service: Service) -> None:
    phone = await Phone.newcomer(http, service.url, "忙人")
    first = await phone.ask("王晓明")
    assert "已记下姓名「王晓明」。还差医院、手机号、邀请码" in first
    assert "还差医院" in await phone.ask("氨氯地平怎么吃")
    last = await phone.ask("氨氯地平怎么吃啊")
    assert "同事" in last and "先不用再填" in last and "mg" not in last
    assert "王晓明" in service.prints("tasks")
    assert "等同事确认" in await phone.ask("在吗")
    wrong = await phone.ask("示例县中医院，13900008888，邀请码ABCD-EFGH-JKLM")
    assert "没有核对上" in wrong and "医院「示例县中医院」" in wrong
    assert "等同事确认" in await phone.ask("好的")
