"""A little content of the seed, in force, and colleagues who may review."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from bot.clock import real_now
from bot.content import FOLDER
from bot.knowledge import Content, Encoder, load
from bot.settings import ROOT
from bot.staff import Role
from bot.store import content as store
from bot.store.content import Revision
from bot.store.database import Database
from tests.approved import colleagues, in_force

SEED = load(ROOT / FOLDER)
NOW = real_now()
PEOPLE: dict[str, list[Role]] = {
    "li-author": [Role.MEDICAL],
    "wu-rep": [Role.REP],
    "both": [Role.MEDICAL, Role.REVIEWER],
    "pv-1": [Role.PV],
}


def a_little() -> Content:
    """One product, one label, four entries, one use."""
    entries = [entry for entry in SEED.entries if entry.document == "metformin-label" and not entry.differs]
    return Content(
        products=(SEED.product["metformin"],),
        documents=(SEED.document["metformin-label"],),
        entries=tuple(entries[:4]),
        off_label=tuple(use for use in SEED.off_label if use.product == "metformin")[:1],
    )


def changed(content: Content, section: str, item_id: str, **change: Any) -> Content:
    """The content with one item changed."""
    sections: dict[str, Any] = {name: getattr(content, name) for name in Content.model_fields}
    sections[section] = tuple(
        type(item).model_validate({**item.model_dump(by_alias=True), **change})
        if item.id == item_id
        else item
        for item in sections[section]
    )
    return Content(**sections)


def without(content: Content, section: str, item_id: str) -> Content:
    sections: dict[str, Any] = {name: getattr(content, name) for name in Content.model_fields}
    sections[section] = tuple(item for item in sections[section] if item.id != item_id)
    return Content(**sections)


@dataclass
class Shelf:
    """A database with `content` in force and these colleagues."""

    db: Database
    content: Content
    encoder: Encoder
    folder: Path
    entries: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.entries = tuple(entry.id for entry in self.content.entries)

    async def revision(self, item_id: str, number: int | None = None) -> Revision:
        """The newest of an item, or that one."""
        async with self.db.begin() as tx:
            found = await store.of_item(tx, item_id)
        return next(one for one in reversed(found) if number in (None, one.number))

    async def version(self) -> int:
        async with self.db.begin() as tx:
            found = await store.current(tx)
        assert found is not None
        return found.id

    async def facts(self, kind: str) -> list[dict[str, Any]]:
        """Of the evidence of that kind, the oldest first."""
        async with self.db.begin() as tx:
            rows = await tx.execute(
                text("SELECT facts FROM evidence WHERE kind = :kind ORDER BY id"), {"kind": kind}
            )
            return [row.facts for row in rows]


@pytest.fixture(scope="session")
def indexes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the tests' indexes are kept: the little content's is built once."""
    return tmp_path_factory.mktemp("indexes")


@pytest.fixture
async def shelf(database: Database, encoder: Encoder, indexes: Path) -> Shelf:
    content = a_little()
    async with database.begin() as tx:
        await colleagues(tx, PEOPLE)
    await in_force(database, content, NOW, encoder, indexes)
    return Shelf(database, content, encoder, indexes)
