"""Evidence cannot be altered unseen: every edit, deletion, reorder and truncation is found."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from bot.clock import Clock
from bot.evidence import Evidence, Sealer, verify
from bot.service.postgres import Cluster
from bot.store.database import Database


async def record(database: Database, clock: Clock, count: int) -> None:
    async with database.begin() as tx:
        for number in range(count):
            await Evidence("test", clock.now(), f"row:{number}", {"n": number}, body_enc=b"x" * 40).record(tx)


@pytest.fixture
async def sealed(database: Database, clock: Clock, home: Path) -> Sealer:
    """Ten rows in two rounds of sealing."""
    sealer = Sealer(database, clock, home)
    for _ in range(2):
        await record(database, clock, 5)
        assert await sealer.seal() == 5
    return sealer


def as_postgres(cluster: Cluster, database: Database) -> Database:
    """The same database as its superuser."""
    return Database(cluster.url("postgres", database.url.rpartition("/")[2]), role=None)


async def as_superuser(cluster: Cluster, database: Database, *statements: str) -> None:
    """What somebody with every right could do: the triggers are off for them."""
    strong = as_postgres(cluster, database)
    try:
        async with strong.begin() as tx:
            await tx.execute(text("SET session_replication_role = replica"))
            for statement in statements:
                await tx.execute(text(statement))
    finally:
        await strong.close()


async def test_a_whole_chain_verifies(sealed: Sealer, database: Database, home: Path) -> None:
    verdict = await verify(database, home)
    assert verdict.ok, verdict.broken
    assert verdict.rows == 10


@pytest.mark.parametrize(
    ("what", "statement", "found"),
    [
        (
            "edit",
            "UPDATE evidence SET facts = '{\"n\": 99}' WHERE subject = 'row:3'",
            "does not match its digest",
        ),
        ("body", "UPDATE evidence SET body_enc = 'y' WHERE subject = 'row:3'", "does not match its digest"),
        (
            "when",
            "UPDATE evidence SET at = at + interval '1 second' WHERE id = 4",
            "does not match its digest",
        ),
        ("delete", "DELETE FROM evidence WHERE id = 4", "the row is gone"),
        (
            "delete both",
            "DELETE FROM evidence WHERE id = 4; DELETE FROM seal WHERE evidence_id = 4",
            "missing",
        ),
        (
            "reorder",
            "UPDATE seal SET evidence_id = -seq WHERE seq<5;UPDATE seal SET evidence_id = 5-seq WHERE seq<5",
            "the link does not match",
        ),
        (
            "truncate",
            "DELETE FROM seal WHERE seq > 5; DELETE FROM evidence WHERE id>5; DELETE FROM head WHERE seq > 5",
            "rows were cut off",
        ),
        ("head", "UPDATE head SET link = 'x' WHERE seq = 5", "signature does not match"),
        ("no head", "DELETE FROM head WHERE seq = 10", "no signed head covers it"),
        ("unsealed", "DELETE FROM seal WHERE seq > 9; DELETE FROM head WHERE seq > 9", "cut off"),
    ],
)
async def test_every_change_is_found(
    what: str, statement: str, found: str, sealed: Sealer, cluster: Cluster, database: Database, home: Path
) -> None:
    await as_superuser(cluster, database, *statement.split(";"))
    verdict = await verify(database, home)
    assert verdict.broken is not None, what
    assert found in verdict.broken


async def test_a_digest_made_to_fit_breaks_the_link(
    sealed: Sealer, cluster: Cluster, database: Database, home: Path, clock: Clock
) -> None:
    forged = Evidence("test", clock.now(), "row:3", {"n": 99}, body_enc=b"x" * 40).row()
    what = f"facts = '{{\"n\": 99}}', at = '{forged.at.isoformat()}', digest = '\\x{forged.digest.hex()}'"
    await as_superuser(cluster, database, f"UPDATE evidence SET {what} WHERE id = 4")  # noqa: S608
    verdict = await verify(database, home)
    assert verdict.broken is not None
    assert "the link does not match" in verdict.broken


async def test_a_forged_line_in_the_kept_heads_is_found(
    sealed: Sealer, database: Database, home: Path
) -> None:
    kept = home / "evidence" / "heads.jsonl"
    lines = [json.loads(line) for line in kept.read_text().splitlines()]
    lines[0]["link"] = "00" * 32
    kept.write_text("".join(json.dumps(line) + "\n" for line in lines))
    verdict = await verify(database, home)
    assert verdict.broken is not None
    assert "(file)" in verdict.broken


@pytest.mark.parametrize("statement", ["UPDATE evidence SET kind = 'x'", "DELETE FROM seal", "TRUNCATE head"])
async def test_the_worker_may_only_append(sealed: Sealer, database: Database, statement: str) -> None:
    with pytest.raises(ProgrammingError):
        async with database.begin() as tx:
            await tx.execute(text(statement))


@pytest.mark.parametrize("statement", ["UPDATE evidence SET kind = 'x'", "DELETE FROM seal", "TRUNCATE head"])
async def test_nor_may_a_superuser_unless_he_disables_the_trigger(
    sealed: Sealer, cluster: Cluster, database: Database, statement: str
) -> None:
    strong = as_postgres(cluster, database)
    with pytest.raises(ProgrammingError, match="append-only"):
        async with strong.begin() as tx:
            await tx.execute(text(statement))
    await strong.close()


async def test_a_chain_that_grows_meanwhile_verifies(
    sealed: Sealer, database: Database, clock: Clock, home: Path
) -> None:
    async def grow() -> None:
        for _ in range(40):
            await record(database, clock, 5)
            await sealed.seal()

    growing = asyncio.create_task(grow())
    while not growing.done():
        verdict = await verify(database, home)
        assert verdict.ok, verdict.broken
    await growing


async def test_a_row_that_commits_late_is_sealed_too(database: Database, clock: Clock, home: Path) -> None:
    sealer = Sealer(database, clock, home)
    async with database.begin() as early:
        await Evidence("late", clock.now(), "row:late").record(early)
        await record(database, clock, 3)
        assert await sealer.seal() == 3, "the late one is not visible yet"
    assert await sealer.seal() == 1
    assert (await verify(database, home)).ok
