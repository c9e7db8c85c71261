"""Colleagues' accounts: `medrep staff` as it is used, and what an import does with a name."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from sqlalchemy import select

from bot.clock import Clock
from bot.model import Fault, MedrepError
from bot.staff import Role, add, disable, find_reps, reset
from bot.store import staff as rows
from bot.store.database import Database
from bot.store.tables import evidence, staff
from tests.running import Service


@pytest.fixture
def office(home: Path, database: Database) -> Service:
    """Its database runs already, so that no command starts one."""
    return Service(home, {"MEDREP_DATABASE_URL": database.url})


def listed(office: Service) -> list[dict[str, Any]]:
    return [json.loads(line) for line in office.prints("staff", "list").splitlines()]


def test_the_commands_keep_their_word(office: Service, tmp_path: Path) -> None:
    """add and reset print one one-time password and nothing else, list one JSON object a line."""
    file = tmp_path / "doctors.csv"
    file.write_text("外部编号,姓名,医院,负责代表\nD-1,张测,虚构县医院,吴代表\n", encoding="utf-8")
    office.prints("import-doctors", file)
    first = office.prints(
        "staff", "add", "wu", "--role", "rep", "--role", "manager", "--name", "吴代表"
    ).strip()
    second = office.prints("staff", "reset", "wu").strip()
    office.prints("staff", "add", "pv-1", "--role", "pv")
    office.prints("staff", "disable", "pv-1")
    assert len({first, second}) == 2
    assert all(len(password) >= 16 and len(password.split()) == 1 for password in (first, second))

    refused = office.medrep("staff", "add", "wu", "--role", "rep")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert office.medrep("staff", "add", "x", "--role", "owner").returncode == 2
    assert office.medrep("staff", "reset", "nobody").returncode == 2
    assert office.medrep("staff", "reset", "pv-1").returncode == 2, "it is disabled"

    shown = {row["login"]: row for row in listed(office)}
    assert shown["wu"] == {
        "login": "wu", "name": "吴代表", "roles": ["manager", "rep"], "team": "",
        "one_time": True, "disabled_at": None,
    }  # fmt: skip
    assert (shown["pv-1"]["name"], shown["pv-1"]["roles"]) == ("pv-1", ["pv"])
    assert shown["pv-1"]["disabled_at"]

    found = office.prints("evidence", "verify")
    assert found.startswith("OK ")


async def test_only_the_newest_password_opens(database: Database, clock: Clock) -> None:
    """What is stored is an argon2id hash, of the newest password alone; disabling leaves none."""

    async def stored() -> Any:
        async with database.begin() as tx:
            return (await tx.execute(select(staff))).one()

    async with database.begin() as tx:
        first = await add(tx, "wu", [Role.REP], clock.now(), by="test")
    async with database.begin() as tx:
        second = await reset(tx, "wu", clock.now(), by="test")
    row = await stored()
    assert row.one_time
    assert row.password_hash.startswith("$argon2id$")
    assert PasswordHasher().verify(row.password_hash, second)
    with pytest.raises(VerifyMismatchError):
        PasswordHasher().verify(row.password_hash, first)
    async with database.begin() as tx:
        await disable(tx, "wu", clock.now(), by="test")
    assert (await stored()).password_hash is None

    async with database.begin() as tx:
        kinds = (await tx.execute(select(evidence.c.kind).order_by(evidence.c.id))).scalars().all()
        facts = (await tx.execute(select(evidence.c.facts))).scalars().all()
    assert kinds == ["staff.added", "staff.reset", "staff.disabled"]
    assert not any(secret in json.dumps(fact) for fact in facts for secret in (first, second))


async def test_who_was_disabled_comes_back_with_the_roles_named(database: Database, clock: Clock) -> None:
    async with database.begin() as tx:
        await add(tx, "wu", [Role.ADMIN, Role.PV], clock.now(), by="test")
        await disable(tx, "wu", clock.now(), by="test")
        await add(tx, "wu", [Role.REP], clock.now(), by="test")
        (row,) = await rows.read(tx)
    assert (row.roles, row.disabled_at) == (("rep",), None)


@pytest.mark.parametrize("other", ["吴代表", "周代表"])
async def test_one_login_is_given_once(database: Database, clock: Clock, other: str) -> None:
    """Two administrators at the same moment: one colleague, one password, one refusal."""

    async def once(name: str) -> str:
        async with database.begin() as tx:
            return await add(tx, "wu", [Role.REP], clock.now(), name=name, by="test")

    done = await asyncio.gather(once("吴代表"), once(other), return_exceptions=True)
    refusals = [error for error in done if isinstance(error, MedrepError)]
    assert [error.fault for error in refusals] == [Fault.CONFLICT]
    async with database.begin() as tx:
        assert len(await rows.read(tx)) == 1


@pytest.mark.parametrize("written", ["周代表(演示)", "周代表（演示）", "周　代表（演示） "])
async def test_a_login_goes_to_the_rep_of_the_list_however_the_brackets_are_written(
    database: Database, clock: Clock, written: str
) -> None:
    """The demo's reps had no doctors: （演示） of the command was not (演示) of the list."""
    async with database.begin() as tx:
        await find_reps(tx, {"周代表(演示)"}, clock.now())
        await add(tx, "zhou", [Role.REP], clock.now(), name=written, by="test")
        (row,) = await rows.read(tx)
    assert (row.login, row.name) == ("zhou", "周代表(演示)")


async def test_a_name_of_an_import_is_a_rep_without_a_login(database: Database, clock: Clock) -> None:
    """The same name again is the same colleague, whatever their roles became."""
    async with database.begin() as tx:
        first = await find_reps(tx, {"吴代表", "周代表"}, clock.now())
    async with database.begin() as tx:
        again = await find_reps(tx, {"吴代表", "郑代表"}, clock.now())
        found = await rows.read(tx)
        kinds = (await tx.execute(select(evidence.c.kind))).scalars().all()
    assert again["吴代表"] == first["吴代表"]
    assert {(row.name, row.login, row.roles) for row in found} == {
        (name, None, ("rep",)) for name in ("吴代表", "周代表", "郑代表")
    }
    assert kinds == ["staff.named"] * 3
