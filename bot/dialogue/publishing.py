"""Publishing: what is said goes from files into the database, and back, without overwriting anybody.

The files in the checkout are the seed. What is in force lives in the database. `base.json` under
MEDREP_HOME remembers, for each folder, the version at which the two last agreed, so that a change on
either side is carried over and changes on both sides are shown as a conflict.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bot.compliance import check_text
from bot.dialogue.version import Dialogue, read_dialogue, write_dialogue
from bot.evidence import note
from bot.model import Fault, MedrepError
from bot.settings import ROOT
from bot.store import published
from bot.store.database import Database, Tx
from bot.store.published import Version

SEED = "seed"


@dataclass(frozen=True, slots=True)
class ImportedDialogue:
    """What became of an import. `kept`: somebody published something else, which stays in force."""

    fingerprint: str  # of what is in force now
    state: str  # published | exported | unchanged | kept

    def __str__(self) -> str:
        return f"dialogue {self.fingerprint[:12]} {self.state}"


@dataclass(frozen=True, slots=True)
class Difference:
    """Files that differ between the folder and what is in force, and who changed each since `base`."""

    path: str
    changed: str  # "here" | "published" | "both"

    def __str__(self) -> str:
        return f"  {self.path}  (changed {'on both sides' if self.changed == 'both' else self.changed})"


class ConflictError(MedrepError):
    """Carrying over would undo somebody's change; `differences` says where, `replaced` what would be lost."""

    def __init__(self, why: str, replaced: str, differences: tuple[Difference, ...]) -> None:
        super().__init__(Fault.CONFLICT, why)
        self.replaced = replaced
        self.differences = differences


# ---------------------------------------------------------------- seed


async def seed_dialogue(db: Database, home: Path, now: datetime, root: Path = ROOT) -> ImportedDialogue:
    """Put the checkout's dialogue in force where none is: a later one is published by `import_dialogue`.

    Whoever starts may be an older checkout, which must not undo what a newer one brought.
    """
    dialogue = read_dialogue(root)
    async with db.begin() as tx:
        fingerprint = await published.fingerprint(tx)
        if fingerprint is None:
            await publish_dialogue(tx, dialogue, SEED, now)
    if fingerprint is not None and fingerprint != dialogue.fingerprint:
        return ImportedDialogue(fingerprint, "kept")
    _remember(home, root, dialogue.fingerprint)
    return ImportedDialogue(dialogue.fingerprint, "unchanged" if fingerprint else "published")


async def publish_dialogue(tx: Tx, dialogue: Dialogue, by: str, now: datetime) -> None:
    """Put a dialogue in force; it speaks once its model is trained.

    Raises MedrepError: BAD_INPUT when it cannot speak, REFUSED_TEXT (one line a finding) when it may not.
    """
    dialogue.check()
    if findings := forbidden(dialogue):
        raise MedrepError(Fault.REFUSED_TEXT, "\n".join(findings))
    version = Version(dialogue.fingerprint, dict(dialogue.files), by)
    await published.publish(tx, version, now)
    subject = f"dialogue:{dialogue.fingerprint[:12]}"
    await note(tx, "dialogue.published", now, subject, fingerprint=dialogue.fingerprint, by=by)


def forbidden(dialogue: Dialogue) -> list[str]:
    """What compliance finds in any variation or button, for the audience that is told it."""
    return [
        f"responses {name} ({audience}): {finding.rule}: {finding.why}"
        for name, audience, text in dialogue.texts()
        for finding in check_text(text, audience)
    ]


# ---------------------------------------------------------------- round trip


async def in_force(tx: Tx) -> Dialogue | None:
    version = await published.current(tx)
    return None if version is None else Dialogue(version.body)


async def import_dialogue(
    db: Database, home: Path, folder: Path, by: str, now: datetime, over: str = ""
) -> ImportedDialogue:
    """Put the folder's dialogue in force. `over` is the start of the version that may be replaced unseen.

    Raises ConflictError where that would undo what was published since, MedrepError(BAD_INPUT).
    """
    files = read_dialogue(folder)
    async with db.begin() as tx:
        stored = await in_force(tx)
        state = "unchanged"
        if stored is None or stored.fingerprint != files.fingerprint:
            if stored is not None and not _named(over, stored):
                await _refuse_unless_base(tx, home, folder, files, stored, importing=True)
            await publish_dialogue(tx, files, by, now)
            state = "published"
    _remember(home, folder, files.fingerprint)
    return ImportedDialogue(files.fingerprint, state)


async def export_dialogue(db: Database, home: Path, folder: Path, over: str = "") -> ImportedDialogue:
    """Write what is in force to the folder; files that are not in it any more are removed.

    Raises ConflictError where that would undo changes in the folder, MedrepError(NOT_FOUND).
    """
    empty = not (folder / "domain.yml").exists()
    async with db.begin() as tx:
        stored = await in_force(tx)
        if stored is None:
            raise MedrepError(Fault.NOT_FOUND, "no dialogue is published")
        local = Dialogue({}) if empty else read_dialogue(folder)
        if not empty and local.fingerprint != stored.fingerprint and not _named(over, local):
            await _refuse_unless_base(tx, home, folder, local, stored, importing=False)
    write_dialogue(stored, folder)
    for name in local.files.keys() - stored.files.keys():
        (folder / name).unlink()
    _remember(home, folder, stored.fingerprint)
    state = "unchanged" if local.fingerprint == stored.fingerprint else "exported"
    return ImportedDialogue(stored.fingerprint, state)


def _named(over: str, dialogue: Dialogue) -> bool:
    return len(over) >= 8 and dialogue.fingerprint.startswith(over)


async def _refuse_unless_base(
    tx: Tx, home: Path, folder: Path, local: Dialogue, stored: Dialogue, *, importing: bool
) -> None:
    """Raise ConflictError unless the side about to be replaced is what both sides last agreed on."""
    replaced = stored if importing else local
    base = _base(home, folder)
    if replaced.fingerprint == base:
        return
    agreed = await published.by_fingerprint(tx, base)
    common = {} if agreed is None else agreed.body
    found = tuple(_differences(local, stored, common))
    name, operation = ("published", "import") if importing else ("in the folder", "export")
    why = f"what is {name} ({replaced.fingerprint[:12]}) has changes of its own; {operation} would undo them"
    raise ConflictError(why, replaced.fingerprint[:12], found)


def _differences(local: Dialogue, stored: Dialogue, base: dict[str, str]) -> list[Difference]:
    found = []
    for path in sorted(local.files.keys() | stored.files.keys()):
        local_text, stored_text, base_text = local.files.get(path), stored.files.get(path), base.get(path)
        if local_text == stored_text:
            continue
        changed = "published" if local_text == base_text else "here" if stored_text == base_text else "both"
        found.append(Difference(path, changed))
    return found


def _bases(home: Path) -> dict[str, str]:
    path = home / "dialogue" / "base.json"
    bases: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return bases


def _base(home: Path, folder: Path) -> str:
    return _bases(home).get(str(folder.resolve()), "")


def _remember(home: Path, folder: Path, fingerprint: str) -> None:
    path = home / "dialogue" / "base.json"
    bases = {**_bases(home), str(folder.resolve()): fingerprint}
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}")
    part.write_text(json.dumps(bases, indent=1), encoding="utf-8")
    part.replace(path)
