"""A person with something in every table."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from bot.doctors import Attempt, import_doctors, issue_codes, verify
from bot.runtime.services import Services
from bot.store import contacts
from tests.privacy.life import (
    ACCOUNTS,
    ADVERSE,
    BEFORE,
    DEMO,
    NAME,
    OPENID,
    PHONE,
    QUESTION,
    Life,
    talk,
    write,
)


@pytest.fixture
async def life(services: Services, tmp_path: Path) -> Life:
    now = services.clock.now()
    path = tmp_path / "doctors.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = [
            ["D1", NAME, "虚构县青石医院", PHONE, "王代表"],
            ["D2", "李四", "示例县中医院", "13900000000", ""],
        ]
        csv.writer(file).writerows([["外部编号", "姓名", "医院", "手机", "负责代表"], *rows])
    report = await import_doctors(services.db, services.vault, services.clock, ACCOUNTS, path)
    codes = dict(await issue_codes(services.db, services.vault.keyring, services.clock, report.loaded))
    await write(services, BEFORE)
    async with services.db.begin() as tx:
        before = await contacts.by_address(tx, services.vault, DEMO, OPENID)
        assert before is not None
        answers = {"name": NAME, "hospital": "虚构县青石医院", "phone": PHONE}
        assert await verify(tx, services, before, {**answers, "code": "none"}, now) == Attempt.WAIT
        assert await verify(tx, services, before, {**answers, "code": codes["D1"]}, now) == Attempt.VERIFIED
    await write(services, QUESTION)
    await write(services, ADVERSE)
    async with services.db.begin() as tx:
        contact = await contacts.by_id(tx, before.id)
        await talk(tx, services, contact)
    return Life(services, contact, before.person_id, contact.person_id, path)
