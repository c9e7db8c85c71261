"""The seed is taken by an empty database, and by no other."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from bot.clock import CHINA
from bot.content import FOLDER, edition_in_force, meetings_in_force, seed_content
from bot.service import demo
from bot.settings import ROOT
from bot.store import business_clock
from bot.store import content as store
from bot.store.database import Database
from tests.content.conftest import NOW, SEED, Shelf


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / FOLDER, tmp_path / FOLDER)
    return tmp_path


async def test_an_empty_database_takes_it_with_invented_approvals(database: Database) -> None:
    assert (await seed_content(database, NOW)).state == "published"
    assert (await seed_content(database, NOW)).state == "unchanged"
    async with database.begin() as tx:
        edition = await edition_in_force(tx)
        (entry,) = [one for one in await store.of_item(tx, SEED.entries[0].id) if one.section == "entries"]
        approvals = (await store.approvals(tx, [entry.id]))[entry.id]
    assert edition is not None and edition.content == SEED
    assert [(one.role, "演示" in one.name) for one in approvals] == [("legal", True), ("medical", True)]


async def test_another_checkout_changes_nothing(database: Database, checkout: Path) -> None:
    """F21: an old checkout, or a newer one, that starts on a database in use leaves it as it is."""
    await seed_content(database, NOW)
    path = checkout / FOLDER / "metformin.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("演示版 1.0", "演示版 0.9"), encoding="utf-8")
    assert (await seed_content(database, NOW, checkout)).state == "kept"
    async with database.begin() as tx:
        edition = await edition_in_force(tx)
        assert edition is not None and edition.content == SEED
        assert await store.pending(tx) == []


async def test_what_somebody_published_is_kept(shelf: Shelf) -> None:
    before = await shelf.version()
    assert (await seed_content(shelf.db, NOW)).state == "kept"
    assert await shelf.version() == before


async def test_a_seed_without_approvals_is_drafts(database: Database, checkout: Path) -> None:
    (checkout / FOLDER / "approvals.toml").unlink()
    assert (await seed_content(database, NOW, checkout)).state == "drafted"
    async with database.begin() as tx:
        assert await edition_in_force(tx) is None
        assert {one.state for one in await store.every(tx)} == {"draft"}


async def test_the_demo_always_has_a_meeting_next_week(database: Database) -> None:
    async def ahead() -> list[str]:
        async with database.begin() as tx:
            return [one.id for one in await meetings_in_force(tx)]

    now = NOW.astimezone(CHINA)
    await demo.meetings(database)
    assert await ahead() == [], "without content there is nothing to stand beside"
    await seed_content(database, NOW)
    seeded = await ahead()
    for _ in range(2):
        await demo.meetings(database)
    assert await ahead() == [f"demo-{now + timedelta(days=7):%Y%m%d}", *seeded]
    assert (await seed_content(database, NOW)).state == "unchanged", "a meeting makes no other content"
    async with database.begin() as tx:
        await business_clock.move(tx, 30 * 86400)
    await demo.meetings(database)
    assert f"demo-{now + timedelta(days=37):%Y%m%d}" in await ahead()
