"""The journeys go on in the session's one running service; what breaks it starts its own."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import aiohttp
import pytest

from tests.phone import Phone
from tests.running import Service

COLUMNS = ["姓名", "医院", "科室", "手机", "渠道", "渠道账号", "外部编号", "负责代表", "关注领域"]
LISTED = 60  # more than ask for one


@dataclass(frozen=True, slots=True)
class Met:
    """A verified doctor of 周代表, who has read who we are."""

    phone: Phone
    external_id: str


Meet = Callable[[], Awaitable[Met]]


@pytest.fixture(scope="session")
async def listed(service: Service, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    """Openid and external id of doctors whom nobody has met; a command takes seconds, for one as for all."""
    people = [(f"oMet{number:024d}", f"MET-{number}") for number in range(LISTED)]
    file = tmp_path_factory.mktemp("listed") / "doctors.csv"
    with file.open("w", encoding="utf-8", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(COLUMNS)
        for number, (openid, external_id) in enumerate(people):
            place = ["言谈", "示例县人民医院", "全科", f"137{number:08d}", "wechat:sandbox", openid]
            rows.writerow([*place, external_id, "周代表（演示）", "高血压"])
    await asyncio.to_thread(service.prints, "import-doctors", file)
    return people


@pytest.fixture
def meet(http: aiohttp.ClientSession, service: Service, listed: list[tuple[str, str]]) -> Meet:
    """Somebody new at each call."""

    async def made() -> Met:
        openid, external_id = listed.pop()
        phone = Phone(http, service.url, openid)
        body = {"account": "sandbox", "nickname": "谈", "openid": openid}
        async with http.post(f"{service.url}/sandbox/api/followers", json=body) as answer:
            assert answer.status == 200, await answer.text()
        await asyncio.sleep(0.5)  # the greeting of a follower
        await phone.ask("谢谢")
        return Met(phone, external_id)

    return made


@pytest.fixture
async def doctor(http: aiohttp.ClientSession, service: Service) -> Phone:
    """陈甲, imported with an openid and so verified; every test goes on in the same chat."""
    phone = Phone(http, service.url, "oSbx1Dctr_ChenJia000000001aA")
    phone.replies_read = len(await phone.replies())
    return phone


@pytest.fixture(autouse=True)
async def no_faults(http: aiohttp.ClientSession, service: Service) -> AsyncIterator[None]:
    """What one test breaks is whole for the next."""
    yield
    async with http.delete(f"{service.url}/sandbox/control/faults") as answer:
        assert answer.status == 200
