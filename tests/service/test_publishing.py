"""Files and what is published, both ways; nobody's change is lost unseen."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from bot.clock import real_now
from bot.dialogue.publishing import (
    ConflictError,
    export_dialogue,
    import_dialogue,
    in_force,
    publish_dialogue,
    seed_dialogue,
)
from bot.dialogue.version import Dialogue, read_dialogue, write_dialogue
from bot.model import MedrepError
from bot.settings import ROOT
from bot.store.database import Database

NOW = real_now()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The seed in files of its own."""
    root = tmp_path / "checkout"
    write_dialogue(read_dialogue(ROOT), root)
    return root


def append(path: Path, line: str) -> None:
    path.write_text(f"{path.read_text(encoding='utf-8')}{line}\n", encoding="utf-8")


def edited(folder: Path, line: str, more: Mapping[str, str] = MappingProxyType({})) -> Dialogue:
    """The folder's dialogue with a line more in its domain, and more files."""
    files = read_dialogue(folder).files
    return Dialogue({**files, "domain.yml": files["domain.yml"] + line, **more})


async def published_as(database: Database, dialogue: Dialogue, by: str = "admin") -> None:
    async with database.begin() as tx:
        await publish_dialogue(tx, dialogue, by, NOW)


async def text_in_force(database: Database, path: str = "domain.yml") -> str:
    async with database.begin() as tx:
        found = await in_force(tx)
    assert found is not None
    return found.files[path]


async def test_only_an_empty_database_takes_the_seed(database: Database, home: Path, folder: Path) -> None:
    """F21: an older checkout that is started again, or in which `medrep understand` runs, does not undo what
    a newer one published; nor does a newer one take over by being started."""
    states = [(await seed_dialogue(database, home, NOW, folder)).state for _ in range(2)]
    older = folder.with_name("older")
    shutil.copytree(folder, older)
    append(folder / "domain.yml", "# newer seed")
    states.append((await seed_dialogue(database, home, NOW, folder)).state)
    states.append((await import_dialogue(database, home, folder, "admin", NOW)).state)
    states.append((await seed_dialogue(database, home, NOW, older)).state)
    assert states == ["published", "unchanged", "kept", "published", "kept"]
    assert (await text_in_force(database)).endswith("# newer seed\n")
    with pytest.raises(ConflictError):
        await import_dialogue(database, home, older, "admin", NOW)


async def test_round_trip(database: Database, home: Path, folder: Path, tmp_path: Path) -> None:
    await import_dialogue(database, home, folder, "a", NOW)
    elsewhere = tmp_path / "elsewhere"
    await export_dialogue(database, home, elsewhere)
    assert read_dialogue(elsewhere) == read_dialogue(folder)
    append(elsewhere / "domain.yml", "# changed there")
    (elsewhere / "data" / "rules" / "talk.yml").unlink()
    assert (await import_dialogue(database, home, elsewhere, "b", NOW)).state == "published"
    assert (await export_dialogue(database, home, folder)).state == "exported"
    assert read_dialogue(elsewhere) == read_dialogue(folder)
    assert not (folder / "data" / "rules" / "talk.yml").exists()
    assert (await import_dialogue(database, home, folder, "a", NOW)).state == "unchanged"


async def test_conflicts_are_shown_and_change_nothing(
    database: Database, home: Path, folder: Path, tmp_path: Path
) -> None:
    await import_dialogue(database, home, folder, "a", NOW)
    other = edited(folder, "# published by b\n", {"new.yml": "x"})
    await published_as(database, other)
    append(folder / "domain.yml", "# mine")
    append(folder / "config.yml", "# mine")
    before = read_dialogue(folder)
    with pytest.raises(ConflictError) as refused:
        await import_dialogue(database, home, folder, "a", NOW)
    assert {(d.path, d.changed) for d in refused.value.differences} == {
        ("domain.yml", "both"), ("config.yml", "here"), ("new.yml", "published"),
    }  # fmt: skip
    with pytest.raises(ConflictError):
        await export_dialogue(database, home, folder)
    assert (await text_in_force(database)).endswith("# published by b\n")
    assert read_dialogue(folder) == before
    assert refused.value.replaced == other.fingerprint[:12]
    done = await import_dialogue(database, home, folder, "a", NOW, over=refused.value.replaced)
    assert done.state == "published"
    assert (await text_in_force(database)).endswith("# mine\n")


async def test_old_files_do_not_undo_a_newer_publication(
    database: Database, home: Path, folder: Path
) -> None:
    await import_dialogue(database, home, folder, "a", NOW)
    await published_as(database, edited(folder, "# newer\n"))
    with pytest.raises(ConflictError):
        await import_dialogue(database, home, folder, "a", NOW)
    await export_dialogue(database, home, folder)
    assert (folder / "domain.yml").read_text().endswith("# newer\n")


async def test_a_published_path_that_leads_outside_is_refused(
    database: Database, home: Path, folder: Path, tmp_path: Path
) -> None:
    await published_as(database, edited(folder, "", {"../evil.yml": "b"}))
    with pytest.raises(MedrepError):
        await export_dialogue(database, home, tmp_path / "out")
    assert not (tmp_path / "evil.yml").exists()
