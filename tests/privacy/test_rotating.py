"""A new master key over several machines, each with a key folder of its own."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select, text

from bot.clock import real_now
from bot.commands.context import context
from bot.commands.records import _activate
from bot.model import Fault, MedrepError
from bot.runtime.key_report import report
from bot.runtime.services import Services
from bot.store import key_holders
from bot.store.database import Database
from bot.store.key_checks import admit
from bot.store.keyring import Keyring
from bot.store.tables import data_key, evidence
from bot.store.vault import Vault


@pytest.fixture
async def other(services: Services, tmp_path: Path) -> AsyncIterator[Services]:
    """Another app machine: the same database, a copy of the keys."""
    home = tmp_path / "other"
    shutil.copytree(services.home / "keys", home / "keys")
    await admit(services.db.url, home / "keys")
    db = Database(services.db.url)
    machine = replace(services, db=db, home=home, vault=Vault(Keyring(home / "keys")))
    for process in (services, machine):
        await report(process)
    yield machine
    await db.close()


@pytest.fixture
def command(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands work on this home and database."""
    monkeypatch.setenv("MEDREP_HOME", str(services.home))
    monkeypatch.setenv("MEDREP_DATABASE_URL", services.db.url)


async def prepare(services: Services) -> str:
    async with services.db.begin() as tx:
        return await key_holders.prepare(tx, services.vault.keyring)


async def activate(services: Services) -> str:
    async with services.db.begin() as tx:
        return await key_holders.activate(tx, services.vault.keyring)


async def seals_and_opens(writer: Services, reader: Services) -> str:
    """What one machine writes under a new key the other reads; the master key that wrapped it."""
    async with writer.db.begin() as tx:
        newcomer = await writer.vault.create(tx, "newcomer", real_now())
        sealed = await writer.vault.seal(tx, newcomer, "一句话", "test.body")
    async with reader.db.begin() as tx:
        assert await reader.vault.open_text(tx, newcomer, sealed, "test.body") == "一句话"
        wrapped_by = select(data_key.c.master).where(data_key.c.id == newcomer)
        return str((await tx.execute(wrapped_by)).scalar_one())


def copy_key(name: str, here: Services, there: Services) -> None:
    shutil.copy(here.home / "keys" / f"{name}.key", there.home / "keys")


async def test_a_machine_that_lacks_the_new_key_holds_it_back(services: Services, other: Services) -> None:
    """F6: nobody uses a master key that a running process has not."""
    name = await prepare(services)
    for process in (services, other):
        await report(process)
    with pytest.raises(MedrepError) as refused:
        await activate(services)
    assert refused.value.fault == Fault.CONFLICT and str(other.home / "keys") in refused.value.detail
    assert await seals_and_opens(services, other) == "master-0001"
    assert await seals_and_opens(other, services) == "master-0001"
    copy_key(name, services, other)
    with pytest.raises(MedrepError):
        await activate(services)  # it is there, and the process has not said so
    await report(other)
    assert await activate(services) == "master-0002"
    assert await seals_and_opens(services, other) == "master-0002", "before the other was told"
    assert await seals_and_opens(other, services) == "master-0001"
    await report(other)
    assert await seals_and_opens(other, services) == "master-0002"


async def test_a_machine_that_was_away_may_not_go_on_without_it(services: Services, other: Services) -> None:
    """F6: one that said nothing for a minute is not waited for; it ends, and is not let in again."""
    name = await prepare(services)
    await report(services)
    async with services.db.begin() as tx:
        away = "UPDATE key_holder SET reported_at = now() - interval '2 minutes' WHERE folder = :folder"
        await tx.execute(text(away), {"folder": str(other.home / "keys")})
    await activate(services)
    with pytest.raises(MedrepError) as ended:
        await report(other)
    assert ended.value.fault == Fault.CONFIGURATION
    with pytest.raises(MedrepError) as refused:
        await admit(services.db.url, other.home / "keys")
    assert f"{name}.key is missing" in refused.value.detail
    copy_key(name, services, other)
    await admit(services.db.url, other.home / "keys")
    await report(other)
    assert await seals_and_opens(other, services) == name


async def test_after_a_restore_nobody_is_waited_for(services: Services, other: Services) -> None:
    """F6: who reported to the database before does not run on this one."""
    name = await prepare(services)
    async with services.db.begin() as tx:
        assert await key_holders.lacking(tx, name)
        await key_holders.none_runs(tx)
        before = await key_holders.moment(tx)
    await report(services)
    assert await activate(services) == name
    async with services.db.begin() as tx:
        (still,) = await key_holders.behind(tx, before)
        assert str(other.home / "keys") in still, "its folder may be there"


async def test_preparing_again_is_the_same_key(services: Services, other: Services) -> None:
    """F6: also from another machine, which must have been given it; one may start without it."""
    name = await prepare(services)
    assert await prepare(services) == name
    await admit(services.db.url, other.home / "keys")
    with pytest.raises(MedrepError) as refused:
        await prepare(other)
    assert refused.value.fault == Fault.CONFIGURATION and f"{name}.key" in refused.value.detail
    assert not (other.home / "keys" / f"{name}.key").exists()


async def test_nothing_prepared_nothing_activated(services: Services) -> None:
    """F6"""
    with pytest.raises(MedrepError) as refused:
        await activate(services)
    assert refused.value.fault == Fault.NOT_FOUND


async def test_an_activation_that_was_broken_off_is_finished_by_the_next(
    services: Services, command: None
) -> None:
    """A key whose leaf is destroyed (the database was put back to an earlier day) stops nobody."""
    async with services.db.begin() as tx:
        keys = sorted([await services.vault.create(tx, "newcomer", real_now()) for _ in range(5)])
        leaf = select(data_key.c.leaf).where(data_key.c.id == keys[2])
        services.vault.keyring.tree.destroy([(await tx.execute(leaf)).scalar_one()])
    name = await prepare(services)
    await report(services)
    await activate(services)
    async with services.db.begin() as tx:
        assert await services.vault.rewrap(tx, None, limit=2) == (2, keys[1])  # and no further
    assert await _activate() == (name, 2)
    async with services.db.begin() as tx:
        masters = select(data_key.c.master).order_by(data_key.c.id)
        assert (await tx.execute(masters)).scalars().all() == [name, name, "master-0001", name, name]
    with pytest.raises(MedrepError) as refused:
        await _activate()
    assert refused.value.fault == Fault.NOT_FOUND


async def test_a_command_that_destroys_in_its_key_folder_says_so(services: Services, command: None) -> None:
    """What was destroyed on another machine while nothing ran here."""
    async with services.db.begin() as tx:
        gone = await services.vault.create(tx, "newcomer", real_now())
        await services.vault.destroy(tx, data_key.c.id == gone)
    async with context():
        pass
    async with services.db.begin() as tx:
        noted = select(evidence.c.facts).where(evidence.c.kind == "keys.destroyed")
        assert (await tx.execute(noted)).scalar_one() == {"count": 1}
