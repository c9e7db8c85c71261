"""Files into drafts and back: what did not change makes nothing, and nobody's work is lost."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from bot.content import FOLDER, Imported, export_content, import_content, seed_content
from bot.knowledge import Content, load
from bot.model import Fault, MedrepError
from bot.settings import ROOT
from bot.store.database import Database
from tests.approved import in_force
from tests.content.conftest import NOW, SEED, Shelf, changed, without


async def imported(db: Database, content: Content, author: str = "author") -> Imported:
    async with db.begin() as tx:
        return await import_content(tx, content, author, NOW)


async def exported(db: Database, folder: Path) -> str:
    async with db.begin() as tx:
        return (await export_content(tx, folder)).state


async def test_an_unchanged_import_makes_nothing_and_a_changed_item_one_draft(shelf: Shelf) -> None:
    assert await imported(shelf.db, shelf.content) == Imported((), (), ())
    new = changed(shelf.content, "entries", shelf.entries[1], answer="每日一次。")
    (draft,) = (await imported(shelf.db, new)).drafts
    assert (draft.section, draft.item_id, draft.number, draft.state) == (
        "entries",
        shelf.entries[1],
        2,
        "draft",
    )
    assert (draft.body["answer"], draft.author) == ("每日一次。", "author")
    assert (await imported(shelf.db, new)).drafts == (), "the draft says so already"
    newest = changed(shelf.content, "entries", shelf.entries[1], answer="每日两次。")
    assert [one.number for one in (await imported(shelf.db, newest)).drafts] == [3]
    assert (await shelf.revision(shelf.entries[1], 2)).state == "retired", "a newer draft took its place"
    before, after, _ = await shelf.facts("content.imported")
    assert len(before["revisions"]) == 7 and after["author"] == "author"
    assert after["revisions"][0].startswith(f"entries {shelf.entries[1]}@2 ")


async def test_an_old_folder_reverts_nothing_and_a_missing_item_stays(shelf: Shelf) -> None:
    entry = shelf.entries[0]
    await in_force(
        shelf.db,
        changed(shelf.content, "entries", entry, answer="每日一次。"),
        NOW,
        shelf.encoder,
        shelf.folder,
    )
    old = await imported(shelf.db, without(shelf.content, "entries", shelf.entries[3]))
    assert old.drafts == ()
    assert [(one.item_id, one.number) for one in old.older] == [(entry, 1)]
    assert [one.item_id for one in old.absent] == [shelf.entries[3]]
    assert (await shelf.revision(shelf.entries[3])).state == "published"


async def test_the_export_of_the_seed_imports_to_nothing(database: Database, tmp_path: Path) -> None:
    await seed_content(database, NOW)
    assert await exported(database, tmp_path) == "exported"
    written = load(tmp_path)
    assert {entry.id: entry for entry in written.entries} == {entry.id: entry for entry in SEED.entries}
    names = {path.name for path in (ROOT / FOLDER).glob("*.yaml")}
    assert {path.name for path in tmp_path.glob("*.yaml")} == names
    assert await imported(database, written) == Imported((), (), ())
    assert await imported(database, SEED) == Imported((), (), ())
    assert await exported(database, tmp_path) == "unchanged"


async def test_the_export_says_who_approved_and_that_the_seeds_reviewers_are_invented(
    database: Database, tmp_path: Path
) -> None:
    await seed_content(database, NOW)
    await exported(database, tmp_path)
    with (tmp_path / "approvals.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * sum(len(getattr(SEED, section)) for section in Content.model_fields)
    assert {row["role"] for row in rows if row["id"] == SEED.entries[0].id} == {"medical", "legal"}
    assert all("演示" in row["name"] and "虚构" in row["name"] for row in rows)


async def test_an_export_follows_what_is_published_and_overwrites_no_work(
    shelf: Shelf, tmp_path: Path
) -> None:
    assert await exported(shelf.db, tmp_path) == "exported"
    entry = shelf.entries[0]
    await in_force(
        shelf.db,
        changed(shelf.content, "entries", entry, answer="每日一次。"),
        NOW,
        shelf.encoder,
        shelf.folder,
    )
    assert await exported(shelf.db, tmp_path) == "exported"
    assert load(tmp_path).entry[entry].answer == "每日一次。"

    file = tmp_path / "metformin.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("每日一次。", "每日三次。"), encoding="utf-8")
    before = file.read_bytes()
    with pytest.raises(MedrepError) as refused:
        await exported(shelf.db, tmp_path)
    assert refused.value.fault == Fault.CONFLICT and f"entries {entry}" in refused.value.detail
    assert file.read_bytes() == before
    await imported(shelf.db, load(tmp_path))
    assert await exported(shelf.db, tmp_path) == "exported", "the draft is kept where drafts are"
    assert load(tmp_path).entry[entry].answer == "每日一次。"
