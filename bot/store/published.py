"""Published versions of the dialogue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from bot.store import channels
from bot.store.database import Tx, notify
from bot.store.tables import dialogue_version


@dataclass(frozen=True, slots=True)
class Version:
    """One published version; `body` is the files: path -> text."""

    fingerprint: str
    body: dict[str, Any]
    published_by: str


async def current(tx: Tx) -> Version | None:
    """The version in force."""
    return await _read(tx, dialogue_version.c.current)


async def by_fingerprint(tx: Tx, fingerprint: str) -> Version | None:
    return await _read(tx, dialogue_version.c.fingerprint == fingerprint)


async def by_prefix(tx: Tx, prefix: str) -> Version | None:
    """The version whose fingerprint starts so."""
    return await _read(tx, dialogue_version.c.fingerprint.startswith(prefix, autoescape=True))


async def _read(tx: Tx, which: Any) -> Version | None:
    query = select(
        dialogue_version.c.fingerprint, dialogue_version.c.files, dialogue_version.c.published_by
    ).where(which)
    row = (await tx.execute(query)).first()
    return None if row is None else Version(row.fingerprint, row.files, row.published_by)


async def fingerprint(tx: Tx) -> str | None:
    """The fingerprint of the version in force."""
    found: str | None = (
        await tx.execute(select(dialogue_version.c.fingerprint).where(dialogue_version.c.current))
    ).scalar()
    return found


async def publish(tx: Tx, version: Version, now: datetime) -> None:
    """Put this version in force; every process is told when the transaction commits."""
    await tx.execute(update(dialogue_version).where(dialogue_version.c.current).values(current=False))
    statement = insert(dialogue_version).values(
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
    await notify(tx, channels.PUBLISHED, dialogue_version.name)
