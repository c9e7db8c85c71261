"""An off-label question from the chat to medical, to the reviewer, and back into the same chat."""

from __future__ import annotations

import asyncio
import json
import re

import aiohttp
import psycopg

from bot.service.postgres import Cluster
from tests.console.conftest import Visitor
from tests.console.test_demo import printed
from tests.phone import Phone, shown
from tests.running import Service

ANSWER = "抗肿瘤不在本品说明书批准的适应症内，公司不能提供这方面的用法建议。已批准的适应症见说明书。"


async def signed_in(service: Service, http: aiohttp.ClientSession, login: str) -> Visitor:
    visitor = Visitor(http, service.url)
    await visitor.sign_in(login, printed(service)[login][1])
    return visitor


async def test_an_off_label_question_is_answered_in_the_same_chat(
    http: aiohttp.ClientSession, service: Service
) -> None:
    """By 李乙, whom no other test has asked how to answer: that is asked once in 30 days."""
    doctor = Phone(http, service.url, "oSbx1Dctr_LiYi0000000000002b")
    doctor.replies_read = len(await doctor.replies())
    asked = await doctor.ask("二甲双胍有没有抗癌作用")
    assert "不在说明书批准的范围内" in asked and "前答复您" in asked and "电话" in asked
    assert "打电话答复您" in await doctor.ask("电话吧"), "in few words, and no form"
    tasks = [json.loads(line) for line in service.prints("tasks").splitlines()]
    task = max((one for one in tasks if one["kind"] == "medical_information"), key=lambda one: one["id"])
    assert task["request"] == {"state": "open", "wish": "phone", "off_label": True}
    assert "医学信息部" in await doctor.ask("我问的那个问题有结果了吗")

    path = f"/console/requests/{task['id']}"
    medical, legal, rep = [await signed_in(service, http, login) for login in ("medical", "legal", "zhou")]
    assert "二甲双胍有没有抗癌作用" in await medical.get(path)
    await medical.post(f"{path}/take", step=0)
    assert "准备答复" in (said := await doctor.ask("医学部那边有答复了没")) or "在处理" in said
    given = {"document-0": "metformin-label", "section-0": "【适应症】"}
    await medical.post(f"{path}/submit", step=1, text=ANSWER, **given)
    assert "审核" in await doctor.ask("我问的那个问题有结果了吗")
    await medical.post(f"{path}/approve", 409, step=3)
    await legal.post(f"{path}/approve", step=3)
    (item,) = await doctor.next()
    answer = shown(item)
    assert ANSWER in answer and "只答复您本人" in answer and "仅供医学药学专业人士阅读" in answer
    assert re.search(r"来源：盐酸二甲双胍片说明书.*【适应症】 · 版本", answer) and not item["is_ai"]

    async with asyncio.timeout(20):
        while "已答复" not in await medical.get(path):
            await asyncio.sleep(0.3)
    assert ANSWER in await doctor.ask("再发一遍"), "it is said again to whoever asked"
    assert "答复您" in await doctor.ask("我问的那个问题有结果了吗")
    await medical.post(f"{path}/told", step=4, reason="已电话说明")
    assert task["id"] not in [json.loads(line)["id"] for line in service.prints("tasks").splitlines()]
    await medical.post(f"{path}/offer", 409, step=5, product="metformin", topic="other", question="问",
                       variants="一\n二\n三\n四\n五", answer="答")  # fmt: skip
    await rep.get(path, 403)
    async with await psycopg.AsyncConnection.connect(Cluster(service.home).url()) as connection:
        rows = await connection.execute(
            "SELECT contact_id FROM medical_request WHERE task_id = %s", [task["id"]]
        )
        ((contact,),) = await rows.fetchall()
    conversation = await rep.get(f"/console/conversations/{contact}")
    assert ANSWER not in conversation and "抗癌" not in conversation and "医学信息问询" in conversation
