"""The verifier needs no more memory for a long record than for a short one."""

from __future__ import annotations

import gc
import tracemalloc
from pathlib import Path
from uuid import UUID

from sqlalchemy import insert

from bot.clock import Clock
from bot.evidence import Evidence, Sealer, check_file, export, signing_key, verify
from bot.store.database import Database
from bot.store.tables import evidence

MOST = 4 * 1024 * 1024  # bytes: a page of rows, and what the driver holds of it
NOISE = 128 * 1024  # bytes; the links of the added rows alone, in a list, would take 420,000


async def fill(database: Database, home: Path, rows: int) -> None:
    """So many rows under a head for every hundred of them."""
    clock, sealer = Clock(), Sealer(database, home)
    for first in range(0, rows, 100):
        async with database.begin() as tx:
            page = [
                Evidence("test", clock.now(), f"row:{n}", {"n": n}, UUID(int=n), n, b"x" * 200).row(tx)
                for n in range(first, first + 100)
            ]
            values = [{name: getattr(row, name) for name in row.__slots__} for row in page]
            await tx.execute(insert(evidence), values)
        await sealer.seal()


async def peaks(database: Database, home: Path, path: Path) -> tuple[int, int]:
    """The most memory that verifying the database takes, and the file that was exported."""
    with path.open("w", encoding="utf-8") as file:
        async for line in export(database, home):
            file.write(f"{line}\n")
    key = signing_key(home / "keys").public_key()
    found = []
    for check in (lambda: verify(database, home), lambda: check_file(path, key)):
        gc.collect()
        tracemalloc.start()
        verdict = await check()
        found.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert verdict is not None and verdict.ok, verdict
    return found[0], found[1]


async def test_four_times_the_rows_take_no_more_memory(
    database: Database, home: Path, tmp_path: Path
) -> None:
    """F14: rows, links, heads and the head file used to be held as lists."""
    await fill(database, home, 1_500)
    short = await peaks(database, home, tmp_path / "record.jsonl")
    await fill(database, home, 4_500)
    long = await peaks(database, home, tmp_path / "record.jsonl")
    for before, after in zip(short, long, strict=True):
        assert after < before + NOISE, (short, long)
        assert after < MOST, (short, long)
