"""Importing the list of doctors into a real database, from good files, bad rows and broken files."""

from __future__ import annotations

import asyncio
import csv
import os
import signal
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from bot.clock import Clock, real_now
from bot.doctors import issue_codes, write_codes
from bot.model import Account, Audience, Channel, Fault, MedrepError
from bot.privacy import export_person
from bot.store import arriving_contacts, contacts, doctors, people, scenes, tables
from bot.store.database import Database
from bot.store.tables import doctor, evidence, invitation_code, person, staff
from bot.store.vault import Vault
from tests.doctors.sheets import Load, count, row
from tests.locks import begun

DEMO = Account(Channel.WEBCHAT, "demo")


async def profile(database: Database, vault: Vault, external_id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await export_person(database, vault, external_id=external_id))["profile"]
    return found


@pytest.mark.parametrize(
    ("kind", "encoding"), [("csv", "utf-8"), ("csv", "utf-8-sig"), ("csv", "gb18030"), ("xlsx", "")]
)
async def test_a_doctor_is_stored_as_described(
    write: Any, load: Load, database: Database, vault: Vault, kind: str, encoding: str
) -> None:
    number = 13800001234 if kind == "xlsx" else "138-0000 1234"
    report = await load(
        write(row(1, 手机=number, 关注领域="高血压；糖尿病, 高血压/血脂"), kind=kind, encoding=encoding)
    )
    assert (report.added, report.changed, report.unchanged, report.faults) == (1, 0, 0, [])
    stored = await profile(database, vault, "D1")
    assert stored.pop("updated_at")
    assert stored == {
        "external_id": "D1",
        "name": "张三",
        "phone": "13800001234",
        "hospital": "示例县人民医院",
        "tier": "二级甲等",
        "department": "心内科",
        "title": "主治医师",
        "city": "示例市",
        "interests": ["高血压", "糖尿病", "血脂"],
        "rep": "王代表",
    }
    async with database.begin() as tx:
        assert (await tx.execute(select(staff.c.name, staff.c.login))).all() == [("王代表", None)]
        assert not await doctors.verified(tx, [await doctors.person_of(tx, "D1")])


async def test_an_english_header_and_only_what_is_needed(load: Load, write: Any) -> None:
    report = await load(
        write(["E-1", "Zhang San", "示例医院"], header=["External ID", "*Name (required)", "hospital"])
    )
    assert (report.added, report.faults, report.ignored_columns) == (1, [], ())


async def test_again_changes_nothing_and_a_changed_row_only_itself(
    load: Load, write: Any, database: Database, vault: Vault
) -> None:
    await load(write(row(1), row(2)))
    async with database.begin() as tx:
        before = (await tx.execute(select(doctor).order_by(doctor.c.external_id))).all()
    again = await load(write(row(1), row(2)))
    assert (again.added, again.changed, again.unchanged) == (0, 0, 2)
    async with database.begin() as tx:
        assert (await tx.execute(select(doctor).order_by(doctor.c.external_id))).all() == before
    changed = await load(write(row(1), row(2, 姓名="李四", 负责代表="")))
    assert (changed.added, changed.changed, changed.unchanged) == (0, 1, 1)
    stored = await profile(database, vault, "D2")
    assert (stored["name"], stored["rep"]) == ("李四", None)
    assert await count(database, person) == 2


BAD = [
    ({"姓名": ""}, "姓名为空"),
    ({"医院": "   "}, "医院为空"),
    ({"外部编号": ""}, "外部编号为空"),
    ({"手机": "12345"}, "手机不是有效"),
    ({"手机": "1.38E+10"}, "科学计数法"),
    ({"姓名": "=cmd|' /C calc'!A0"}, "像是公式"),
    ({"科室": "＝1+1"}, "像是公式"),
    ({"城市": "@SUM(1)"}, "像是公式"),
    ({"外部编号": "-1"}, "像是公式"),
    ({"关注领域": "高血压;=1+1"}, "像是公式"),
    ({"姓名": "张" * 41}, "姓名超过40个字"),
    ({"医院": "院" * 5000}, "医院超过80个字"),
    ({"姓名": "张\x00三"}, "控制字符"),
    ({"姓名": "张\n三"}, "换行"),
    ({"姓名": "13800001234"}, "不像人名"),
    ({"姓名": "#N/A"}, "错误值"),
    ({"外部编号": "D 9"}, "空格"),
    ({"渠道": "webchat:nowhere", "渠道账号": "o1"}, "渠道不是配置里"),
    ({"渠道": "nowhere", "渠道账号": "o1"}, "渠道不是配置里"),
    ({"渠道": "webchat:home", "渠道账号": "o1"}, "面向患者"),
    ({"渠道账号": "o1"}, "没有渠道"),
    ({"关注领域": "、".join(f"领域{n}" for n in range(31))}, "关注领域过多"),
]


@pytest.mark.parametrize(("changes", "reason"), BAD)
async def test_a_bad_row_is_named_and_the_others_load(
    load: Load, write: Any, changes: dict[str, str], reason: str
) -> None:
    report = await load(write(row(1), row(2, **changes), row(3)))
    assert report.added == 2
    assert [fault.row for fault in report.faults] == [3]
    assert reason in report.faults[0].reason
    for value in changes.values():
        assert not value.strip() or value not in report.faults[0].reason


async def test_rows_that_repeat_an_earlier_one(load: Load, write: Any) -> None:
    address = {"渠道": "webchat:demo", "渠道账号": "o1"}
    report = await load(write(row(1), row(1, 姓名="李四"), row(2, **address), row(3, **address)))
    assert [(fault.row, fault.reason) for fault in report.faults] == [
        (3, "外部编号与第 2 行重复"),
        (5, "渠道账号与第 4 行重复"),
    ]


async def test_blank_rows_keep_the_numbers_of_the_sheet(load: Load, write: Any) -> None:
    for kind in ("csv", "xlsx"):
        report = await load(write(row(1), [""] * 12, [], row(2, 手机="1"), kind=kind))
        assert [fault.row for fault in report.faults] == [5], kind
        assert report.rows == 2


async def test_a_row_longer_than_the_header(load: Load, write: Any) -> None:
    report = await load(write([*row(1), "错列"], row(2)))
    assert [(fault.row, "错列" in fault.reason) for fault in report.faults] == [(2, True)]


async def test_numbers_dates_and_formulas_of_a_spreadsheet(
    load: Load, write: Any, database: Database, vault: Vault
) -> None:
    report = await load(
        write(
            row(1, 外部编号=1001.0, 手机=13800001234.0),
            row(2, 职称=date(2026, 1, 2)),
            row(3, 姓名='=HYPERLINK("http://example.invalid")'),
            row(4, 外部编号=123456789012345678),
            row(5, 科室=True),
            kind="xlsx",
        )
    )
    assert (await profile(database, vault, "1001"))["phone"] == "13800001234"
    assert [(f.row, f.reason.split("：")[0]) for f in report.faults] == [
        (3, "职称"),
        (4, "姓名以 = + - @ 开头，像是公式"),
        (5, "外部编号"),
        (6, "科室"),
    ]


# ---------------------------------------------------------------- accounts


async def test_a_doctor_with_an_account_is_verified(
    load: Load, write: Any, database: Database, vault: Vault
) -> None:
    address = {"渠道": "webchat:demo", "渠道账号": "oABC"}
    await load(write(row(1, **address)))
    async with database.begin() as tx:
        contact = await contacts.by_address(tx, vault, DEMO, "oABC")
        assert contact is not None and contact.person_id == await doctors.person_of(tx, "D1")
        assert await contacts.address(tx, vault, contact.id) == "oABC"
        standing = (await scenes.background(tx, vault, contact.id, real_now(), real_now())).standing
        assert (standing.verified, standing.rep) == (True, "王代表")
        assert (await tx.execute(select(doctor.c.verified_by))).scalar_one() == "import"


async def test_a_newcomer_of_that_account_turns_out_to_be_the_doctor(
    load: Load, write: Any, database: Database, vault: Vault, clock: Clock
) -> None:
    async with database.begin() as tx:
        newcomer = await arriving_contacts.find_or_add(tx, vault, DEMO, Audience.DOCTOR, "oABC", clock.now())
        await people.stop(tx, newcomer.person_id, clock.now())
    await load(write(row(1, 渠道="webchat:demo", 渠道账号="oABC")))
    async with database.begin() as tx:
        contact = await contacts.by_address(tx, vault, DEMO, "oABC")
        assert contact is not None and contact.id == newcomer.id
        assert contact.person_id == await doctors.person_of(tx, "D1")
        assert contact.stopped_at is not None
        merged = select(person.c.merged_into).where(person.c.id == newcomer.person_id)
        assert (await tx.execute(merged)).scalar_one() == contact.person_id
        assert await contacts.address(tx, vault, contact.id) == "oABC"
    assert await count(database, tables.contact) == 1


async def test_an_account_of_another_doctor_is_refused(
    load: Load, write: Any, database: Database, vault: Vault
) -> None:
    address = {"渠道": "webchat:demo", "渠道账号": "oABC"}
    await load(write(row(1, **address)))
    report = await load(write(row(2, **address), row(3)))
    assert [(f.row, f.reason) for f in report.faults] == [(2, "渠道账号已属于另一位医生")]
    assert report.loaded == ["D3"]


async def test_a_corrected_account_detaches_the_wrong_one(
    load: Load, write: Any, database: Database, vault: Vault
) -> None:
    await load(write(row(1, 渠道="webchat:demo", 渠道账号="oWRONG")))
    await load(write(row(1, 渠道="webchat:demo", 渠道账号="oRIGHT")))
    await load(write(row(1, 渠道="webchat:demo", 渠道账号="oRIGHT", 职称="主任医师")))
    async with database.begin() as tx:
        right = await contacts.by_address(tx, vault, DEMO, "oRIGHT")
        wrong = await contacts.by_address(tx, vault, DEMO, "oWRONG")
        assert right is not None and wrong is not None
        assert right.person_id == await doctors.person_of(tx, "D1")
        assert not await doctors.verified(tx, [wrong.person_id])
        assert await contacts.address(tx, vault, wrong.id) == "oWRONG"


async def test_an_import_locks_all_its_contacts_in_one_order(
    load: Load, write: Any, database: Database
) -> None:
    """A sender locks the contacts of its batch by id, and the first here is one that its doctor loses."""
    await load(write(row(1, 渠道="webchat:demo", 渠道账号="oOLD")))
    await load(write(row(2, 渠道="webchat:demo", 渠道账号="oKEPT")))
    kept = row(2, 渠道="webchat:demo", 渠道账号="oKEPT", 城市="新市")
    changed = write(row(1, 渠道="webchat:demo", 渠道账号="oNEW"), kept)
    locked = "SELECT FROM contact WHERE person_id = (SELECT person_id FROM doctor WHERE external_id = :id)"
    async with database.begin() as sending:
        await sending.execute(text(f"{locked} FOR KEY SHARE"), {"id": "D1"})
        importing = await begun(database, load(changed))
        await sending.execute(text(f"{locked} FOR KEY SHARE"), {"id": "D2"})
    assert (await importing).changed == 2


# ---------------------------------------------------------------- runs


IMPORT = """
import asyncio, sys
from pathlib import Path
from bot.clock import Clock
from bot.doctors import import_doctors
from bot.settings import Accounts
from bot.store.database import Database
from bot.store.keyring import Keyring, evidence_key
from bot.store.vault import Vault
url, keys, file = sys.argv[1:]
db = Database(url, evidence_key=evidence_key(Path(keys)))
asyncio.run(import_doctors(db, Vault(Keyring(Path(keys))), Clock(), Accounts(), Path(file)))
"""


async def test_a_run_that_was_killed_is_simply_run_again(
    load: Load, write: Any, database: Database, vault: Vault, home: Path, tmp_path: Path
) -> None:
    path = write(*(row(n) for n in range(2500)))
    points = tmp_path / "points"
    points.mkdir()
    (points / "import.batch").touch()
    killed = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", IMPORT, database.url, str(home / "keys"), str(path)),
        env={**os.environ, "MEDREP_TEST": "1", "MEDREP_KILL_AT": str(points)},
    )
    assert await killed.wait() == -signal.SIGKILL
    assert await count(database, doctor) == 2000
    report = await load(path)
    assert (report.added, report.unchanged) == (500, 2000)
    assert (await profile(database, vault, "D0"))["name"] == "张三"


async def test_an_import_leaves_evidence_with_counts_and_nothing_personal(
    load: Load, write: Any, database: Database
) -> None:
    report = await load(write(row(1), row(2, 手机="1")))
    async with database.begin() as tx:
        rows = (await tx.execute(select(evidence).order_by(evidence.c.id))).all()
    assert [r.kind for r in rows] == ["staff.named", "doctors.batch", "doctors.imported"]
    assert rows[2].subject == f"file:{report.file}"
    assert rows[2].facts == {"by": "test", "rows": 2, "added": 1, "changed": 0, "unchanged": 0, "refused": 1}


# ---------------------------------------------------------------- codes


async def test_codes_go_to_those_they_help_and_rest_as_digests(
    load: Load, write: Any, database: Database, vault: Vault, clock: Clock, tmp_path: Path
) -> None:
    report = await load(write(row(1), row(2, 渠道="webchat:demo", 渠道账号="o2"), row(3, 手机=""), row(4)))
    out = tmp_path / "codes.csv"
    assert await write_codes(database, vault.keyring, clock, report.loaded, out) == 2
    assert out.stat().st_mode & 0o777 == 0o600
    with out.open(encoding="utf-8-sig", newline="") as file:
        header, *codes = list(csv.reader(file))
    assert header == ["external_id", "code"] and [who for who, _ in codes] == ["D1", "D4"]
    async with database.begin() as tx:
        rested = str((await tx.execute(select(invitation_code))).all())
    assert all(code not in rested and code.replace("-", "") not in rested for _, code in codes)
    with pytest.raises(MedrepError) as refused:
        await write_codes(database, vault.keyring, clock, report.loaded, out)
    assert refused.value.fault == Fault.CONFLICT
    # Who holds a good code keeps it; after its 30 days, or when renewed, there is a new one.
    assert await issue_codes(database, vault.keyring, clock, report.loaded) == []
    assert len(await issue_codes(database, vault.keyring, clock, report.loaded, renew=True)) == 2
    assert await count(database, invitation_code) == 2
    clock.move_to(clock.now() + timedelta(days=31))
    assert len(await issue_codes(database, vault.keyring, clock, report.loaded)) == 2
