"""Content put in force as it is in life: drafts, two reviewers, publication."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from pathlib import Path

from bot.content import approve, import_content, publish
from bot.knowledge import Content, Encoder
from bot.staff import Role
from bot.store import staff as rows
from bot.store.database import Database, Tx

REVIEWERS = {"yi-xue": Role.MEDICAL, "fa-wu": Role.REVIEWER}


async def colleagues(tx: Tx, roles: dict[str, Collection[Role]]) -> None:
    """These logins, those that are not there yet."""
    for login, some in roles.items():
        if not await rows.read(tx, login):
            staff_id = await rows.add(tx, login, login, "nobody logs in", "")
            assert staff_id is not None
            await rows.add_roles(tx, staff_id, some)


async def approved(db: Database, content: Content, now: datetime) -> list[int]:
    """The revisions that this content makes, approved by both reviewers."""
    async with db.begin() as tx:
        await colleagues(tx, {login: [role] for login, role in REVIEWERS.items()})
        drafts = [one.id for one in (await import_content(tx, content, "author", now)).drafts]
        for login in REVIEWERS if drafts else ():
            await approve(tx, drafts, login, now)
    return drafts


async def in_force(db: Database, content: Content, now: datetime, encoder: Encoder, folder: Path) -> None:
    """What this content changes is approved and published; `folder` keeps its index."""
    await approved(db, content, now)
    await publish(db, (), "test", now, encoder, folder)
