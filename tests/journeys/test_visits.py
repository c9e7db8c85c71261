"""Automated visits as chats, through the running service and the real engine."""

from __future__ import annotations

import asyncio
import csv
import json
import time
from pathlib import Path

import aiohttp
import pytest

from tests.journeys.chats import Chat, read_chats
from tests.phone import Phone, shown
from tests.running import Service

CHATS = read_chats("visits")


@pytest.fixture(scope="session")
async def doctors(service: Service, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A verified doctor for each chat: title -> openid."""
    async with aiohttp.ClientSession() as http:
        openids = {
            chat.title: (await Phone.newcomer(http, service.url, f"访{number}")).openid
            for number, chat in enumerate(CHATS)
        }
    file = tmp_path_factory.mktemp("visits") / "doctors.csv"
    _write(file, list(openids.values()))
    await asyncio.to_thread(service.prints, "import-doctors", file)
    return openids


def _write(file: Path, openids: list[str]) -> None:
    heads = ["外部编号", "姓名", "医院", "科室", "关注领域", "渠道", "渠道账号"]
    rows = [
        [
            f"V-{number}",
            f"访客{'甲乙丙丁戊己庚辛壬癸'[number % 10]}",
            "示例县人民医院",
            "全科",
            "糖尿病",
            "wechat:sandbox",
            openid,
        ]
        for number, openid in enumerate(openids)
    ]
    with file.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows([heads, *rows])


@pytest.mark.parametrize("chat", CHATS, ids=lambda chat: chat.title)
async def test_a_visit(
    http: aiohttp.ClientSession, service: Service, doctors: dict[str, str], chat: Chat
) -> None:
    phone, doctor = Phone(http, service.url, doctors[chat.title]), f"V-{CHATS.index(chat)}"
    await phone.ask("你好")
    for mark, what in chat.lines:
        if mark == ">":
            await phone.send(type="text", content=what)
        elif mark == "<":
            said = "\n".join(shown(item) for item in await phone.next())
            missing = [part for part in what.split(" | ") if part != "~" and part not in said]
            assert not missing, f"{missing} not in: {said}"
        elif mark == "&":
            await phone.send(type="event", event="CLICK", event_key=what)
        elif mark == "$":
            await asyncio.to_thread(service.prints, *what.format(doctor=doctor).split())
        elif mark == "~":
            await phone.silent(1.5)
        else:
            await told(service, doctor, what)


async def told(service: Service, doctor: str, what: str) -> None:
    """A sentence of the newest summary holds this, and names the messages that show it."""
    deadline = time.monotonic() + 20.0
    while True:
        printed = await asyncio.to_thread(service.prints, "summaries", "--doctor", doctor)
        lines = [json.loads(line) for line in printed.splitlines()]
        found = lines[-1]["statements"] if lines else []
        if any(what in one["text"] and one["turns"] for one in found):
            return
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.5)
