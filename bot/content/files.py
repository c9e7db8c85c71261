"""What is in force as files: a file a product, one for guidelines, and a list of who approved what."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from bot.content.editions import SECTIONS, assembled, bodies
from bot.content.publication import Publication
from bot.knowledge import Content, load
from bot.model import Fault, MedrepError
from bot.store import content as store
from bot.store.content import Approval, Revision
from bot.store.database import Tx

SHARED = "guidelines"  # the file of documents that serve several products
APART = ("key_messages", "materials", "meetings")  # sections with a file of their own
APPROVED = "approvals.csv"
COLUMNS = ("revision", "section", "id", "number", "author", "role", "login", "name", "at")


async def export_content(tx: Tx, folder: Path) -> Publication:
    """Write what is in force to the folder, in the format of the seed; *.yaml that are not of it are removed.

    Raises MedrepError: NOT_FOUND, CONFLICT when the folder says something that was never imported.
    """
    version = await store.current(tx)
    if version is None:
        raise MedrepError(Fault.NOT_FOUND, "no content is published")
    revisions = await store.of_version(tx, version.id)
    content = assembled(revisions)
    existing = _read(folder)
    if unsaved := await _unsaved(tx, existing):
        why = "\n".join(f"{section} {item_id}" for section, item_id in unsaved)
        raise MedrepError(
            Fault.CONFLICT, f"the folder says what was never imported; export would undo it:\n{why}"
        )
    listed = _listed(revisions, await store.approvals(tx, [one.id for one in revisions]))
    if bodies(existing) == bodies(content):
        _write(folder / APPROVED, listed, "utf-8-sig")
        return Publication(content.fingerprint, "unchanged")
    _replace(folder, written(content))
    _write(folder / APPROVED, listed, "utf-8-sig")
    return Publication(content.fingerprint, "exported")


def _read(folder: Path) -> Content:
    return load(folder) if any(folder.glob("*.yaml")) else Content()


def _replace(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        _write(folder / name, text)
    for path in folder.glob("*.yaml"):
        if path.name not in files:
            path.unlink()


async def _unsaved(tx: Tx, existing: Content) -> list[tuple[str, str]]:
    stored: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for revision in await store.every(tx):
        stored.setdefault(revision.item, []).append(revision.body)
    return [item for item, body in bodies(existing).items() if body not in stored.get(item, [])]


def written(content: Content) -> dict[str, str]:
    """File name -> text."""
    files: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for (section, item_id), body in bodies(content).items():
        product = item_id if section == "products" else body.get("product", SHARED)
        name = f"{section if section in APART else product}.yaml"
        # YAML has dates; JSON, in which bodies are stored, has not.
        dates = {"valid_until": content.document[item_id].valid_until} if section == "documents" else {}
        files.setdefault(name, {}).setdefault(section, []).append(body | dates)
    return {name: _yaml(sections) for name, sections in files.items()}


def _yaml(sections: dict[str, list[dict[str, Any]]]) -> str:
    ordered = {name: sections[name] for name in SECTIONS if name in sections}
    return yaml.safe_dump(ordered, allow_unicode=True, sort_keys=False, width=1000)


def _listed(revisions: Sequence[Revision], approvals: dict[int, tuple[Approval, ...]]) -> str:
    """A line an approval, as a table program opens it; revisions without one have a line all the same."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for one in revisions:
        given = [(each.role, each.login, each.name, each.at.isoformat()) for each in approvals[one.id]]
        for line in given or [("", "", "", "")]:
            table.writerow((one.id, one.section, one.item_id, one.number, one.author, *line))
    return text.getvalue()


def _write(path: Path, text: str, encoding: str = "utf-8") -> None:
    part = path.with_name(f".{path.name}")
    part.write_text(text, encoding=encoding)
    part.replace(path)
