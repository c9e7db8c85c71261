"""A sealed chain to look at, and somebody with every right to the database and the head file, but no key."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import text

from bot.clock import Clock
from bot.evidence import Evidence, Sealer
from bot.service.postgres import Cluster
from bot.store.database import Database

PEOPLE = tuple(f"00000000-0000-4000-8000-00000000000{n}" for n in range(2))


async def record(database: Database, clock: Clock, count: int, first: int = 0) -> None:
    """So many rows, of two people in turn, one a transaction's."""
    async with database.begin() as tx:
        for number in range(first, first + count):
            await Evidence(
                "test",
                clock.now(),
                f"row:{number}",
                {"n": number},
                UUID(PEOPLE[number % 2]),
                number % 2 + 1,
                b"x" * 40,
            ).record(tx)


async def seal_ten(database: Database, clock: Clock, home: Path, copy: Path | None = None) -> Sealer:
    """Ten rows under two heads."""
    sealer = Sealer(database, home, copy)
    for first in (0, 5):
        await record(database, clock, 5, first)
        assert await sealer.seal() == 5
    return sealer


def as_postgres(cluster: Cluster, database: Database) -> Database:
    """The same database as its superuser."""
    return Database(cluster.url("postgres", database.url.rpartition("/")[2]), role=None)


async def as_superuser(cluster: Cluster, database: Database, *statements: str, **values: Any) -> None:
    """What somebody with every right could do: the triggers are off for them."""
    strong = as_postgres(cluster, database)
    try:
        await with_every_right(strong, *statements, **values)
    finally:
        await strong.close()


async def with_every_right(strong: Database, *statements: str, **values: Any) -> None:
    async with strong.begin() as tx:
        await tx.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in statements:
            await tx.exec_driver_sql(statement, values or None)


def head_file(home: Path) -> Path:
    return home / "evidence" / "heads.jsonl"


def change_file(path: Path, change: Callable[[list[str]], list[str]]) -> None:
    """Rewrite the head file's lines."""
    path.write_text("".join(f"{line}\n" for line in change(path.read_text().splitlines())))


def edited(line: str, **fields: Any) -> str:
    return json.dumps({**json.loads(line), **fields}, separators=(",", ":"))
