"""Advisory locks of PostgreSQL: every number that is in use, and what it serialises.

Unless said otherwise they are held until the transaction ends.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum, unique

from sqlalchemy import text

from bot.store.database import Tx


@unique
class Lock(IntEnum):
    """One database knows one set of numbers, so no two of these may be equal."""

    MIGRATING = 7_263_501  # changes of the schema (held by the session: a migration is many transactions)
    SEALING = 7_263_502  # new heads of the evidence, and the pruning of old ones
    IMPORTING = 7_263_503  # batches of doctor lists, and the erasure of a person by command
    PRUNING = 7_263_504  # batches of retention
    KEYS = 7_263_516  # the first keys of a database, and the steps of a rotation of the master key


async def wait_for(tx: Tx, lock: Lock) -> None:
    await tx.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": lock})


async def taken(tx: Tx, lock: Lock) -> bool:
    """Whether it was free, and is now ours."""
    granted = await tx.execute(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": lock})
    return bool(granted.scalar())


async def wait_for_names(tx: Tx, names: Iterable[str]) -> None:
    """As `wait_for`, for things without a number: an access token (`token:ACCOUNT`), a message of a platform
    (`ACCOUNT PLATFORM_ID`). Whoever needs several asks once, so that all take them in the same order."""
    lock = (
        "SELECT pg_advisory_xact_lock(hashtextextended(name, 0)) FROM unnest(CAST(:names AS text[])) AS name"
    )
    await tx.execute(text(lock), {"names": sorted(set(names))})
