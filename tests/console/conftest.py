"""The console over HTTP on a stage: PostgreSQL with its row-level security, real sessions, real doctors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

import aiohttp
import pytest
from aiohttp import web
from argon2 import PasswordHasher

import console
from bot import staff
from bot.app import listen
from bot.desk import Desk
from bot.model import Account, Audience, Channel
from bot.outbound.platform_tokens import PlatformTokens
from bot.settings import read_accounts, read_environment
from bot.staff import Role
from bot.store import contacts
from bot.store import staff as staff_rows
from bot.store.contacts import Contact
from bot.store.staff import StaffRow
from connectors.wechat import OfficialAccount
from console.asking import COOKIE, DESK
from tests.running import free_ports
from tests.stage import Stage

NAMES = {
    "zhou": (Role.REP, "周代表"),
    "wu": (Role.REP, "吴代表"),
    "zheng": (Role.MANAGER, "郑经理"),
    "feng": (Role.CARE, "冯关怀"),
    "wei": (Role.MEDICAL, "卫医学"),
    "jiang": (Role.PV, "蒋警戒"),
    "shen": (Role.COMPLIANCE, "沈合规"),
    "han": (Role.REVIEWER, "韩法务"),
    "yang": (Role.ADMIN, "杨管理"),
    "zhu": (Role.AUDITOR, "朱审计"),
}
TEAM = "一队"
PASSWORD = "a password of the tests"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)  # ours take a core each
HOSTILE = "<script>alert(1)</script>"  # a doctor's name
PAGE = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@dataclass
class Visitor:
    """A browser as far as HTTP goes: it keeps the one cookie, and says where a request comes from."""

    http: aiohttp.ClientSession
    url: str
    token: str = ""
    headers: dict[str, str] = field(default_factory=lambda: dict(PAGE))

    async def ask(
        self, method: str, path: str, *, data: dict[str, Any] | None = None, **headers: str
    ) -> tuple[int, str, dict[str, str]]:
        """(status, body, headers) of the answer; redirects are answers."""
        sent = {**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if self.token:
            sent["Cookie"] = f"{COOKIE}={self.token}"
        async with self.http.request(
            method, self.url + path, data=data, headers=sent, allow_redirects=False
        ) as answer:
            cookie = answer.cookies.get(COOKIE)
            if cookie is not None:
                self.token = cookie.value
            text = answer.charset == "utf-8"  # neither a stream nor a file
            return answer.status, await answer.text() if text else "", dict(answer.headers)

    async def get(self, path: str, status: int = 200) -> str:
        found, body, _ = await self.ask("GET", path)
        assert found == status, (path, found, body[:500])
        return body

    async def post(self, path: str, status: int = 303, **data: Any) -> str:
        found, body, _ = await self.ask("POST", path, data=data)
        assert found == status, (path, found, body[:500])
        return body

    async def sign_in(self, login: str, password: str, status: int = 303) -> str:
        return await self.post("/console/sign-in", status, login=login, password=password)


@dataclass
class Office:
    """The console and who works there: one of each role, and two reps with a doctor each."""

    stage: Stage
    http: aiohttp.ClientSession
    url: str
    doctors: dict[str, UUID]  # login of the rep -> their doctor
    contacts: dict[str, Contact]  # the same, and of `patient`, and of who is on no list
    desk: Desk  # of the running console

    def visitor(self) -> Visitor:
        return Visitor(self.http, self.url)

    async def as_(self, login: str) -> Visitor:
        """Signed in."""
        visitor = self.visitor()
        await visitor.sign_in(login, PASSWORD)
        return visitor

    async def staff(self, login: str) -> StaffRow:
        async with self.stage.services.db.begin() as tx:
            return (await staff_rows.read(tx, login))[0]

    async def registered(self, login: str, until: date) -> None:
        async with self.stage.services.db.begin() as tx:
            now = self.stage.services.clock.now()
            await staff.register(tx, login, "备案001", now, company="示例制药", until=until, by="test")


async def list_doctor(stage: Stage, contact: Contact, external_id: str, name: str, rep: UUID) -> UUID:
    """Whoever has this contact is on the list, verified, and this rep's."""
    services = stage.services
    async with services.db.begin() as tx:
        sealed = await services.vault.seal(tx, contact.person_id, name, "doctor.name")
    await stage.write(
        "INSERT INTO doctor (person_id, external_id, name_enc, hospital, department, title, city, rep_id, "
        "digest, verified_at, verified_by, updated_at) VALUES (:person, :external, :name, '示例县人民医院', "
        "'内分泌科', '主治医师', '示例市', :rep, '', now(), 'import', now())",
        person=contact.person_id, external=external_id, name=sealed, rep=rep,
    )  # fmt: skip
    await stage.write("UPDATE person SET kind = 'doctor' WHERE id = :id", id=contact.person_id)
    return contact.person_id


async def add_contact(stage: Stage, address: str, audience: Audience = Audience.DOCTOR) -> Contact:
    """Somebody new."""
    services, now = stage.services, stage.services.clock.now()
    account = Account(Channel.WECHAT, "sandbox")
    async with services.db.begin() as tx:
        person_id = await services.vault.create(tx, "newcomer", now)
        made = await contacts.add(tx, services.vault, account, audience, address, person_id, now)
    assert made is not None
    return made


@pytest.fixture
async def office(stage: Stage, http: aiohttp.ClientSession) -> AsyncIterator[Office]:
    """The phone's owner is 周代表's doctor, has just written, and is named as an attacker would be."""
    await stage.phone.send(type="text", content="周代表您好，二甲双胍的资料有吗", wait=True)
    services = stage.services
    people = {**NAMES, "alien": (Role.MANAGER, "外队经理")}
    ids = {}
    async with services.db.begin() as tx:
        for login, (role, name) in people.items():
            team = "二队" if login == "alien" else TEAM
            added = await staff_rows.add(tx, name, login, CHEAP, team)
            assert added is not None
            await staff_rows.add_roles(tx, added, [role])
            await staff_rows.mark_demo(tx, added)  # so that no second factor is asked for
            ids[login] = added
    found = {
        "zhou": await stage.contact(),
        "wu": await add_contact(stage, "oOther00000000000000000000001"),
        "patient": await add_contact(stage, "oPatient0000000000000000001", Audience.PATIENT),
        "newcomer": await add_contact(stage, "oNewcomer000000000000000001"),
    }
    doctors = {
        "zhou": await list_doctor(stage, found["zhou"], "T-1", HOSTILE, ids["zhou"]),
        "wu": await list_doctor(stage, found["wu"], "T-2", "李乙", ids["wu"]),
    }
    (port,) = free_ports(1)
    settings = read_environment({"MEDREP_HOME": str(services.home), "MEDREP_SANDBOX": "1"})
    app = web.Application()
    account, tokens = stage.wechat.account, PlatformTokens(services.db, services.vault.keyring)
    platform = OfficialAccount(
        account, read_accounts(services.home / "sandbox.toml").wechat["sandbox"], tokens, http
    )
    built = console.build(settings, services, stage.live, {account: platform.scan_url})
    app.add_subapp("/console/", built)
    async with AsyncExitStack() as stack:
        await listen(stack, app, "127.0.0.1", port)
        yield Office(stage, http, f"http://127.0.0.1:{port}", doctors, found, built[DESK])
