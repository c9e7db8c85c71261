"""The seed: the checkout's content, put in force in an empty database and in no other."""

from __future__ import annotations

import tomllib
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from bot.content.approval import LEGAL, MEDICAL, give
from bot.content.editions import assembled, bodies, edition_in_force
from bot.content.importing import import_content
from bot.content.meetings import ahead, apart
from bot.content.publication import Plan, Publication, faults, plan_of, put_in_force
from bot.knowledge import Content, Meeting, load
from bot.model import Fault, MedrepError
from bot.settings import ROOT, Frozen
from bot.store import content as store
from bot.store.database import Database, Tx

SEED = "seed"
FOLDER = Path("data") / "content"
APPROVALS = "approvals.toml"  # in that folder: whose approvals the seed carries


class Reviewer(Frozen):
    login: str
    name: str


class Reviewers(Frozen):
    medical: Reviewer
    legal: Reviewer


async def seed_content(db: Database, now: datetime, root: Path = ROOT) -> Publication:
    """Put the checkout's content in force if the database has none; without approvals it becomes drafts.

    No index is built for it: nothing is answered by anybody before the first one is there.
    Raises MedrepError(BAD_INPUT | REFUSED_TEXT).
    """
    content = ahead(load(root / FOLDER), now)
    async with db.begin() as tx:
        await store.lock(tx)
        if not await store.empty(tx):
            in_force = await edition_in_force(tx)
            if in_force is None:
                return Publication("", "kept")
            same = apart(in_force.content).fingerprint == apart(content).fingerprint
            return Publication(in_force.content.fingerprint, "unchanged" if same else "kept")
        drafts = (await import_content(tx, content, SEED, now)).drafts
        reviewers = _reviewers(root / FOLDER / APPROVALS)
        if reviewers is None:
            return Publication(content.fingerprint, "drafted")
        if found := list(faults(content, bodies(content).keys(), now)):
            raise MedrepError(Fault.REFUSED_TEXT, "\n".join(found))
        await _approve(tx, drafts, reviewers, now)
        await put_in_force(tx, Plan(0, assembled(drafts), drafts, drafts, changed=True), SEED, now)
    return Publication(content.fingerprint, "published")


async def announce(db: Database, meeting: Meeting, now: datetime, root: Path = ROOT) -> bool:
    """Put a meeting of the demo in force beside the rest, with the approvals that the seed carries; whether
    that was done. No index is built: no question is answered from it.

    Raises MedrepError(BAD_INPUT | REFUSED_TEXT).
    """
    reviewers = _reviewers(root / FOLDER / APPROVALS)
    async with db.begin() as tx:
        await store.lock(tx)
        if reviewers is None or await store.current(tx) is None:
            return False
        drafts = (await import_content(tx, Content(meetings=(meeting,)), SEED, now)).drafts
        if not drafts:
            return False
        await _approve(tx, drafts, reviewers, now)
        await put_in_force(tx, await plan_of(tx, [one.id for one in drafts]), SEED, now)
    return True


def _reviewers(path: Path) -> Reviewers | None:
    if not path.exists():
        return None
    try:
        return Reviewers.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, ValidationError, UnicodeDecodeError):
        raise MedrepError(
            Fault.BAD_INPUT, f"{path.name} does not name a medical and a legal reviewer"
        ) from None


async def _approve(tx: Tx, drafts: tuple[store.Revision, ...], reviewers: Reviewers, now: datetime) -> None:
    for role, reviewer in ((MEDICAL, reviewers.medical), (LEGAL, reviewers.legal)):
        await give(tx, drafts, [role], reviewer.login, reviewer.name, now)
