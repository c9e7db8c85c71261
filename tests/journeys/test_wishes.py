"""What somebody may wish of our messages is asked; and money goes to compliance, not to a rep."""

from __future__ import annotations

import json

import aiohttp
import pytest

from tests.phone import Phone
from tests.running import Service


@pytest.fixture
async def phone(http: aiohttp.ClientSession, service: Service) -> Phone:
    """欧阳, verified by import."""
    found = Phone(http, service.url, "oSbx1Dctr_OuYangWu00000000-5")
    found.replies_read = len(await found.replies())
    return found


async def test_a_likely_wish_is_asked_and_a_plain_yes_counts(phone: Phone) -> None:
    assert "不再收到" in await phone.ask("别弄了")
    assert "来源" in await phone.ask("二甲双胍肾功能不全能用吗"), "nothing has changed"
    assert "不再收到" in await phone.ask("退了吧")
    assert "退订" not in await phone.ask("不是")
    assert "不再收到" in await phone.ask("别弄了")
    assert "已为您退订" in await phone.ask("是的")
    assert "已恢复接收" in await phone.ask("还是给我恢复吧")


async def test_stop_in_a_clinical_sentence_is_a_question(phone: Phone) -> None:
    for words in ("CK 5x ULN stop?", "stop metformin before CT?"):
        reply = await phone.ask(words)
        assert "退订" not in reply and "不再收到" not in reply, reply
    assert "可以转给医学信息部" in await phone.ask("stop aspirin 5 days before op?")
    assert "已把您的问题转给医学信息部" in await phone.ask("好的"), (
        "a yes to the offer, whichever action made it"
    )
    assert "医学信息部" not in await phone.ask("好的"), "an offer is open for one turn"


async def test_stop_and_hand_over_are_both_done(phone: Phone) -> None:
    first = await phone.ask("别再发了，转人工", count=2)
    assert "已为您退订" in first and "前联系您" in first
    assert "已恢复接收" in await phone.ask("恢复接收")


async def test_money_is_compliances(phone: Phone, service: Service) -> None:
    before = tasks(service)
    reply = await phone.ask("小王上次给的卡 这次咋没了")
    assert "不提供任何形式的利益" in reply and "前联系您" not in reply
    after = tasks(service)
    assert after.keys() - before.keys() or any("小王" in one["detail"] for one in after.values())
    found = [one for one in after.values() if "小王上次给的卡 这次咋没了" in one["detail"]]
    assert [(one["kind"], one["owner_role"], one["owner"]) for one in found] == [
        ("compliance", "compliance", None)
    ]


def tasks(service: Service) -> dict[int, dict[str, str]]:
    return {one["id"]: one for one in map(json.loads, service.prints("tasks").splitlines())}
