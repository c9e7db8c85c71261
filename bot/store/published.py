"""Published versions of the dialogue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Table, select, update
from sqlalchemy.dialects.postgresql import insert

from bot.store import channels
from bot.store.database import Tx, notify


@dataclass(frozen=True, slots=True)
class Version:
    """One published version; `body` is the files: path -> text."""

    fingerprint: str
    body: dict[str, Any]
    published_by: str


async def current(tx: Tx, table: Table) -> Version | None:
    """The version in force."""
    return await _read(tx, table, table.c.current)


async def by_fingerprint(tx: Tx, table: Table, fingerprint: str) -> Version | None:
    return await _read(tx, table, table.c.fingerprint == fingerprint)


async def by_prefix(tx: Tx, table: Table, prefix: str) -> Version | None:
    """The version whose fingerprint starts so."""
    return await _read(tx, table, table.c.fingerprint.startswith(prefix, autoescape=True))


async def _read(tx: Tx, table: Table, which: Any) -> Version | None:
    query = select(table.c.fingerprint, table.c.files, table.c.published_by).where(which)
    row = (await tx.execute(query)).first()
    return None if row is None else Version(row.fingerprint, row.files, row.published_by)


async def fingerprint(tx: Tx, table: Table) -> str | None:
    """The fingerprint of the version in force."""
    found: str | None = (await tx.execute(select(table.c.fingerprint).where(table.c.current))).scalar()
    return found


async def publish(tx: Tx, table: Table, version: Version, now: datetime) -> None:
    """Put this version in force; every process is told when the transaction commits."""
    await tx.execute(update(table).where(table.c.current).values(current=False))
    statement = insert(table).values(
        {
            "fingerprint": version.fingerprint,
            "files": version.body,
            "published_at": now,
            "published_by": version.published_by,
            "current": True,
        }
    )
    await tx.execute(
        statement.on_conflict_do_update(
            index_elements=["fingerprint"],
            set_={"current": True, "published_at": now, "published_by": version.published_by},
        )
    )
    await notify(tx, channels.PUBLISHED, table.name)
