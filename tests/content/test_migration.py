"""What was published before there were revisions is carried over: all of it, and it stays in force."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from bot import store as package
from bot.content import edition_in_force
from bot.service.postgres import Cluster
from bot.store import content as store
from bot.store.database import Database, psycopg_url
from bot.store.migrate import migrate
from tests.content.conftest import NOW, a_little, changed

LITTLE = a_little()
LATER = changed(LITTLE, "entries", LITTLE.entries[0].id, answer="每日一次。")


@pytest.fixture
async def empty(cluster: Cluster) -> AsyncIterator[str]:
    """The owner's address of a database without tables; the worker's login is `medrep_app`."""
    name = f"test_{uuid4().hex}"
    async with await psycopg.AsyncConnection.connect(
        cluster.url("postgres", "postgres"), autocommit=True
    ) as admin:
        await admin.execute(f"CREATE DATABASE {name} OWNER medrep_owner")  # type: ignore[arg-type]
        yield cluster.url("medrep_owner", name)
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[arg-type]


def brought_to(url: str, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(package.__file__).parent / "migrations"))
    engine = create_engine(psycopg_url(url))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.commit()
    engine.dispose()


async def test_published_versions_become_revisions(cluster: Cluster, empty: str) -> None:
    await asyncio.to_thread(brought_to, empty, "0012")
    async with await psycopg.AsyncConnection.connect(empty, autocommit=True) as owner:
        for content, by, current in ((LITTLE, "seed", False), (LATER, "admin", True)):
            await owner.execute(
                "INSERT INTO content_version VALUES (%s, %s, %s, %s, %s)",
                (content.fingerprint, json.dumps(content.to_json()), NOW, by, current),
            )
    await asyncio.to_thread(migrate, empty)
    database = Database(cluster.url(database=empty.rpartition("/")[2]))
    async with database.begin() as tx:
        edition, version = await edition_in_force(tx), await store.current(tx)
        revisions = await store.of_item(tx, LITTLE.entries[0].id)
        pending, standing = await store.pending(tx), await store.standing(tx, NOW)
    await database.close()
    assert edition is not None and edition.content == LATER
    assert version is not None and version.fingerprint == LATER.fingerprint
    assert [(one.number, one.state, one.author) for one in revisions] == [
        (1, "retired", "seed"), (2, "published", "admin"),
    ]  # fmt: skip
    assert pending == [] and standing == [(version.id, frozenset())]
    assert edition.numbers == {entry.id: 2 if entry == LATER.entries[0] else 1 for entry in LATER.entries}
