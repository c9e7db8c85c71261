"""Asking for a person: one task while it is open, and before the verification, too; and correcting a part."""

from __future__ import annotations

import csv
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.inbound.open_requests import asked_for
from bot.model import Account, Audience, Channel
from bot.runtime.services import Services
from bot.store import arriving_contacts, tasks
from bot.store.contacts import Contact
from bot.tasks import Kind, add_to_open, open_task
from tests.phone import Phone
from tests.running import Service

ZHAO = "oSbx1Dctr_ZhaoDing000000004c"  # verified by import
PRODUCT = ("mg", "来源", "二甲双胍", "氨氯地平", "缬沙坦", "阿托伐他汀")


def tasks_of(service: Service, kind: str) -> list[dict[str, Any]]:
    """Tasks of this kind, oldest first."""
    found = [json.loads(line) for line in service.prints("tasks").splitlines()]
    return sorted((task for task in found if task["kind"] == kind), key=lambda task: int(task["id"]))


# ---------------------------------------------------------------- what counts as such a request


@pytest.mark.parametrize(
    ("intent", "text"),
    [
        *(
            ("ask_human", text)
            for text in (
                "转人工",
                "我要找真人",
                "人工",
                "转 人 工",
                "请帮我转人工客服",
                "不想填了，转人工",
                "你好，转人工",
                "给我找个活人",
                "能不能转人工啊",
                "叫你们代表联系我",
                "我要跟真人说话",
                "有没有人工客服",
                "轉人工",
            )
        ),
        *(
            ("delete_data", text)
            for text in (
                "删除我的数据",
                "把我的信息删了",
                "请删除我的个人信息",
                "注销账号",
                "把我的资料全部删除",
            )
        ),
        *(("export_data", text) for text in ("导出我的数据", "查询我的信息", "我要导出我的数据")),
        *(
            ("", text)
            for text in (
                "二甲双胍肾功能不全能用吗",
                "人工瓣膜病人能吃他汀吗",
                "人工关节置换术后血压高用什么",
                "转人工受孕病人能吃代文吗",
                "我叫张三",
                "王代表让我加你的",
                "我是药代表",
                "工作人员说没有邀请码",
                "客服部张三",
                "无",
                "删除",
                "",
                "转人工" + "吗" * 100_000,
            )
        ),
    ],
)
def test_asked_for(intent: str, text: str) -> None:
    assert asked_for(text) == intent


# ---------------------------------------------------------------- one task while it is open


async def newcomer(services: Services, address: str = "oNEW") -> Contact:
    account = Account(Channel.WEBCHAT, "demo")
    async with services.db.begin() as tx:
        return await arriving_contacts.find_or_add(
            tx, services.vault, account, Audience.DOCTOR, address, services.clock.now()
        )


async def opened(services: Services, contact: Contact, detail: str) -> int:
    async with services.db.begin() as tx:
        task_id, _ = await open_task(
            tx, services.vault, Kind.HAND_OVER, now=services.clock.now(), contact=contact, detail=detail
        )
    return task_id


async def added(services: Services, contact: Contact, detail: str, kind: Kind = Kind.HAND_OVER) -> int | None:
    async with services.db.begin() as tx:
        found = await add_to_open(
            tx, services.vault, kind, now=services.clock.now(), contact=contact, detail=detail
        )
    return found and found[0]


async def test_words_are_added_to_the_open_task_of_the_same_contact_and_kind(services: Services) -> None:
    contact, other = await newcomer(services), await newcomer(services, "oOTHER")
    assert await added(services, contact, "转人工") is None, "nothing is open yet"
    task_id = await opened(services, contact, "转人工")
    assert await added(services, contact, "转人工") == task_id
    assert await added(services, contact, "发错货了，找人处理") == task_id
    assert await added(services, other, "转人工") is None
    assert await added(services, contact, "导出", Kind.DATA_REQUEST) is None
    async with services.db.begin() as tx:
        (found,) = await tasks.read(tx, services.vault)
    assert found.detail == "转人工\n发错货了，找人处理"


@pytest.mark.parametrize("over", ["done", "late"])
async def test_what_is_over_or_late_is_not_added_to(services: Services, over: str) -> None:
    contact = await newcomer(services)
    task_id = await opened(services, contact, "转人工")
    async with services.db.begin() as tx:
        await tasks.acknowledge(tx, task_id, services.clock.now(), "王代表")
    assert await added(services, contact, "转人工") == task_id, "it is being worked on"
    if over == "done":
        async with services.db.begin() as tx:
            await tasks.close(tx, task_id, services.clock.now(), "王代表", "called")
    else:
        services.clock.move_to(services.clock.now() + timedelta(days=15))
    assert await added(services, contact, "转人工") is None


async def test_asking_again_is_the_same_colleagues(http: aiohttp.ClientSession, service: Service) -> None:
    phone = Phone(http, service.url, ZHAO)
    phone.replies_read = len(await phone.replies())
    first = await phone.ask("转人工")
    before = tasks_of(service, "hand_over")
    assert "前联系您" in first
    assert not any("我要找真人" in task["detail"] for task in before)
    again = await phone.ask("我要找真人")
    told = re.search(r"预计.+?前", first)
    assert told and told[0] in again and again not in first, "the same time, in other words"
    after = tasks_of(service, "hand_over")
    assert [task["id"] for task in after] == [task["id"] for task in before]
    assert any("我要找真人" in task["detail"] for task in after)
    asked = len(tasks_of(service, "medical_information"))
    await phone.ask("二甲双胍能减肥吗")
    assert len(tasks_of(service, "medical_information")) == asked + 1


# ---------------------------------------------------------------- before the verification


async def test_whoever_is_not_verified_reaches_a_person(
    http: aiohttp.ClientSession, service: Service
) -> None:
    phone = await Phone.newcomer(http, service.url, "急性子")
    before = len(tasks_of(service, "hand_over"))
    reply = await phone.ask("转人工")  # the very first words
    assert "不是真人" in reply and "前联系您" in reply
    assert len(tasks_of(service, "hand_over")) == before + 1
    reply = await phone.ask("二甲双胍怎么吃")
    assert "邀请码" in reply and "前联系您" not in reply
    reply = await phone.ask("我要找真人")  # with the form open: a person, and the form goes on
    assert "前联系您" in reply and "邀请码" in reply
    assert len(tasks_of(service, "hand_over")) == before + 1
    reply = await phone.ask("我叫钱十二")
    assert "还差医院" in reply
    reply = await phone.ask("算了，转人工")
    assert "前联系您" in reply and "还差医院" in reply, "what was given is kept"
    data = len(tasks_of(service, "data_request"))
    reply = await phone.ask("删除我的数据")
    assert "删除申请已登记" in reply
    assert "delete_data" in tasks_of(service, "data_request")[data]["detail"]
    shown = "\n".join(item["text"] for item in await phone.replies())
    assert not [word for word in PRODUCT if word in shown]


async def test_whoever_waits_for_a_colleague_reaches_one(
    http: aiohttp.ClientSession, service: Service
) -> None:
    phone = await Phone.newcomer(http, service.url, "等待医生")
    assert "等同事确认" in await phone.ask("王小花，示例县人民医院，13900008888，没有邀请码")
    before = len(tasks_of(service, "hand_over"))
    reply = await phone.ask("转人工")
    assert "前联系您" in reply
    assert len(tasks_of(service, "hand_over")) == before + 1
    assert "等同事确认" in await phone.ask("氨氯地平怎么吃")


# ---------------------------------------------------------------- a part is corrected


async def test_after_a_mismatch_one_part_is_corrected(
    http: aiohttp.ClientSession, service: Service, tmp_path: Path
) -> None:
    listed, codes = tmp_path / "list.csv", tmp_path / "codes.csv"
    listed.write_text(
        "姓名,医院,手机,负责代表,外部编号\n孙十三,虚构镇卫生院,13900006666,周代表（演示）,T-AGAIN\n",
        encoding="utf-8",
    )
    service.prints("import-doctors", listed, "--codes", codes)
    with codes.open(encoding="utf-8-sig") as file:
        (row,) = csv.DictReader(file)
    code = next(value for value in row.values() if value.count("-") == 2 and value.isupper())
    phone = await Phone.newcomer(http, service.url, "粗心医生")
    again = await phone.ask("我是虚构镇卫生院的孙十四，手机13900006666，邀请码ABCD-EFGH-JKLM")
    assert "没有核对上" in again
    for words in ("二甲双胍怎么吃", "怎么回事", "你好", "那怎么办呢"):  # no try: five an hour are allowed
        reply = await phone.ask(words)
        assert "正在等同事确认" in reply and "来源" not in reply
    assert "没有核对上" in await phone.ask(code), "the name is wrong still, and nothing says so"
    assert "核对通过" in await phone.ask("孙十三")
    assert "来源" in await phone.ask("二甲双胍肾功能不全能用吗")
