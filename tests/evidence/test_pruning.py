"""Old heads go in batches behind a signed checkpoint, and what is left verifies; nobody else can do that."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from bot.clock import Clock
from bot.evidence import Sealer, inspect, prune_heads, signing_key, verify
from bot.model import Fault, MedrepError
from bot.service.postgres import Cluster
from bot.store.database import Database
from tests.evidence.chain import as_superuser, change_file, head_file, record

LATER = timedelta(days=1)


@pytest.fixture
async def sealer(database: Database, clock: Clock, home: Path, monkeypatch: pytest.MonkeyPatch) -> Sealer:
    """Twelve heads of one row each."""
    monkeypatch.setattr("bot.evidence.verification.GRACE", 0.0)
    sealer = Sealer(database, home)
    for number in range(12):
        await record(database, clock, 1, number)
        await sealer.seal()
    return sealer


async def numbers(database: Database, table: str = "head") -> list[int]:
    async with database.begin() as tx:
        rows = await tx.execute(text(f"SELECT number FROM {table} ORDER BY number"))  # noqa: S608
        return list(rows.scalars())


async def sound(database: Database, home: Path) -> None:
    verdict = await verify(database, home)
    assert verdict.ok, verdict.findings
    verdict = await inspect(database, signing_key(home / "keys").public_key())
    assert verdict.ok, verdict.findings


async def test_old_heads_go_in_batches_and_the_rest_verifies(
    sealer: Sealer, database: Database, clock: Clock, home: Path
) -> None:
    everything = datetime.now(UTC) + LATER
    assert await prune_heads(database, home, datetime.now(UTC) - LATER) == 0
    removed = []
    for _ in range(4):
        removed.append(await prune_heads(database, home, everything, limit=5))
        await sound(database, home)
        await record(database, clock, 1, 100)
        assert await sealer.seal() == 1
        await sound(database, home)
    assert removed == [5, 5, 3, 1], "of twelve, and the one that each round adds"
    assert len(await numbers(database)) <= 2, "the newest always stays"
    assert len(await numbers(database, "checkpoint")) == 1
    assert len(head_file(home).read_text().splitlines()) <= 3
    async with database.begin() as tx:
        rows = (await tx.execute(text("SELECT count(*) FROM evidence"))).scalar_one()
    assert rows == 12 + len(removed), "rows and their links stay"


async def test_what_is_younger_stays(sealer: Sealer, database: Database, clock: Clock, home: Path) -> None:
    async with database.begin() as tx:
        between = (
            await tx.execute(
                text("SELECT (line::jsonb ->> 'sealed_at')::timestamptz FROM head WHERE number = 8")
            )
        ).scalar_one()
    assert await prune_heads(database, home, between) == 7
    assert await numbers(database) == [8, 9, 10, 11, 12]
    assert len(head_file(home).read_text().splitlines()) == 6
    await sound(database, home)


async def test_killed_between_database_and_file_it_verifies(
    sealer: Sealer, database: Database, clock: Clock, home: Path
) -> None:
    whole = head_file(home).read_bytes()
    assert await prune_heads(database, home, datetime.now(UTC) + LATER, limit=6) == 6
    head_file(home).write_bytes(whole)
    await sound(database, home)
    assert await prune_heads(database, home, datetime.now(UTC) - LATER) == 0
    assert len(head_file(home).read_text().splitlines()) == 7, "as if another machine had pruned"
    head_file(home).write_bytes(whole)
    await record(database, clock, 1, 12)
    await sealer.seal()
    await sound(database, home)
    assert await prune_heads(database, home, datetime.now(UTC) + LATER) == 6
    await sound(database, home)


async def test_another_machines_file_goes_on_from_the_checkpoint(
    sealer: Sealer, database: Database, clock: Clock, home: Path, tmp_path: Path
) -> None:
    """It was away while heads were pruned, or is new: its file begins, or goes on, with the checkpoint."""
    other, new = tmp_path / "other", tmp_path / "new"
    shutil.copytree(home, other)
    for _ in range(3):
        await record(database, clock, 1, 20)
        await sealer.seal()
    await prune_heads(database, home, datetime.now(UTC) + LATER)
    (new / "keys").mkdir(parents=True)
    for key in (home / "keys").glob("*.key"):
        shutil.copy(key, new / "keys")
    for elsewhere in (other, new):
        await record(database, clock, 1, 30)
        assert await Sealer(database, elsewhere).seal() == 1
        await sound(database, elsewhere)
    assert len(head_file(new).read_text().splitlines()) == 4


async def test_a_head_that_was_changed_is_not_pruned_away(
    sealer: Sealer, database: Database, cluster: Cluster, home: Path
) -> None:
    """Pruning must not remove what shows that somebody was there."""
    await as_superuser(
        cluster, database, "UPDATE head SET line = replace(line, 'number', 'numbed') WHERE number = 3"
    )
    with pytest.raises(MedrepError) as refused:
        await prune_heads(database, home, datetime.now(UTC) + LATER)
    assert refused.value.fault == Fault.TAMPERED
    assert await numbers(database) == list(range(1, 13))


@pytest.mark.parametrize(
    ("statement", "change"),
    [
        ("DELETE FROM checkpoint", None),
        ("UPDATE checkpoint SET line = replace(line, '\"checkpoint\":7', '\"checkpoint\":9')", None),
        ("DELETE FROM head WHERE number = 7", None),
        ("DELETE FROM head WHERE number < 9; UPDATE checkpoint SET number = 9", 2),
        ("SELECT 1", 1),
        ("SELECT 1", 2),
    ],
)
async def test_what_was_not_signed_away_is_missed(
    statement: str,
    change: int | None,
    sealer: Sealer,
    database: Database,
    cluster: Cluster,
    clock: Clock,
    home: Path,
) -> None:
    """F14: permission to remove some heads is no permission to remove more, in the database or the file."""
    await prune_heads(database, home, datetime.now(UTC) + LATER, limit=6)
    await sound(database, home)
    await as_superuser(cluster, database, *statement.split(";"))
    if change is not None:
        change_file(head_file(home), lambda lines: [*lines[: change - 1], *lines[change:]])
    assert not (await verify(database, home)).ok
    await record(database, clock, 1, 12)
    await sealer.seal()
    assert not (await verify(database, home)).ok


async def test_the_worker_removes_no_head_without_a_checkpoint(sealer: Sealer, database: Database) -> None:
    for statement in (
        "DELETE FROM head WHERE number = 1",
        "UPDATE head SET line = ''",
        "TRUNCATE checkpoint",
    ):
        with pytest.raises(ProgrammingError):
            async with database.begin() as tx:
                await tx.execute(text(statement))
