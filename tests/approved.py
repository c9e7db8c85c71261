"""Content put in force as it is in life: drafts, two reviewers, publication."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from bot import staff
from bot.content import approve, import_content, publish
from bot.knowledge import Content, Encoder
from bot.staff import Role
from bot.store import staff as rows
from bot.store.database import Database, Tx

REVIEWERS = {"yi-xue": Role.MEDICAL, "fa-wu": Role.REVIEWER}


async def colleagues(tx: Tx, now: datetime, roles: dict[str, Collection[Role]]) -> None:
    """These logins, those that are not there yet."""
    for login, some in roles.items():
        if not await rows.read(tx, login):
            await staff.add(tx, login, some, now, by="test")


async def approved(db: Database, content: Content, now: datetime) -> list[int]:
    """The revisions that this content makes, approved by both reviewers."""
    async with db.begin() as tx:
        await colleagues(tx, now, {login: [role] for login, role in REVIEWERS.items()})
        drafts = [one.id for one in (await import_content(tx, content, "author", now)).drafts]
        for login in REVIEWERS if drafts else ():
            await approve(tx, drafts, login, now)
    return drafts


async def in_force(db: Database, content: Content, now: datetime, encoder: Encoder) -> None:
    """What this content changes is approved and published; its index is thrown away."""
    await approved(db, content, now)
    await publish(db, (), "test", now, encoder, None)
