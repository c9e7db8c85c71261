"""Destroyed is destroyed: what is left in PostgreSQL's files opens nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import select, text

from bot.clock import real_now
from bot.inbound.receive import Receiver
from bot.model import Account, Audience, Channel, Fault, Inbound, InboundKind, MedrepError
from bot.privacy import erase_person
from bot.runtime.key_report import report
from bot.runtime.services import Services
from bot.service.postgres import Cluster
from bot.store import contacts, key_holders
from bot.store.key_tree import DEPTH, KeyTree, fresh_tree
from bot.store.keyring import Keyring
from bot.store.tables import data_key, evidence
from bot.store.vault import Vault
from tests.evidence.chain import as_postgres

DEMO = Account(Channel.WEBCHAT, "demo")
WRAPPED = 12 + 32 + 16  # bytes of a wrapped key


async def write(services: Services, words: str, address: str) -> contacts.Contact:
    inbound = Inbound(DEMO, address, f"m:{uuid4().hex}", InboundKind.TEXT, real_now(), text=words)
    await Receiver(services).accept(inbound, Audience.DOCTOR, passive_until=None)
    async with services.db.begin() as tx:
        contact = await contacts.by_address(tx, services.vault, DEMO, address)
    assert contact is not None
    return contact


async def flushed(cluster: Cluster, services: Services) -> Path:
    """The cluster's folder, with all of it in its files."""
    strong = as_postgres(cluster, services.db)
    async with strong.begin() as tx:
        await tx.execute(text("CHECKPOINT"))
    await strong.close()
    return cluster.data


def traces(data: Path, key_id: UUID) -> Iterator[bytes]:
    """All that stands near the key's id in tables and write-ahead log, where a wrapped key could be."""
    for file in [*data.glob("base/*/*"), *data.glob("pg_wal/*")]:
        if not file.is_file():
            continue
        body = file.read_bytes()
        at = body.find(key_id.bytes)
        while at >= 0:
            for start in range(max(0, at - 120), at + 160):
                yield body[start : start + WRAPPED]
            at = body.find(key_id.bytes, at + 1)


def keys_found(data: Path, folder: Path, rows: list[Any]) -> dict[UUID, bytes]:
    """The data keys that somebody gets who has the files of the database and this key folder."""
    keyring, found = Keyring(folder), {}
    for row in rows:
        leaf = keyring.tree.leaf(row.leaf)
        for wrapped in set(traces(data, row.id)):
            for secret in {b"", leaf or b""}:
                for master in keyring.masters:
                    try:
                        found[row.id] = keyring.unwrap(wrapped, master, str(row.id), secret)
                    except (MedrepError, ValueError):
                        continue
    return found


def opened(bodies: list[bytes], keys: dict[UUID, bytes]) -> str:
    """What the kept evidence says under these keys."""
    text = ""
    for key_id, key in keys.items():
        for body in bodies:
            for place in ("inbox.body", "outbox.body"):
                try:
                    plain = AESGCM(key).decrypt(body[17:29], body[29:], f"{key_id}:{place}".encode())
                except (InvalidTag, ValueError):
                    continue
                text += plain.decode("unicode_escape")
    return text


async def test_the_databases_files_open_nothing_of_an_erased_person(
    services: Services, cluster: Cluster, tmp_path: Path
) -> None:
    """F4: heap pages and WAL of the real cluster are read after the erasure; what is found there of the
    wrapped key opens the kept evidence with the key folder of before (a backup), with that of now nothing."""
    erased = await write(services, "这句话只有我说过", "oGONE")
    stays = await write(services, "别人的话还在", "oSTAYS")
    before = tmp_path / "before"
    shutil.copytree(services.home / "keys", before)
    async with services.db.begin() as tx:
        rows = list(
            (await tx.execute(select(data_key).where(data_key.c.person_id == erased.person_id))).all()
        )
        kept = select(evidence.c.body_enc).where(evidence.c.body_enc.is_not(None))
        bodies = [bytes(body) for body in (await tx.execute(kept)).scalars()]
    receipts = await erase_person(services, person_id=erased.person_id, by="管理员")
    assert receipts[0].store == "keys" and receipts[0].rows == len(rows)
    assert receipts[0].done.startswith("data keys destroyed in every key folder") and receipts[0].why == ""
    data = await flushed(cluster, services)
    assert "这句话只有我说过" in opened(bodies, keys_found(data, before, rows)), "the search can find it"
    assert keys_found(data, services.home / "keys", rows) == {}
    async with services.db.begin() as tx:
        fresh = Vault(Keyring(services.home / "keys"))
        assert await contacts.address(tx, fresh, stays.id) == "oSTAYS", "others are as they were"
        noted = select(evidence.c.facts).where(evidence.c.kind == "person.keys_destroyed")
        assert (await tx.execute(noted)).scalar_one() == {"keys": len(rows), "still_in": []}


async def test_the_receipt_names_the_folder_that_still_has_them(services: Services, tmp_path: Path) -> None:
    """F4: a machine that is off keeps the leaf until it starts; the receipt says so, and then it is gone."""
    erased = await write(services, "这句话只有我说过", "oGONE")
    away = tmp_path / "away" / "keys"
    shutil.copytree(services.home / "keys", away)
    keyring = Keyring(away)
    async with services.db.begin() as tx:
        await key_holders.report(tx, keyring)
        silent = "UPDATE key_holder SET reported_at = now() - interval '1 hour' WHERE folder = :folder"
        await tx.execute(text(silent), {"folder": str(away)})
        rows = (await tx.execute(select(data_key).where(data_key.c.person_id == erased.person_id))).all()
    receipts = await erase_person(services, person_id=erased.person_id, by="管理员")
    assert str(away) in receipts[0].done and "destroyed in this key folder" in receipts[0].done
    assert all(Keyring(away).tree.leaf(row.leaf) for row in rows)
    assert not any(Keyring(services.home / "keys").tree.leaf(row.leaf) for row in rows)
    async with services.db.begin() as tx:
        assert await key_holders.report(tx, Keyring(away)) == len(rows)
    assert not any(Keyring(away).tree.leaf(row.leaf) for row in rows)


async def test_a_process_that_was_told_destroys_in_its_folder(services: Services) -> None:
    """F4: as unfollowing does it, inside a process that runs on; and the record says where."""
    erased = await write(services, "这句话只有我说过", "oGONE")
    async with services.db.begin() as tx:
        query = select(data_key.c.leaf).where(data_key.c.person_id == erased.person_id)
        leaves = (await tx.execute(query)).scalars().all()
        await services.vault.destroy(tx, data_key.c.person_id == erased.person_id)
    assert all(services.vault.keyring.tree.leaf(leaf) for leaf in leaves), "not before the commit is sure"
    await report(services)
    assert not any(Keyring(services.home / "keys").tree.leaf(leaf) for leaf in leaves)
    async with services.db.begin() as tx:
        row = (await tx.execute(select(evidence).where(evidence.c.kind == "keys.destroyed"))).one()
    assert row.facts == {"count": len(leaves)} and str(services.home) in row.subject


async def test_a_database_put_back_gives_no_destroyed_leaf_out_again(services: Services) -> None:
    erased = await write(services, "一", "oGONE")
    await erase_person(services, person_id=erased.person_id, by="管理员")
    fresh = Vault(Keyring(services.home / "keys"))
    async with services.db.begin() as tx:
        query = select(data_key.c.leaf).where(data_key.c.person_id == erased.person_id).limit(1)
        block = (await tx.execute(query)).scalar_one() // 64
    fresh._leaves = list(range(block * 64, block * 64 + 64))  # what an earlier sequence would hand out
    async with services.db.begin() as tx:
        for _ in range(64):
            newcomer = await fresh.create(tx, "newcomer", real_now())
            sealed = await fresh.seal(tx, newcomer, "二", "test.body")
            assert await Vault(fresh.keyring).open_text(tx, newcomer, sealed, "test.body") == "二"


# ---------------------------------------------------------------- the tree


@pytest.fixture
def tree(tmp_path: Path) -> KeyTree:
    path = tmp_path / "leaves.key"
    path.write_bytes(fresh_tree())
    return KeyTree(path)


def test_a_leaf_is_destroyed_and_every_other_stays(tree: KeyTree, tmp_path: Path) -> None:
    numbers = [0, 1, 2, 3, 64, 65, 1000, 2**20, 2**DEPTH - 1]
    before = {number: tree.leaf(number) for number in numbers}
    assert len(set(before.values())) == len(numbers)
    assert tree.destroy([1, 64, 2**DEPTH - 1]) == 3
    for reader in (tree, KeyTree(tmp_path / "leaves.key")):
        after = {number: reader.leaf(number) for number in numbers}
        assert after == {**before, 1: None, 64: None, 2**DEPTH - 1: None}
    assert tree.destroy([1, 64]) == 0


def test_two_copies_lose_the_same_leaves_in_any_order(tree: KeyTree, tmp_path: Path) -> None:
    shutil.copy(tmp_path / "leaves.key", tmp_path / "copy.key")
    copy = KeyTree(tmp_path / "copy.key")
    tree.destroy([5, 900])
    tree.destroy([6])
    copy.destroy([6, 900, 5])
    assert [tree.leaf(n) for n in range(8)] == [copy.leaf(n) for n in range(8)]


def test_no_node_that_is_kept_makes_a_destroyed_leaf(tree: KeyTree, tmp_path: Path) -> None:
    secret = tree.leaf(77)
    tree.destroy([77])
    body = (tmp_path / "leaves.key").read_bytes()
    assert secret is not None and secret not in body
    assert all(depth_and_bits[1] != 77 >> (DEPTH - depth_and_bits[0]) for depth_and_bits in tree._nodes)


def test_many_of_a_row_stay_small(tree: KeyTree, tmp_path: Path) -> None:
    tree.destroy(range(0, 2000, 7))
    assert (tmp_path / "leaves.key").stat().st_size < 286 * 4 * 41 + 41 * DEPTH


def test_the_file_is_for_the_owner_alone(tree: KeyTree, tmp_path: Path) -> None:
    tree.destroy([1])
    assert {path.name for path in tmp_path.iterdir()} == {"leaves.key", "leaves.lock"}
    assert (tmp_path / "leaves.key").stat().st_mode & 0o777 == 0o600
    assert os.access(tmp_path / "leaves.lock", os.R_OK)


def test_a_damaged_file_is_refused(tree: KeyTree, tmp_path: Path) -> None:
    with (tmp_path / "leaves.key").open("r+b") as file:
        file.truncate(50)
    with pytest.raises(MedrepError) as refused:
        KeyTree(tmp_path / "leaves.key")
    assert refused.value.fault == Fault.CONFIGURATION
