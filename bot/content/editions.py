"""An edition: the content of one published version, with the revision of each entry."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bot.knowledge import Content, Entry, KeyMessage, Material
from bot.model import Basis, BasisKind
from bot.store import content as store
from bot.store.content import Revision
from bot.store.database import Tx

SECTIONS = tuple(Content.model_fields)
Quotable = Entry | KeyMessage | Material
Item = tuple[str, str]  # section, id


@dataclass(frozen=True, slots=True)
class Edition:
    """What one version says. `numbers`: what may be quoted -> its revision, which a message names."""

    version: int
    content: Content
    numbers: Mapping[str, int]

    def basis(self, item_id: str) -> Basis:
        """What entitles a quotation of this entry or key message to leave."""
        return Basis(BasisKind.CONTENT, item_id, str(self.numbers[item_id]))

    def quoted(self, basis: Basis) -> Quotable | None:
        """The entry, key message or material that a basis names, if it has that revision here."""
        if str(self.numbers.get(basis.ref, "")) != basis.version:
            return None
        content = self.content
        return (
            content.entry.get(basis.ref)
            or content.key_message.get(basis.ref)
            or content.material.get(basis.ref)
        )


def bodies(content: Content) -> dict[Item, dict[str, Any]]:
    """Every item, in the order of the content, as it is stored."""
    return {
        (section, item.id): item.model_dump(mode="json", by_alias=True, exclude_none=True)
        for section in SECTIONS
        for item in getattr(content, section)
    }


def assembled(revisions: Iterable[Revision]) -> Content:
    """The content that revisions make together. Raises MedrepError(BAD_INPUT): they do not fit."""
    sections: dict[str, list[dict[str, Any]]] = {section: [] for section in SECTIONS}
    for revision in revisions:
        sections[revision.section].append(revision.body)
    return Content.from_json(sections)


def digest(revision: Revision) -> str:
    """How evidence names what was approved: the item, its revision and the start of its body's sha256."""
    text = json.dumps(revision.body, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return f"{revision} {hashlib.sha256(text.encode()).hexdigest()[:16]}"


async def edition(tx: Tx, version: int) -> Edition:
    """What this version says; what was withdrawn since is left out."""
    revisions = await store.of_version(tx, version)
    numbers = {one.item_id: one.number for one in revisions if one.section in store.QUOTED}
    return Edition(version, assembled(revisions), numbers)


async def edition_in_force(tx: Tx) -> Edition | None:
    version = await store.current(tx)
    return None if version is None else await edition(tx, version.id)
