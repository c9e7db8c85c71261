"""The database itself keeps a colleague to what is theirs: no statement here asks for anybody."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from bot.model import Purpose
from bot.staff import Role
from bot.store import desk, desk_chats
from bot.store.database import CONSOLE, Database, Tx
from bot.store.tables import metadata
from bot.tasks import Kind, open_task
from tests.console.conftest import Office

# Of people, and read by every colleague: what is in them opens with a key file alone.
OPEN_TO_ALL = {"data_key"}


@asynccontextmanager
async def reading(office: Office, login: str) -> AsyncIterator[Tx]:
    """As the console reads for this colleague; empty: as it reads when nobody was named."""
    console = Database(office.stage.services.db.url, role=CONSOLE, size=1)
    try:
        async with console.begin() as tx:
            if login:
                await desk.become(tx, (await office.staff(login)).id)
            yield tx
    finally:
        await console.close()


async def contacts_in(office: Office, login: str, table: str) -> set[str]:
    """Whose rows of a table a colleague finds without asking for anybody."""
    names = {contact.id: name for name, contact in office.contacts.items()}
    async with reading(office, login) as tx:
        column = "id" if table == "contact" else "contact_id"
        rows = await tx.execute(text(f"SELECT DISTINCT {column} FROM {table}"))  # noqa: S608
        return {names[number] for number in rows.scalars() if number in names}


async def filled(office: Office) -> None:
    """Something of everybody in the tables that hold words."""
    stage = office.stage
    services, now = stage.services, stage.services.clock.now()
    async with services.db.begin() as tx:
        for name, contact in office.contacts.items():
            await stage.queue_in(tx, contact, stage.draft())
            await open_task(tx, services.vault, Kind.HAND_OVER, now=now, contact=contact, key=name)
            await open_task(
                tx, services.vault, Kind.MEDICAL_INFORMATION, now=now, contact=contact, detail="超说明书"
            )


@pytest.mark.parametrize("table", ["contact", "outbox", "evidence"])
@pytest.mark.parametrize(
    ("login", "theirs"),
    [
        ("", set()),
        ("zhou", {"zhou"}),
        ("wu", {"wu"}),
        ("zheng", {"zhou", "wu", "newcomer"}),
        ("alien", {"newcomer"}),
        ("feng", {"patient"}),
        ("wei", {"zhou", "wu", "newcomer"}),
        ("jiang", {"zhou", "wu", "newcomer", "patient"}),
        ("han", set()),
        ("yang", set()),
        ("zhu", {"zhou", "wu", "newcomer", "patient"}),
    ],
)
async def test_without_any_where_one_finds_what_is_ones_own(
    office: Office, login: str, theirs: set[str], table: str
) -> None:
    await filled(office)
    assert await contacts_in(office, login, table) == theirs


async def test_a_rep_finds_no_other_doctor_by_any_table(office: Office) -> None:
    await filled(office)
    own = office.doctors["zhou"]
    async with reading(office, "zhou") as tx:
        assert (await tx.execute(text("SELECT person_id FROM doctor"))).scalars().all() == [own]
        assert (await tx.execute(text("SELECT id FROM person"))).scalars().all() == [own]
        for name, table in metadata.tables.items():
            if name in OPEN_TO_ALL or not {"person_id", "contact_id"} & set(table.c.keys()):
                continue
            if not await readable(tx, name):
                continue
            if "person_id" in table.c:
                found = await tx.execute(text(f"SELECT DISTINCT person_id FROM {name}"))  # noqa: S608
                assert set(found.scalars()) <= {own}, name


async def readable(tx: Tx, table: str) -> bool:
    query = text("SELECT has_table_privilege(:table, 'SELECT')")
    return bool((await tx.execute(query, {"table": table})).scalar())


@pytest.mark.parametrize(
    ("login", "found"), [("zheng", True), ("alien", True), ("zhou", False), ("wei", True), ("feng", False)]
)
async def test_a_doctor_without_a_rep_is_in_every_managers_list(
    office: Office, login: str, found: bool
) -> None:
    await office.stage.write("UPDATE doctor SET rep_id = NULL WHERE external_id = 'T-2'")
    async with reading(office, login) as tx:
        lines = await desk.find_doctors(tx, office.stage.services.vault, "李乙", 10, 10)
        assert [line.name for line in lines] == (["李乙"] if found else [])


@pytest.mark.parametrize(
    ("login", "kinds"),
    [
        ("zhou", {"hand_over"}),
        ("feng", {"hand_over"}),
        ("wei", {"medical_information"}),
        ("han", set()),
        ("shen", set()),
        ("zhu", {"hand_over", "medical_information"}),
    ],
)
async def test_tasks_are_read_by_whom_they_are_for(office: Office, login: str, kinds: set[str]) -> None:
    await filled(office)
    async with reading(office, login) as tx:
        assert set((await tx.execute(text("SELECT kind FROM task"))).scalars()) == kinds


async def test_a_rep_is_told_that_a_request_exists_and_no_word_of_it(office: Office) -> None:
    await filled(office)
    async with reading(office, "zhou") as tx:
        rows = (await tx.execute(text("SELECT * FROM task_notice"))).mappings().all()
    assert [(row["kind"], row["contact_id"]) for row in rows] == [
        ("medical_information", office.contacts["zhou"].id)
    ]
    assert set(rows[0]) == {"id", "kind", "contact_id", "opened_at", "due_at", "state"}


async def test_whoever_waits_longest_stands_first_and_none_is_left_out(office: Office) -> None:
    zhou, wu = office.contacts["zhou"], office.contacts["wu"]
    await office.stage.write(
        "INSERT INTO inbox (channel, account, key, contact_id, person_id, kind, body_enc, received_at, "
        "state, ready_at) SELECT channel, account, 'of wu', :contact, :person, kind, body_enc, "
        "received_at - interval '1 day', state, ready_at FROM inbox",
        contact=wu.id, person=wu.person_id,
    )  # fmt: skip
    services, now = office.stage.services, office.stage.services.clock.now()
    async with services.db.begin() as tx:
        for hours, contact in ((1, zhou), (5, wu)):
            opened = now - timedelta(hours=hours)
            await open_task(tx, services.vault, Kind.HAND_OVER, now=opened, contact=contact)
    async with reading(office, "zhu") as tx:
        assert [line.contact_id for line in await desk_chats.waiting(tx, 9)] == [wu.id, zhou.id]
        assert [line.contact_id for line in await desk_chats.recent(tx, 9, 1)] == [wu.id, zhou.id]


@pytest.mark.parametrize("change", ["disabled", "role"])
async def test_who_is_disabled_or_has_another_role_sees_nothing_from_then_on(
    office: Office, change: str
) -> None:
    zhou = (await office.staff("zhou")).id
    if change == "disabled":
        await office.stage.write("UPDATE staff SET disabled_at = now() WHERE id = :id", id=zhou)
    else:
        await office.stage.write("UPDATE staff_role SET role = 'admin' WHERE staff_id = :id", id=zhou)
    assert await contacts_in(office, "zhou", "contact") == set()


async def test_the_name_of_one_transaction_is_none_of_the_next(office: Office) -> None:
    console = Database(office.stage.services.db.url, role=CONSOLE, size=1)
    async with console.begin() as tx:
        await desk.become(tx, (await office.staff("zhu")).id)
        assert (await tx.execute(text("SELECT count(*) FROM contact"))).scalar() == 4
    async with console.begin() as tx:
        assert (await tx.execute(text("SELECT count(*) FROM contact"))).scalar() == 0
    await console.close()


async def test_every_table_of_people_is_guarded(office: Office) -> None:
    """A new table of people calls `guard_rows` in its migration, or the console reads none of it."""

    async def guarded(tx: Tx) -> set[str]:
        rows = await tx.execute(text("SELECT relname FROM pg_class WHERE relrowsecurity"))
        return set(rows.scalars())

    async with reading(office, "") as tx:
        bare = [
            name
            for name, table in metadata.tables.items()
            if {"person_id", "contact_id"} & set(table.c.keys()) and await readable(tx, name)
        ]
        assert set(bare) - OPEN_TO_ALL - await guarded(tx) == set()


async def test_the_service_itself_is_not_bound(office: Office) -> None:
    """The worker's rows are all there, and it may write them."""
    assert await office.stage.rows("SELECT count(*) FROM contact") == [(4,)]
    row = await office.stage.queue(purpose=Purpose.REPLY)
    found: Any = await office.stage.row(row)
    assert found.state == "waiting"


def test_every_role_is_one_that_the_database_knows_of() -> None:
    assert set(Role) == {
        "rep",
        "manager",
        "care",
        "medical",
        "pv",
        "compliance",
        "reviewer",
        "admin",
        "auditor",
    }
