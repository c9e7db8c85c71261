"""From a database of before the key tree: nothing is lost, and a receipt says what old keys leave behind."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from psycopg import sql
from sqlalchemy import create_engine, select, text

import bot.store.migrate
from bot.clock import real_now
from bot.model import Fault, MedrepError
from bot.service.postgres import Cluster
from bot.store import erasure, key_holders
from bot.store.database import Database, psycopg_url
from bot.store.key_checks import admit
from bot.store.keyring import Keyring, make_keys, seal
from bot.store.migrate import migrate
from bot.store.tables import data_key
from bot.store.vault import Vault

BEFORE = "0013"


@pytest.fixture
async def old(cluster: Cluster, tmp_path: Path) -> AsyncIterator[tuple[str, str, Path]]:
    """A database as an earlier version left it, for app and owner, and its key folder."""
    name, folder = f"old_{uuid4().hex}", tmp_path / "home" / "keys"
    admin = await psycopg.AsyncConnection.connect(cluster.url("postgres", "postgres"), autocommit=True)
    await admin.execute(sql.SQL("CREATE DATABASE {} OWNER medrep_owner").format(sql.Identifier(name)))
    owner = cluster.url("medrep_owner", name)
    await asyncio.to_thread(_upgrade, owner, BEFORE)
    make_keys(folder)
    for newer in ("leaves.key", "leaves.lock"):
        (folder / newer).unlink(missing_ok=True)
    yield cluster.url(database=name), owner, folder
    await admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
    await admin.close()


def _upgrade(url: str, revision: str) -> None:
    engine = create_engine(psycopg_url(url))
    with engine.connect() as connection:
        config = Config()
        place = Path(bot.store.migrate.__file__).parent / "migrations"
        config.set_main_option("script_location", str(place))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.commit()
    engine.dispose()


async def left_behind(url: str, folder: Path) -> tuple[UUID, UUID, bytes, bytes]:
    """A doctor and a safety case, each with a key under the master key alone, and a text of each."""
    master = (folder / "master-0001.key").read_bytes()
    people, texts = [uuid4(), uuid4()], []
    db = Database(url)
    async with db.begin() as tx:
        for person_id, kind in zip(people, ("doctor", "case"), strict=True):
            key = hashlib.sha256(person_id.bytes).digest()
            wrapped = seal(master, key, str(person_id).encode())
            await tx.execute(
                text("INSERT INTO person VALUES (:id, :kind, :wrapped, 'master-0001', NULL, :at)"),
                {"id": person_id, "kind": kind, "wrapped": wrapped, "at": real_now()},
            )
            texts.append(seal(key, f"{kind}的话".encode(), f"{person_id}:test.body".encode()))
        await tx.execute(
            text(
                "INSERT INTO task (kind, owner_role, key_id, detail_enc, opened_at, due_at, state)"
                " VALUES ('adverse_event', 'pv', :key, :enc, now(), now(), 'open')"
            ),
            {"key": people[1], "enc": texts[1]},
        )
    await db.close()
    return people[0], people[1], texts[0], texts[1]


async def test_old_keys_open_and_come_under_the_tree_and_are_named_when_destroyed(
    old: tuple[str, str, Path],
) -> None:
    """F4, F5: of an upgrade."""
    url, owner, folder = old
    doctor, case, sealed, kept = await left_behind(url, folder)
    await asyncio.to_thread(migrate, owner)
    await admit(url, folder)
    assert (folder / "leaves.key").exists(), "the machine that is first makes the tree"
    db = Database(url)
    async with db.begin() as tx:
        vault = Vault(await key_holders.open_keyring(tx, folder))
        assert await vault.open_text(tx, doctor, sealed, "test.body") == "doctor的话"
        assert await vault.open_text(tx, case, kept, "test.body") == "case的话"
        assert await vault.rewrap(tx, None) == (2, None) and await vault.rewrap(tx, None) == (0, None)
        rows = (await tx.execute(select(data_key).order_by(data_key.c.id))).all()
        assert all(row.bare and row.leaf is not None for row in rows)
        assert {row.person_id for row in rows} == {doctor, None}, "a case is nobody"
    async with db.begin() as tx:
        again = Vault(await key_holders.open_keyring(tx, folder))
        assert await again.open_text(tx, doctor, sealed, "test.body") == "doctor的话"
        assert await erasure.keys(tx, again, [doctor], real_now()) == (1, 1), "one, and it was once bare"
    async with db.begin() as tx:
        with pytest.raises(MedrepError) as gone:
            await Vault(Keyring(folder)).open_text(tx, doctor, sealed, "test.body")
        assert gone.value.fault == Fault.ERASED
        assert await Vault(Keyring(folder)).open_text(tx, case, kept, "test.body") == "case的话"
    await db.close()


async def test_another_machine_gets_the_tree_by_copy(old: tuple[str, str, Path], tmp_path: Path) -> None:
    """F5: it makes none of its own, though the old keys are all there."""
    url, owner, folder = old
    await left_behind(url, folder)
    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    for path in folder.glob("*.key"):
        (other / path.name).write_bytes(path.read_bytes())
    await asyncio.to_thread(migrate, owner)
    await admit(url, folder)
    with pytest.raises(MedrepError) as refused:
        await admit(url, other)
    assert "leaves.key is missing" in refused.value.detail
    (other / "leaves.key").write_bytes((folder / "leaves.key").read_bytes())
    await admit(url, other)
