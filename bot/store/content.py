"""Approved material: revisions, approvals, and the versions that put them in force together."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from bot.store import channels
from bot.store.database import Tx, notify
from bot.store.tables import content_approval, content_revision, content_version

DRAFT, APPROVED, PUBLISHED, RETIRED = "draft", "approved", "published", "retired"
PENDING = (DRAFT, APPROVED)
QUOTED = ("entries", "key_messages", "materials")  # sections whose items may be said or shown


@dataclass(frozen=True, slots=True)
class Revision:
    """One wording of one item; `body` is what the files say of it."""

    id: int
    section: str
    item_id: str
    number: int
    body: dict[str, Any]
    author: str
    created_at: datetime
    state: str
    published_at: datetime | None
    withdrawn_at: datetime | None

    @property
    def item(self) -> tuple[str, str]:
        return self.section, self.item_id

    def __str__(self) -> str:
        return f"{self.section} {self.item_id}@{self.number}"


@dataclass(frozen=True, slots=True)
class Approval:
    revision_id: int
    role: str
    login: str
    name: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ContentVersion:
    """What is or was in force: `revisions` in order."""

    id: int
    fingerprint: str
    revisions: tuple[int, ...]


async def lock(tx: Tx) -> None:
    """Nobody else writes revisions until this transaction ends; everybody may read."""
    await tx.execute(text("LOCK TABLE content_revision IN SHARE ROW EXCLUSIVE MODE"))


async def empty(tx: Tx) -> bool:
    return (await tx.execute(select(content_revision.c.id).limit(1))).first() is None


async def every(tx: Tx) -> list[Revision]:
    """All revisions, those of an item together, the oldest first."""
    return await _read(tx)


async def by_ids(tx: Tx, ids: Collection[int]) -> list[Revision]:
    return await _read(tx, content_revision.c.id.in_(ids))


async def pending(tx: Tx) -> list[Revision]:
    """What is written and not in force."""
    return await _read(tx, content_revision.c.state.in_(PENDING))


async def living(tx: Tx) -> list[Revision]:
    """What is in force, and what is pending."""
    return await _read(tx, content_revision.c.state != RETIRED)


async def of_item(tx: Tx, item_id: str) -> list[Revision]:
    return await _read(tx, content_revision.c.item_id == item_id)


async def announced(tx: Tx, section: str) -> list[Revision]:
    """The revisions of a section that are or were in force; of an item what is in force, or was last, is the
    last."""
    rows = await tx.execute(
        select(content_revision)
        .where(content_revision.c.section == section, content_revision.c.published_at.is_not(None))
        .order_by(
            content_revision.c.state == PUBLISHED, content_revision.c.published_at, content_revision.c.id
        )
    )
    return [Revision(**row) for row in rows.mappings()]


async def _read(tx: Tx, *which: ColumnElement[bool]) -> list[Revision]:
    order = (content_revision.c.section, content_revision.c.item_id, content_revision.c.number)
    rows = await tx.execute(select(content_revision).where(*which).order_by(*order))
    return [Revision(**row) for row in rows.mappings()]


async def add(
    tx: Tx, items: Sequence[tuple[str, str, int, Mapping[str, Any]]], author: str, now: datetime
) -> list[Revision]:
    """Drafts of (section, item, number, body), in this order; a pending one of the same item gives way."""
    if not items:
        return []
    same = tuple_(content_revision.c.section, content_revision.c.item_id).in_([item[:2] for item in items])
    await _retire(tx, same, content_revision.c.state.in_(PENDING))
    common = {"author": author, "created_at": now, "state": DRAFT}
    rows = [
        {"section": section, "item_id": item_id, "number": number, "body": body, **common}
        for section, item_id, number, body in items
    ]
    statement = insert(content_revision).returning(content_revision, sort_by_parameter_order=True)
    return [Revision(**row) for row in (await tx.execute(statement, rows)).mappings()]


async def _retire(tx: Tx, *which: ColumnElement[bool]) -> None:
    await tx.execute(update(content_revision).where(*which).values(state=RETIRED))


async def approve(tx: Tx, approvals: Sequence[Approval]) -> None:
    """Repeated, the first time is kept."""
    rows = [
        {"revision_id": one.revision_id, "role": one.role, "login": one.login, "name": one.name, "at": one.at}
        for one in approvals
    ]
    await tx.execute(insert(content_approval).on_conflict_do_nothing(), rows)


async def approvals(tx: Tx, revisions: Collection[int]) -> dict[int, tuple[Approval, ...]]:
    """Of each revision, the earliest first."""
    found: dict[int, list[Approval]] = {one: [] for one in revisions}
    query = select(content_approval).where(content_approval.c.revision_id.in_(revisions))
    for row in (await tx.execute(query.order_by(content_approval.c.at, content_approval.c.role))).mappings():
        found[row["revision_id"]].append(Approval(**row))
    return {key: tuple(value) for key, value in found.items()}


async def mark_approved(tx: Tx, revisions: Collection[int]) -> None:
    drafts = content_revision.c.id.in_(revisions), content_revision.c.state == DRAFT
    await tx.execute(update(content_revision).where(*drafts).values(state=APPROVED))


async def withdraw(tx: Tx, revision_id: int, now: datetime) -> None:
    await tx.execute(
        update(content_revision)
        .where(content_revision.c.id == revision_id)
        .values(state=RETIRED, withdrawn_at=now)
    )


# ---------------------------------------------------------------- versions


async def current(tx: Tx) -> ContentVersion | None:
    """The version in force."""
    row = (
        await tx.execute(
            select(content_version.c.id, content_version.c.fingerprint, content_version.c.revisions).where(
                content_version.c.current
            )
        )
    ).first()
    return None if row is None else ContentVersion(row.id, row.fingerprint, tuple(row.revisions))


async def standing(tx: Tx, since: datetime) -> list[tuple[int, frozenset[str]]]:
    """The version in force and those replaced after `since`, the newest first: of each its id, and the ids of
    what was withdrawn of it."""
    withdrawn = (
        select(func.array_agg(content_revision.c.item_id))
        .where(
            content_revision.c.withdrawn_at.is_not(None),
            content_revision.c.section.in_(QUOTED),
            content_revision.c.id == func.any(content_version.c.revisions),
        )
        .scalar_subquery()
    )
    rows = await tx.execute(
        select(content_version.c.id, withdrawn.label("withdrawn"))
        .where(or_(content_version.c.current, content_version.c.replaced_at > since))
        .order_by(content_version.c.id.desc())
    )
    return [(row.id, frozenset(row.withdrawn or ())) for row in rows]


async def of_version(tx: Tx, version_id: int) -> list[Revision]:
    """The revisions of a version in its order, those left out that were withdrawn since."""
    revisions = content_version.c.revisions
    rows = await tx.execute(
        select(content_revision)
        .join(content_version, content_revision.c.id == func.any(revisions))
        .where(content_version.c.id == version_id, content_revision.c.withdrawn_at.is_(None))
        .order_by(func.array_position(revisions, content_revision.c.id))
    )
    return [Revision(**row) for row in rows.mappings()]


async def put_in_force(tx: Tx, fingerprint: str, revisions: Sequence[int], by: str, now: datetime) -> int:
    """A version of these revisions replaces the one in force; every process is told at the commit. Its id."""
    was = update(content_version).where(content_version.c.current)
    await tx.execute(was.values(current=False, replaced_at=now))
    values = {"fingerprint": fingerprint, "revisions": list(revisions), "current": True}
    added: int = (
        await tx.execute(
            insert(content_version)
            .values(**values, published_at=now, published_by=by)
            .returning(content_version.c.id)
        )
    ).scalar_one()
    chosen = content_revision.c.id.in_(revisions)
    await _retire(tx, content_revision.c.state == PUBLISHED, ~chosen)
    new = chosen, content_revision.c.state != PUBLISHED
    await tx.execute(update(content_revision).where(*new).values(state=PUBLISHED, published_at=now))
    await notify(tx, channels.PUBLISHED, content_version.name)
    return added
