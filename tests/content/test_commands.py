"""`medrep content` as it is used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bot.commands.content import app
from bot.content.files import written
from bot.knowledge import Content
from bot.model import MedrepError
from bot.store.database import Database
from tests.approved import REVIEWERS, colleagues
from tests.content.conftest import a_little, changed
from tests.running import Service

LITTLE = a_little()
ENTRY = LITTLE.entries[0]


def filed(folder: Path, content: Content) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in written(content).items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def objects(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
async def office(database: Database, home: Path) -> Service:
    """A home on a database of its own, with two reviewers."""
    async with database.begin() as tx:
        await colleagues(tx, {login: [role] for login, role in REVIEWERS.items()})
    return Service(home, {"MEDREP_DATABASE_URL": database.url})


def prints(*arguments: object) -> str:
    """What the command says; in this process, which has all imported."""
    done = CliRunner().invoke(app, [str(one) for one in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_from_files_to_force_and_back(
    office: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Import, refusal, two approvals, publication, listing, export, an import of it, withdrawal."""
    for name in ("MEDREP_HOME", "MEDREP_DATABASE_URL"):
        monkeypatch.setenv(name, office.env[name])
    folder = filed(tmp_path / "in", LITTLE)
    drafts = objects(office.prints("content", "import", folder))
    assert {(one["section"], one["state"], one["number"]) for one in drafts} == {
        (section, "draft", 1) for section in Content.model_fields if getattr(LITTLE, section)
    }
    revisions = [str(one["revision"]) for one in drafts]

    refused = office.medrep("content", "publish")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.count("lacks medical and legal approval") == len(revisions)
    assert f"entries {ENTRY.id}@1" in refused.stderr

    assert prints("approve", *revisions, "--as", "yi-xue").count("lacks legal approval") == 7
    assert prints("approve", *revisions, "--as", "fa-wu").count(": approved") == 7
    assert prints("publish").split()[2] == "published"
    assert list((office.home / "index").glob("*.pickle"))

    listed = {one["id"]: one for one in objects(prints("list"))}
    assert listed[ENTRY.id]["state"] == "published"
    assert [(one["role"], one["login"], one["name"]) for one in listed[ENTRY.id]["approvals"]] == [
        ("medical", "yi-xue", "yi-xue"), ("legal", "fa-wu", "fa-wu"),
    ]  # fmt: skip

    out = tmp_path / "out"
    assert prints("export", out).split()[2] == "exported"
    assert prints("import", out, "--as", "yi-xue") == "", "nothing changed"

    filed(out, changed(LITTLE, "entries", ENTRY.id, answer="每日一次。"))
    (draft,) = objects(prints("import", out, "--as", "yi-xue"))
    assert (draft["id"], draft["number"], draft["author"]) == (ENTRY.id, 2, "yi-xue")
    with pytest.raises(MedrepError, match="yi-xue wrote it"):
        prints("approve", draft["revision"], "--as", "yi-xue")

    first = listed[ENTRY.id]["revision"]
    withdrawn = prints("withdraw", first, "--as", "yi-xue", "--reason", "剂量有误")
    assert withdrawn.split()[2] == "published"
    history = objects(prints("list", ENTRY.id))
    assert [(one["number"], one["state"], one["body"]["answer"]) for one in history] == [
        (1, "withdrawn", ENTRY.answer), (2, "draft", "每日一次。"),
    ]  # fmt: skip
