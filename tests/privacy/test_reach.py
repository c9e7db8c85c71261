"""Who may read the tables, and how a contact's page finds what is of the contact."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import Select, literal, select, text
from sqlalchemy.exc import ProgrammingError

from bot.service.postgres import Cluster
from bot.store.database import CONSOLE, Database
from bot.store.tables import metadata

# Of people, and of no contact in particular.
OF_NO_CONTACT = {"doctor", "invitation_code"}
SECRET = {"platform_token", "key_check", "key_holder", "attempt", "staff_session", "case_sign"}


@pytest.fixture
async def console(database: Database) -> AsyncIterator[Database]:
    opened = Database(database.url, role=CONSOLE)
    yield opened
    await opened.close()


async def allowed(database: Database, statement: str | Select[Any]) -> bool:
    try:
        async with database.begin() as tx:
            await tx.execute(text(statement) if isinstance(statement, str) else statement)
    except ProgrammingError as error:
        assert "permission denied" in str(error.orig)
        return False
    return True


async def test_the_console_reads_and_does_not_write(console: Database) -> None:
    one = select(literal(1))
    readable = {
        table.name for table in metadata.sorted_tables if await allowed(console, one.select_from(table))
    }
    assert set(metadata.tables) - readable == SECRET
    assert await allowed(console, "SELECT login, name FROM staff")
    assert not await allowed(console, "SELECT password_hash FROM staff")
    for statement in ("DELETE FROM task", "UPDATE person SET kind = 'doctor'", "DELETE FROM evidence"):
        assert not await allowed(console, statement)


async def test_a_later_migrations_table_is_read_too(
    console: Database, cluster: Cluster, database: Database
) -> None:
    name = database.url.rpartition("/")[2]
    owner = Database(cluster.url("medrep_owner", name), role=None)
    async with owner.begin() as tx:
        await tx.execute(text("CREATE TABLE later (id bigint)"))
    await owner.close()
    assert await allowed(console, "SELECT * FROM later")
    assert not await allowed(console, "INSERT INTO later VALUES (1)")


def test_what_is_a_persons_reaches_its_contact() -> None:
    """A new table of people says which contact its row is of, or why none."""
    of_people = {name: table for name, table in metadata.tables.items() if "person_id" in table.c}
    assert {name for name, table in of_people.items() if "contact_id" not in table.c} == {
        "contact",
        *OF_NO_CONTACT,
    }
    for name, table in of_people.items():
        if "contact_id" in table.c:
            leading = {next(iter(index.columns)).name for index in table.indexes}
            assert "contact_id" in leading or table.c.contact_id.primary_key, name
