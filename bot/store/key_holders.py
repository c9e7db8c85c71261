"""Rotating the master key over several machines: first all have the new one, then it is used.

A machine without it would fail on what the others wrote. So a new master key is `prepared` (made in one key
folder and copied to the others), and becomes `current` only when every running process said that it has it.
"""

from __future__ import annotations

import asyncio
import os
import socket
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.dialects.postgresql import insert as upsert

from bot.model import Fault, MedrepError
from bot.store import channels
from bot.store.advisory import Lock, wait_for
from bot.store.database import Tx, notify
from bot.store.key_checks import check_value
from bot.store.keyring import Keyring
from bot.store.tables import data_key, key_check, key_holder

LONGEST = timedelta(minutes=10)  # no transaction of ours is open so long
SILENT = timedelta(seconds=60)  # a process that said nothing for so long runs no more


async def current(tx: Tx) -> str:
    """The master key that wraps."""
    query = select(key_check.c.name).where(key_check.c.state == "current")
    return str((await tx.execute(query)).scalar_one())


async def open_keyring(tx: Tx, folder: Path) -> Keyring:
    """The folder's keys, wrapping as the database says. Raises MedrepError(CONFIGURATION)."""
    keyring = Keyring(folder)
    keyring.use(await current(tx))
    return keyring


async def catch_up(tx: Tx, keyring: Keyring) -> int:
    """Destroy in this key folder what the database says was destroyed since we last did; how many leaves."""
    since = keyring.caught_up and keyring.caught_up - LONGEST
    query = select(data_key.c.leaf).where(data_key.c.destroyed_at.is_not(None), data_key.c.leaf.is_not(None))
    if since is not None:
        query = query.where(data_key.c.destroyed_at > since)
    now = await moment(tx)
    leaves = (await tx.execute(query)).scalars().all()
    destroyed = await asyncio.to_thread(keyring.tree.destroy, leaves) if leaves else 0
    keyring.caught_up = now
    return destroyed


async def moment(tx: Tx) -> datetime:
    """Now, by the database's clock."""
    now: datetime = (await tx.execute(select(func.now()))).scalar_one()
    return now


async def behind(tx: Tx, moment: datetime, *, running: bool = False) -> list[str]:
    """The key folders that may still hold what was destroyed before: where, and when last heard of.

    `running`: of these, where a process runs.
    """
    last = func.max(key_holder.c.reported_at)
    query = select(key_holder.c.host, key_holder.c.folder, last.label("last"))
    query = query.group_by(key_holder.c.host, key_holder.c.folder).having(last <= moment).order_by(last)
    rows = await tx.execute(query.having(last > func.now() - SILENT) if running else query)
    return [f"{row.host}:{row.folder} (last heard of {row.last:%Y-%m-%d %H:%M} UTC)" for row in rows]


async def report(tx: Tx, keyring: Keyring) -> int:
    """Say that this process has caught up and which master keys it has; wrap with the current one from now.

    How many leaves were destroyed by it. Raises MedrepError(CONFIGURATION): it lacks the current master key,
    and may not go on.
    """
    keyring.reload()
    destroyed = await catch_up(tx, keyring)
    holder = {"host": socket.gethostname(), "folder": str(keyring.folder.absolute()), "pid": os.getpid()}
    state = {"masters": sorted(keyring.masters), "reported_at": func.now()}
    await tx.execute(
        upsert(key_holder)
        .values(**holder, **state)
        .on_conflict_do_update(index_elements=["host", "folder", "pid"], set_=state)
    )
    # What ran here before us; a machine that runs nothing keeps its last word.
    await tx.execute(
        delete(key_holder).where(
            key_holder.c.host == holder["host"],
            key_holder.c.folder == holder["folder"],
            key_holder.c.pid != holder["pid"],
            key_holder.c.reported_at < func.now() - SILENT,
        )
    )
    keyring.use(await current(tx))
    return destroyed


async def none_runs(tx: Tx) -> None:
    """The database was restored: who reported to the former does not run on this; its folder may be there."""
    silent = func.least(key_holder.c.reported_at, func.now() - SILENT)
    await tx.execute(update(key_holder).values(reported_at=silent))


async def lacking(tx: Tx, name: str) -> list[str]:
    """The key folders, of processes that run, in which this master key was not when one of them last looked.

    Processes that share a folder read a key that they do not know yet when they need it.
    """
    columns = (key_holder.c.host, key_holder.c.folder)
    rows = await tx.execute(
        select(*columns, key_holder.c.masters)
        .ext(distinct_on(*columns))
        .where(key_holder.c.reported_at > func.now() - SILENT)
        .order_by(*columns, key_holder.c.reported_at.desc())
    )
    return [f"{row.host}:{row.folder}" for row in rows if name not in row.masters]


async def prepared(tx: Tx) -> str | None:
    """The master key that waits to be activated; nobody else prepares or activates before this ends."""
    await wait_for(tx, Lock.KEYS)
    query = select(key_check.c.name).where(key_check.c.state == "prepared")
    found: str | None = (await tx.execute(query)).scalar()
    return found


async def prepare(tx: Tx, keyring: Keyring) -> str:
    """A new master key in this folder, not used yet; the one that is prepared already, if there is one.

    Raises MedrepError(CONFIGURATION): that one was made elsewhere and is not here.
    """
    name = await prepared(tx)
    if name is None:
        names = (await tx.execute(select(key_check.c.name).where(key_check.c.state != "shared"))).scalars()
        name = keyring.make_master(after=max(names))
        value = check_value(name, keyring.masters[name])
        await tx.execute(insert(key_check).values(name=name, value=value, state="prepared"))
        await notify(tx, channels.ROTATED)
    _must_have(keyring, name)
    return name


async def activate(tx: Tx, keyring: Keyring) -> str:
    """Make the prepared master key the current one, for every process from the commit on.

    Raises MedrepError(NOT_FOUND: none is prepared | CONFLICT: running processes lack it | CONFIGURATION).
    """
    name = await prepared(tx)
    if name is None:
        raise MedrepError(Fault.NOT_FOUND, "no master key is prepared; run `medrep rotate-key` first")
    _must_have(keyring, name)
    if without := await lacking(tx, name):
        raise MedrepError(
            Fault.CONFLICT, f"{name}.key is not yet in the key folder of {', '.join(without)}; copy it there"
        )
    for state, becomes in (("current", "former"), ("prepared", "current")):
        await tx.execute(update(key_check).where(key_check.c.state == state).values(state=becomes))
    keyring.use(name)
    await notify(tx, channels.ROTATED)
    return name


def _must_have(keyring: Keyring, name: str) -> None:
    if name not in keyring.masters:
        raise MedrepError(
            Fault.CONFIGURATION,
            f"{name} was prepared on another machine; copy {name}.key to {keyring.folder}",
        )
