"""Whether the keys of this machine are the ones that the database was written with.

A machine without them would answer, and write what no other machine can read: so it is refused at start.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import exists, func, insert, select, update

from bot.model import Fault, MedrepError
from bot.store.advisory import Lock, wait_for
from bot.store.database import Database, Tx
from bot.store.key_tree import MARK, read_tree
from bot.store.keyring import FIRST_MASTER, SECRETS, make_keys, open_bare
from bot.store.tables import data_key, evidence, key_check, person

SHARED = (*SECRETS, "leaves")  # beside the master keys
_HELP = "copy keys/*.key from a machine that runs, or restore a backup; nothing was made or changed"


def check_value(name: str, key: bytes) -> bytes:
    """What the database may know of a key."""
    return hmac.digest(key, f"medrep key check\0{name}".encode(), hashlib.sha256)


async def admit(url: str, folder: Path) -> None:
    """Raises MedrepError(CONFIGURATION) unless the key folder is this database's.

    The very first start, on an empty database, makes the keys. A database from before the check values is
    measured by what its keys open, once.
    """
    db = Database(url, size=1)
    try:
        async with db.begin() as tx:
            # Of two first starts one makes the keys, the other is measured by them.
            await wait_for(tx, Lock.KEYS)
            checks = (await tx.execute(select(key_check))).all()
            if checks:
                _compare(folder, checks)
                return
            if await _is_empty(tx):
                make_keys(folder)
            else:
                await _opens(tx, folder)
                make_keys(folder)  # the tree, which is newer than the others
            await tx.execute(
                insert(key_check),
                [
                    {"name": name, "value": value, "state": "shared" if name in SHARED else "former"}
                    for name, value in values(folder).items()
                ],
            )
            newest = select(func.max(key_check.c.name)).where(key_check.c.state == "former").scalar_subquery()
            await tx.execute(update(key_check).where(key_check.c.name == newest).values(state="current"))
    finally:
        await db.close()


def values(folder: Path) -> dict[str, bytes]:
    """The check values of the shared keys that are in the folder."""
    files = [folder / f"{name}.key" for name in SHARED] + sorted(folder.glob("master-*.key"))
    keys = {path.stem: _key(path) for path in files if path.exists()}
    return {name: check_value(name, key) for name, key in keys.items()}


def _key(path: Path) -> bytes:
    # Of the key tree, which loses nodes, the part that stays.
    return read_tree(path)[:MARK] if path.name == "leaves.key" else path.read_bytes()


def _compare(folder: Path, checks: Sequence[Any]) -> None:
    local = values(folder)
    # A master key that is only prepared may still be on its way to this machine.
    missing = sorted(row.name for row in checks if row.name not in local and row.state != "prepared")
    other = sorted(row.name for row in checks if local.get(row.name, row.value) != row.value)
    if missing or other:
        wrong = [f"{name}.key is missing" for name in missing]
        wrong += [f"{name}.key is another one" for name in other]
        raise MedrepError(
            Fault.CONFIGURATION,
            f"the key folder {folder} is not this database's: {', '.join(wrong)}; {_HELP}",
        )


async def _is_empty(tx: Tx) -> bool:
    used = select(exists(select(person.c.id)) | exists(select(evidence.c.id)))
    return not (await tx.execute(used)).scalar_one()


async def _opens(tx: Tx, folder: Path) -> None:
    """The database is in use and has no check values yet: the folder must be whole, and open a key of it."""
    names = [*SECRETS, FIRST_MASTER]  # the tree is newer, so no key of this database has a leaf
    missing = [name for name in names if not (folder / f"{name}.key").exists()]
    row = (await tx.execute(select(data_key).where(data_key.c.wrapped.is_not(None)).limit(1))).first()
    try:
        if missing:
            raise MedrepError(Fault.CONFIGURATION, f"{', '.join(missing)} missing")
        if row is not None:
            open_bare(folder, bytes(row.wrapped), row.master, str(row.id))
    except MedrepError as error:
        raise MedrepError(
            Fault.CONFIGURATION,
            f"the key folder {folder} does not open this database ({error}); {_HELP}",
        ) from None
