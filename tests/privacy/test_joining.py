"""Whose keys a machine has: what is not the database's key folder may not join."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from sqlalchemy import delete, select, update

from bot.clock import real_now
from bot.evidence import note
from bot.model import Fault, MedrepError
from bot.store.database import Database
from bot.store.key_checks import admit
from bot.store.tables import data_key, key_check
from bot.store.vault import Vault
from tests.running import Service


async def refusal(database: Database, folder: Path) -> str:
    with pytest.raises(MedrepError) as refused:
        await admit(database.url, folder)
    assert refused.value.fault == Fault.CONFIGURATION
    assert str(folder) in refused.value.detail
    return refused.value.detail


async def test_the_first_start_on_an_empty_database_makes_the_keys(
    database: Database, tmp_path: Path
) -> None:
    """F5"""
    await admit(database.url, tmp_path / "first")
    made = sorted(path.name for path in (tmp_path / "first").glob("*.key"))
    assert made == ["digest.key", "evidence-rows.key", "evidence.key", "leaves.key", "master-0001.key"]
    await admit(database.url, tmp_path / "first")
    async with database.begin() as tx:
        stored = [bytes(row.value) for row in await tx.execute(select(key_check))]
    keys = [path.read_bytes() for path in (tmp_path / "first").glob("*.key")]
    assert len(stored) == 5 and not set(stored) & set(keys)


async def test_a_machine_without_the_keys_is_refused_and_makes_none(
    database: Database, home: Path, tmp_path: Path
) -> None:
    """F5: no file appears, whatever the database holds already."""
    await admit(database.url, home / "keys")
    assert "digest.key is missing" in await refusal(database, tmp_path / "bare")
    assert not (tmp_path / "bare").exists()


@pytest.mark.parametrize("name", ["digest", "evidence-rows", "evidence", "leaves", "master-0001"])
async def test_each_key_counts(name: str, database: Database, home: Path, tmp_path: Path) -> None:
    """F5: one file that is missing, or another's, is enough."""
    await admit(database.url, home / "keys")
    folder = tmp_path / "copied"
    shutil.copytree(home / "keys", folder)
    await admit(database.url, folder)
    (folder / f"{name}.key").write_bytes(b"k" * 32)
    assert f"{name}.key is another one" in await refusal(database, folder)
    (folder / f"{name}.key").unlink()
    assert f"{name}.key is missing" in await refusal(database, folder)


async def test_a_database_from_before_check_values_is_measured_by_what_its_keys_open(
    database: Database, vault: Vault, home: Path, tmp_path: Path
) -> None:
    """F5: an upgrade is no first start."""
    async with database.begin() as tx:
        await note(tx, "test", real_now(), "row:1")
    await refusal(database, tmp_path / "bare")
    assert not (tmp_path / "bare").exists()
    async with database.begin() as tx:
        person_id = await vault.create(tx, "doctor", real_now())
        wrapped, _ = vault.keyring.wrap(bytes(32), str(person_id))  # as it was before there were leaves
        await tx.execute(update(data_key).values(wrapped=wrapped, leaf=None))
    other = tmp_path / "other"
    shutil.copytree(home / "keys", other)
    (other / "master-0001.key").write_bytes(b"k" * 32)
    assert "does not open this database" in await refusal(database, other)
    await admit(database.url, home / "keys")
    await refusal(database, other)
    async with database.begin() as tx:
        assert len((await tx.execute(delete(key_check).returning(key_check.c.name))).all()) == 5


def test_serve_and_commands_end_with_one_clear_line(database: Database, home: Path, tmp_path: Path) -> None:
    """F5: the real processes of a second app machine."""
    first = Service(home, {"MEDREP_DATABASE_URL": database.url})
    assert first.prints("tasks") == ""
    elsewhere = {"MEDREP_DATABASE_URL": database.url, "MEDREP_ENGINE_URL": "http://127.0.0.1:1"}
    second = Service(tmp_path / "second", elsewhere)
    for arguments in (("serve", "--only", "app"), ("tasks",), ("backup", tmp_path / "file")):
        refused = second.medrep(*arguments)
        assert refused.returncode == 2, refused.stdout
        assert f"the key folder {second.home / 'keys'} is not this database's" in refused.stderr
        assert "Traceback" not in refused.stderr
    assert list((second.home / "keys").glob("*.key")) == []
