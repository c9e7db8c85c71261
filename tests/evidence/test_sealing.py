"""The sealer: what it will not sign, where heads are kept, and that it may be killed at any step."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text

from bot.clock import Clock
from bot.evidence import Evidence, Owner, Sealer, note, verify
from bot.evidence.chain import content_of
from bot.model import Fault, MedrepError
from bot.service.postgres import Cluster
from bot.store import evidence
from bot.store.database import Database
from bot.store.keyring import Keyring, evidence_key, make_keys
from tests.evidence.attacks import COPY
from tests.evidence.chain import as_superuser, change_file, head_file, record, seal_ten

SEALING = """
import asyncio, sys
from contextlib import suppress
from pathlib import Path
from bot.runtime import logs
from bot.evidence import Sealer
from bot.store.database import Database
async def main(url, home):
    db = Database(url)
    with suppress(TimeoutError):
        async with asyncio.timeout(1.5):
            await Sealer(db, Path(home)).run()
    await db.close()
logs.configure()
asyncio.run(main(*sys.argv[1:]))
"""
STEPS = ("sealer.before_commit", "sealer.committed", "sealer.kept")
COLUMNS = "at, kind, person_id, contact_id, subject, facts, body_enc, digest"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No sealer runs beside the verifier here: waiting for it would be in vain."""
    monkeypatch.setattr("bot.evidence.verification.GRACE", 0.0)


async def count(database: Database, what: str) -> int:
    async with database.begin() as tx:
        return int((await tx.execute(text(f"SELECT count(*) FROM {what}"))).scalar_one())  # noqa: S608


async def test_a_note_is_one_row_with_its_owner_and_its_facts(database: Database, clock: Clock) -> None:
    whom = Owner(UUID(int=7), 3)
    async with database.begin() as tx:
        await note(tx, "test", clock.now(), "row:1", whom, body_enc=b"x", kind="inner", at="there")
        await note(tx, "test", clock.now(), "row:2")
    async with database.begin() as tx:
        columns = "kind, subject, person_id, contact_id, facts, body_enc"
        rows = (await tx.execute(text(f"SELECT {columns} FROM evidence ORDER BY id"))).all()  # noqa: S608
    assert [tuple(row) for row in rows] == [
        ("test", "row:1", UUID(int=7), 3, {"kind": "inner", "at": "there"}, b"x"),
        ("test", "row:2", None, None, {}, None),
    ]


async def test_nothing_is_recorded_without_the_key(database: Database, clock: Clock) -> None:
    """F14: a process that lacks the key folder cannot write rows that would be refused later."""
    keyless = Database(database.url)
    with pytest.raises(MedrepError) as refused:
        async with keyless.begin() as tx:
            await note(tx, "test", clock.now(), "row:1")
    assert refused.value.fault == Fault.CONFIGURATION
    assert "key" not in repr(keyless._engine.get_execution_options()).replace("medrep_evidence_key", "")
    await keyless.close()


@pytest.mark.parametrize("step", STEPS)
async def test_killed_at_any_step_it_goes_on_and_verifies(
    step: str, database: Database, clock: Clock, home: Path, tmp_path: Path
) -> None:
    """F14: what a crash leaves must not look like tampering, nor tampering like a crash."""
    await seal_ten(database, clock, home)
    await record(database, clock, 5, 10)
    points = tmp_path / "points"
    points.mkdir()
    (points / step).touch()
    killed = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SEALING, database.url, str(home)),
        env={**os.environ, "MEDREP_TEST": "1", "MEDREP_KILL_AT": str(points)},
    )
    assert await killed.wait() == -signal.SIGKILL
    if step != "sealer.before_commit":
        assert (await verify(database, home)).ok, "before anybody has tidied up"
    await Sealer(database, home).seal()
    assert len(head_file(home).read_text().splitlines()) == 3, "the line that was not written is"
    verdict = await verify(database, home)
    assert verdict.ok and verdict.rows == 15, verdict.findings
    change_file(head_file(home), lambda lines: lines[:-1])
    assert not (await verify(database, home)).ok


async def test_a_line_cut_off_while_it_was_written_is_written_again(
    database: Database, clock: Clock, home: Path
) -> None:
    """A power failure, as far as a file shows it: half a line, and the key folder does not know of it yet."""
    await seal_ten(database, clock, home)
    newest = home / "keys" / "evidence.newest"
    before = newest.read_bytes()
    await record(database, clock, 1, 10)
    await Sealer(database, home).seal()
    newest.write_bytes(before)
    with head_file(home).open("r+b") as file:
        file.truncate(head_file(home).stat().st_size - 100)
    assert (await verify(database, home)).ok
    await Sealer(database, home).seal()
    assert len(head_file(home).read_text().splitlines()) == 3
    assert (await verify(database, home)).ok


async def test_after_rotating_the_master_key_it_verifies(
    database: Database, clock: Clock, home: Path
) -> None:
    await seal_ten(database, clock, home)
    keyring = Keyring(home / "keys")
    keyring.use(keyring.make_master(after=keyring.current))
    await record(database, clock, 2, 10)
    await Sealer(database, home).seal()
    assert (await verify(database, home)).ok


# ---------------------------------------------------------------- what is not signed


async def test_a_row_that_we_did_not_write_is_never_sealed(
    database: Database, clock: Clock, cluster: Cluster, home: Path
) -> None:
    """F14: with a right digest it used to be sealed with the next ones, and so became the record."""
    sealer = await seal_ten(database, clock, home)
    stranger = Database(database.url, evidence_key=b"k" * 32)
    async with stranger.begin() as tx:
        await Evidence("consent.given", clock.now(), "person:1").record(tx)
    await stranger.close()
    await record(database, clock, 3, 10)
    assert await sealer.seal() == 3
    assert await sealer.seal() == 0
    findings = (await verify(database, home)).findings
    assert findings == ("evidence 11: the row does not match its digest: it was not written with our key",)


async def test_more_rows_of_a_strangers_than_a_batch_do_not_stop_it(
    database: Database, clock: Clock, cluster: Cluster, home: Path
) -> None:
    sealer = await seal_ten(database, clock, home)
    stranger = f"INSERT INTO evidence ({COLUMNS}) SELECT {COLUMNS} FROM evidence, generate_series(1, 300)"  # noqa: S608
    await as_superuser(cluster, database, stranger)
    await record(database, clock, 3, 10)
    assert await sealer.seal() == 3
    verdict = await verify(database, home)
    assert (verdict.rows, verdict.count, len(verdict.findings)) == (13, 3000, 20)


async def test_a_row_held_back_and_put_in_later_is_refused(
    database: Database, clock: Clock, cluster: Cluster, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F14: taken out before it was sealed, an hour later it is ours still, but comes before the last seal."""
    sealer = await seal_ten(database, clock, home)
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    with monkeypatch.context() as past:
        past.setattr("bot.evidence.chain.real_now", lambda: hour_ago)
        await record(database, clock, 1, 10)
    assert await sealer.seal() == 0
    findings = (await verify(database, home)).findings
    assert len(findings) == 1 and "which is not now" in findings[0]


async def test_a_backlog_is_sealed_however_old(
    database: Database, clock: Clock, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of yesterday that no sealer has seen yet are no forgery: they come after the last seal."""
    yesterday = datetime.now(UTC) - timedelta(days=1)
    with monkeypatch.context() as past:
        past.setattr("bot.evidence.chain.real_now", lambda: yesterday)
        await record(database, clock, 1200)
    await record(database, clock, 5)
    sealer = Sealer(database, home)
    assert [await sealer.seal() for _ in range(3)] == [1000, 205, 0]
    assert (await verify(database, home)).ok


async def test_rows_of_an_earlier_version_are_sealed_once(
    database: Database, clock: Clock, cluster: Cluster, home: Path
) -> None:
    """An upgrade: what was there before digests were keyed is linked anew; later it would not be."""
    head_file(home).parent.mkdir(parents=True)
    head_file(home).write_text('{"seq": 3, "link": "00", "sealed_at": "2026-01-01", "signature": "00"}\n')
    with suppress(ZeroDivisionError):
        async with database.begin() as tx:
            await note(tx, "test", clock.now(), "rolled back, and its id with it")
            raise ZeroDivisionError
    await record(database, clock, 3)
    async with database.begin() as tx:
        rows = [found.row for found in await evidence.unsealed(tx, None, 10)]
    assert [row.id for row in rows] == [2, 3, 4]
    for row in rows:
        plain = f"UPDATE evidence SET digest = %(digest)s WHERE id = {row.id}"  # noqa: S608
        await as_superuser(cluster, database, plain, digest=content_of(row))
    sealer = Sealer(database, home)
    assert await sealer.seal() == 3
    verdict = await verify(database, home)
    assert verdict.ok, verdict.findings
    assert len(list(head_file(home).parent.glob("heads-*.jsonl"))) == 1, "the earlier lines are kept"
    for evidence_id in (1, 5):
        await as_superuser(cluster, database, COPY.format(id=evidence_id, source="evidence WHERE id = 2"))
    assert await sealer.seal() == 0
    verdict = await verify(database, home)
    assert verdict.count == 2 and "was not written with our key" in verdict.findings[0]


# ---------------------------------------------------------------- witnesses


async def cut_off(cluster: Cluster, database: Database, home: Path) -> None:
    await as_superuser(
        cluster,
        database,
        "DELETE FROM evidence WHERE id > 5",
        "DELETE FROM seal WHERE seq > 5",
        "DELETE FROM head WHERE number > 1",
    )
    change_file(head_file(home), lambda lines: lines[:1])


async def test_what_the_service_signs_on_top_does_not_launder_a_cut(
    database: Database, clock: Clock, cluster: Cluster, home: Path
) -> None:
    """F14: the end is cut off while the service runs, and its new heads are put into the file by hand."""
    sealer = await seal_ten(database, clock, home)
    await cut_off(cluster, database, home)
    for first in (10, 13, 16):
        await record(database, clock, 3, first)
        assert await sealer.seal() == 3
    async with database.begin() as tx:
        lines = list((await tx.execute(text("SELECT line FROM head ORDER BY number"))).scalars())
    change_file(head_file(home), lambda _: lines)
    findings = (await verify(database, home)).findings
    assert any("head 2 (database): it is missing" in finding for finding in findings), findings


async def test_a_copy_elsewhere_convicts_who_has_the_key_folder_of_the_newest_too(
    database: Database, clock: Clock, cluster: Cluster, home: Path, tmp_path: Path
) -> None:
    """F14: MEDREP_EVIDENCE_COPY, say on another machine's disk; without it all is consistent."""
    copy = tmp_path / "elsewhere" / "heads.jsonl"
    copy.parent.mkdir()
    await seal_ten(database, clock, home, copy)
    assert copy.read_text() == head_file(home).read_text()
    await cut_off(cluster, database, home)
    (home / "keys" / "evidence.newest").unlink()
    assert (await verify(database, home)).ok, "nothing here knows better"
    for found in (await verify(database, home, copy=copy), await verify(database, home, others=[copy])):
        assert found.broken is not None and "the chain ends at 5, rows were cut off" in found.broken


async def test_a_copy_that_cannot_be_written_stops_nothing_and_is_brought_up_later(
    database: Database, clock: Clock, home: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "unmounted" / "heads.jsonl"
    await seal_ten(database, clock, home, copy)
    verdict = await verify(database, home, copy=copy)
    assert verdict.ok and not copy.exists(), verdict.findings
    copy.parent.mkdir()
    await record(database, clock, 1, 10)
    await Sealer(database, home, copy).seal()
    assert copy.read_text() == head_file(home).read_text()
    assert (await verify(database, home, copy=copy)).ok


async def test_the_log_of_the_day_is_a_witness(
    database: Database, clock: Clock, cluster: Cluster, home: Path, tmp_path: Path
) -> None:
    """F14: the day's first head stands in the log; a log collected elsewhere is handed to the verifier."""
    await record(database, clock, 10)
    log = tmp_path / "app-1.log"
    with log.open("w") as file:
        sealing = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", SEALING, database.url, str(home)), stdout=file
        )
        assert await sealing.wait() == 0
    assert len(log.read_text().splitlines()) == 1
    assert (await verify(database, home, others=[log])).ok
    await as_superuser(cluster, database, *(f"TRUNCATE {table}" for table in ("evidence", "seal", "head")))
    shutil.rmtree(home / "evidence")
    (home / "keys" / "evidence.newest").unlink()
    assert (await verify(database, home)).ok
    broken = (await verify(database, home, others=[log])).broken
    assert broken is not None and "rows were cut off" in broken


async def test_two_processes_keep_one_file(database: Database, clock: Clock, home: Path) -> None:
    """Whoever seals, every head is in the file once and in order."""
    sealers = [Sealer(database, home) for _ in range(3)]
    for number in range(20):
        await record(database, clock, 1, number)
        await asyncio.gather(*(sealer.seal() for sealer in sealers))
    verdict = await verify(database, home)
    assert verdict.ok and verdict.rows == 20, verdict.findings


def test_the_key_is_made_once_and_never_by_reading_it(tmp_path: Path) -> None:
    with pytest.raises(MedrepError):
        evidence_key(tmp_path / "keys")
    assert not (tmp_path / "keys").exists()
    make_keys(tmp_path / "keys")
    made = evidence_key(tmp_path / "keys")
    make_keys(tmp_path / "keys")
    assert evidence_key(tmp_path / "keys") == made
