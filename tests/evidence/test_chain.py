"""Evidence cannot be altered unseen: every edit, deletion, reorder and truncation is found."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from bot.clock import Clock
from bot.evidence import Evidence, Sealer, verify
from bot.service.postgres import Cluster
from bot.store.database import Database
from bot.store.keyring import evidence_key
from tests.evidence.attacks import COPY
from tests.evidence.chain import as_postgres, as_superuser, change_file, edited, head_file, record, seal_ten

BESIDE = "; INSERT INTO seal VALUES ({place}, 99, 'x')"


@pytest.fixture
async def sealed(database: Database, clock: Clock, home: Path) -> Sealer:
    """Ten rows in two rounds of sealing."""
    return await seal_ten(database, clock, home)


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
            "DELETE FROM seal WHERE seq>5; DELETE FROM evidence WHERE id>5; DELETE FROM head WHERE number=2",
            "rows were cut off",
        ),
        (
            "head",
            "UPDATE head SET line = replace(line, '\"seq\":5', '\"seq\":4') WHERE number = 1",
            "signature does not match",
        ),
        ("no head", "DELETE FROM head WHERE number = 2", "no signed head covers it"),
        ("unsealed", "DELETE FROM seal WHERE seq > 9; DELETE FROM head WHERE number > 1", "cut off"),
    ],
)
async def test_every_change_is_found(
    what: str,
    statement: str,
    found: str,
    sealed: Sealer,
    cluster: Cluster,
    database: Database,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bot.evidence.verification.GRACE", 0.0)  # no sealer runs that could be waited for
    await as_superuser(cluster, database, *statement.split(";"))
    verdict = await verify(database, home)
    assert any(found in finding for finding in verdict.findings), (what, verdict)


@pytest.mark.parametrize(("stolen", "found"), [(True, "link does not match"), (False, "match its digest")])
async def test_a_digest_made_to_fit_breaks_the_link(
    stolen: bool,
    found: str,
    sealed: Sealer,
    cluster: Cluster,
    database: Database,
    home: Path,
    clock: Clock,
) -> None:
    """F14: a right digest needs the key folder; and with that key alone the link still gives it away."""
    key = evidence_key(home / "keys") if stolen else b"k" * 32
    thief = Database(database.url, evidence_key=key)
    async with thief.begin() as tx:
        forged = Evidence("test", clock.now(), "row:3", {"n": 99}, body_enc=b"x" * 40).row(tx)
    await thief.close()
    what = f"facts = '{{\"n\": 99}}', at = '{forged.at.isoformat()}', digest = '\\x{forged.digest.hex()}'"
    nobody = "person_id = NULL, contact_id = NULL"
    await as_superuser(
        cluster,
        database,
        f"UPDATE evidence SET {what}, {nobody} WHERE id = 4",  # noqa: S608
    )
    verdict = await verify(database, home)
    assert verdict.broken is not None
    assert found in verdict.broken


async def test_a_forged_line_in_the_kept_heads_is_found(
    sealed: Sealer, database: Database, home: Path
) -> None:
    change_file(head_file(home), lambda lines: [edited(lines[0], link="00" * 32), *lines[1:]])
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


async def test_under_load_it_verifies(
    sealed: Sealer, database: Database, clock: Clock, home: Path, tmp_path: Path
) -> None:
    """F14: at any moment some rows have no seal yet; only those that the sealer leaves are a finding."""
    copy = tmp_path / "heads.jsonl"

    async def load() -> None:
        while True:
            await record(database, clock, 2)
            await asyncio.sleep(0.005)

    working = [asyncio.create_task(load()), asyncio.create_task(Sealer(database, home, copy).run())]
    await asyncio.sleep(1.0)
    for _ in range(3):
        verdict = await verify(database, home, copy=copy, others=[copy])
        assert verdict.ok, verdict.findings
    for task in working:
        task.cancel()
    await asyncio.gather(*working, return_exceptions=True)
    await sealed.seal()


async def test_a_row_that_commits_late_is_sealed_too(database: Database, clock: Clock, home: Path) -> None:
    sealer = Sealer(database, home)
    async with database.begin() as early:
        await Evidence("late", clock.now(), "row:late").record(early)
        await record(database, clock, 3)
        assert await sealer.seal() == 3, "the late one is not visible yet"
    assert await sealer.seal() == 1
    assert (await verify(database, home)).ok


@pytest.mark.parametrize("place", [3, 4, 5, 6, 9, 10])
@pytest.mark.parametrize(
    "statement",
    [
        COPY.format(id="{place}", source="evidence WHERE id = 1"),
        COPY.format(id=99, source="evidence WHERE id = 1") + BESIDE,
    ],
)
async def test_nothing_hides_in_anothers_place(
    place: int,
    statement: str,
    sealed: Sealer,
    cluster: Cluster,
    database: Database,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """F14: keys are dropped, and what was put in has the number of another, at a page's end or within."""
    monkeypatch.setattr("bot.store.evidence.PAGE", 5)
    monkeypatch.setattr("bot.evidence.verification.GRACE", 0.0)
    await as_superuser(
        cluster,
        database,
        "ALTER TABLE seal DROP CONSTRAINT pk_seal",
        "ALTER TABLE evidence DROP CONSTRAINT pk_evidence",
        *statement.format(place=place).split(";"),
    )
    assert not (await verify(database, home)).ok
