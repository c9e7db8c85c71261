"""A doctor's profile: what they say of themselves is noted, shown, corrected; and they may refuse it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from tests.journeys.conftest import Meet
from tests.phone import Phone
from tests.running import Service


@dataclass
class Chat:
    """A verified doctor's phone, and what the company knows of them."""

    phone: Phone
    service: Service
    external_id: str

    def profile(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.service.prints("profile", self.external_id))
        return found

    def tags(self) -> dict[str, list[str]]:
        """Values that hold and are not the list's, by name."""
        found: dict[str, list[str]] = {}
        for tag in self.profile()["tags"]:
            if tag["holds"] and tag["source"] != "import":
                found.setdefault(tag["name"], []).append(tag["value"])
        return found


Doctor = Callable[[], Awaitable[Chat]]


@pytest.fixture
def doctor(meet: Meet, service: Service) -> Doctor:
    async def made() -> Chat:
        met = await meet()
        return Chat(met.phone, service, met.external_id)

    return made


async def test_what_is_said_is_noted_beside_the_question(doctor: Doctor) -> None:
    chat = await doctor()
    told = await chat.phone.ask("我主要看糖尿病，二甲双胍肾功能不全能用吗")
    assert "记下了。关注领域：糖尿病" in told and "来源" in told, "the question is answered, too"
    assert "资料形式：图表" in await chat.phone.ask("发个表就行")
    assert "方便联系的时间：周五下午" in await chat.phone.ask("以后周五下午联系我，别打电话发微信")
    assert "科室：心血管内科" in await chat.phone.ask("我现在在心内科坐诊")
    assert chat.tags() == {
        "interest": ["糖尿病"],
        "format": ["chart"],
        "best_time": ["fri:afternoon"],
        "channel": ["wechat"],
        "department": ["心血管内科"],
    }
    (interest,) = [tag for tag in chat.profile()["tags"] if tag["value"] == "糖尿病"]
    assert interest["source"] == "said" and interest["evidence"][0].startswith("message:")
    assert "记下了" not in await chat.phone.ask("我们主任主要看高血压")
    assert "记下了" not in await chat.phone.ask("我不看血脂")


async def test_an_interest_is_suggested_to_the_rep(doctor: Doctor, service: Service) -> None:
    chat = await doctor()
    await chat.phone.ask("我主要看糖尿病")

    def suggested() -> list[dict[str, Any]]:
        lines = service.prints("suggestions").splitlines()
        return [one for one in map(json.loads, lines) if one["external_id"] == chat.external_id]

    (one,) = suggested()
    assert one["rep"].startswith("周代表") and "主要关注糖尿病" in one["reason"]
    login = f"boss-{chat.external_id.lower()}"
    service.prints("staff", "add", login, "--role", "manager")
    decision = ("--as", login, "--reason", "not_now", "--note", "下月再谈")
    service.prints("suggestions", "dismiss", str(one["id"]), *decision)
    assert suggested() == []
    (kept,) = chat.profile()["suggestions"]
    assert (kept["state"], kept["outcome"], kept["remark"]) == ("dismissed", "not_now", "下月再谈")


async def test_short_texts_are_one_wish_with_the_format(doctor: Doctor) -> None:
    chat = await doctor()
    assert "短" in await chat.phone.ask("说短点"), "a guess of the NLU, confirmed"
    assert chat.tags()["format"] == ["brief"]
    assert len(await chat.phone.ask("是真人吗")) < 30
    await chat.phone.ask("以后发详细点的资料")
    assert chat.tags()["format"] == ["detail"]
    assert len(await chat.phone.ask("你是机器人吗")) > 30, "no longer in short"


async def test_the_doctor_sees_what_is_held_and_corrects_it(doctor: Doctor) -> None:
    chat = await doctor()
    await chat.phone.ask("我对血脂感兴趣")
    for words in ("你们有我什么资料", "资料哪来的"):
        held = await chat.phone.ask(words)
        assert "科室：全科（公司名单，" in held and "示例县人民医院（公司名单，" in held, words
        assert "血脂异常（您本人说的，" in held and "137" not in held
        assert "别分析我" in held and "同意分析" in held
    await chat.phone.ask("二甲双胍肾功能不全能用吗")
    assert "公司名单" not in await chat.phone.ask("资料哪来的"), "of the answer just given"
    asked = await chat.phone.ask("科室写错了，我是心内科的")
    assert "更正申请已登记" in asked
    assert chat.tags().get("department") is None, "a steward decides"
    changes = [json.loads(line) for line in chat.service.prints("changes").splitlines()]
    (change,) = [one for one in changes if one["external_id"] == chat.external_id]
    assert (change["held"], change["wanted"]) == ("全科", "心血管内科")
    task = str(change["task"])
    rep = f"rep-{chat.external_id.lower()}"
    manager = f"manager-{chat.external_id.lower()}"
    chat.service.prints("staff", "add", rep, "--role", "rep")
    chat.service.prints("staff", "add", manager, "--role", "manager")
    assert chat.service.medrep("changes", "accept", task, "--as", rep).returncode != 0
    assert chat.service.medrep("tasks", "close", task, "--as", manager).returncode != 0
    chat.service.prints("changes", "accept", task, "--as", manager)
    (told,) = await chat.phone.next()
    assert "您申请更正的科室已经核对并改好" in told["text"]
    assert chat.tags()["department"] == ["心血管内科"]
    assert "心血管内科（同事登记" in await chat.phone.ask("你们有我什么资料")


async def test_who_refuses_profiling_is_not_profiled(doctor: Doctor) -> None:
    chat = await doctor()
    await chat.phone.ask("我主要看糖尿病")
    await chat.phone.ask("别给我发长文")
    refused = await chat.phone.ask("别分析我")
    assert "已停止对您的分析" in refused and "同意分析" in refused
    profile = chat.profile()
    assert profile["profiling"] == {"allowed": False, "for_marketing": False, "text_version": None}
    assert not [tag for tag in profile["tags"] if tag["group"] == "value"], "the list's interests, too"
    assert chat.tags() == {"format": ["brief"]}, "a wish of theirs stays"
    assert "记下了" not in await chat.phone.ask("我主要看高血压")
    assert "关注" not in await chat.phone.ask("别打电话发微信，我主要看血脂")
    both = await chat.phone.ask("不要给我贴标签，二甲双胍肾功能不全能用吗")
    assert "已停止对您的分析" in both and "来源" in both, "the question with it is answered"
    assert "interest" not in chat.tags()
    assert "同意分析" in await chat.phone.ask("同意分析")
    profiling = chat.profile()["profiling"]
    assert profiling["allowed"] and profiling["for_marketing"]
    assert profiling["text_version"].startswith("response:utter_profiling_terms@")
    assert "记下了" in await chat.phone.ask("我主要看高血压")


async def test_nobody_but_a_verified_doctor_is_profiled(
    http: aiohttp.ClientSession, service: Service
) -> None:
    patient = await Phone.newcomer(http, service.url, "病人", "sandbox-patient")
    await patient.ask("你好")
    assert "记下了" not in await patient.ask("我主要看糖尿病")
    newcomer = await Phone.newcomer(http, service.url, "新人")
    assert "记下了" not in await newcomer.ask("我是心内科的，别给我发长文")
