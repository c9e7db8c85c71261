"""Who is told of a task, and of one that is not done in time. A claim is for a while of real time."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy
from sqlalchemy import Column, ColumnElement, func, or_, select, update

from bot.store.database import Tx
from bot.store.tables import staff, takeover, task

# A hand-over that nobody took on goes to a manager first (`bot/store/hand_overs.py`), who has a time as well.
_NOT_PASSED_ON_NEXT = or_(
    task.c.kind != "hand_over",
    task.c.contact_id.is_(None),
    task.c.state != "open",
    task.c.passed_on_at.is_not(None),
    sqlalchemy.exists().where(
        takeover.c.contact_id == task.c.contact_id,
        or_(takeover.c.started_at >= task.c.opened_at, takeover.c.ended_at.is_(None)),
    ),
)


@dataclass(frozen=True, slots=True)
class Announcement:
    """A task that somebody is to be told of. `owner`: the login of whom it is for, else the name, or ""."""

    id: int
    kind: str
    due: datetime
    owner: str
    owner_role: str
    passed_on: bool


_OWNER = select(func.coalesce(staff.c.login, staff.c.name)).where(staff.c.id == task.c.owner_id)
_ANNOUNCED = (
    task.c.id,
    task.c.kind,
    task.c.due_at,
    func.coalesce(_OWNER.scalar_subquery(), "").label("owner"),
    task.c.owner_role,
    task.c.passed_on_at.is_not(None).label("passed_on"),
)


async def tell_again(tx: Tx, task_id: int) -> None:
    """Whoever is told of tasks is told of this one once more."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    await tx.execute(update(task).where(task.c.id == task_id).values(notified_at=None, notify_after=epoch))


async def unnotified(tx: Tx, now: datetime, lease: timedelta, limit: int) -> list[Announcement]:
    """Claim tasks nobody was told of yet, for a while of real time."""
    return await _claimed(tx, now, lease, limit, task.c.id, task.c.notified_at.is_(None))


async def overdue(
    tx: Tx, business_now: datetime, now: datetime, lease: timedelta, limit: int
) -> list[Announcement]:
    """Claim tasks past their due time that nobody was told of yet, for a while of real time."""
    late = (task.c.state != "done", task.c.due_at < business_now, task.c.escalated_at.is_(None))
    return await _claimed(tx, now, lease, limit, task.c.due_at, *late, _NOT_PASSED_ON_NEXT)


async def not_raised(
    tx: Tx, kinds: Collection[str], now: datetime, lease: timedelta, limit: int
) -> list[Announcement]:
    """Claim overdue tasks of these kinds whose owner was told, and nobody above, for a while of real time."""
    told = (task.c.state != "done", task.c.kind.in_(kinds), task.c.escalated_at.is_not(None))
    return await _claimed(tx, now, lease, limit, task.c.due_at, *told, task.c.raised_at.is_(None))


async def _claimed(
    tx: Tx, now: datetime, lease: timedelta, limit: int, first: Column[Any], *which: ColumnElement[bool]
) -> list[Announcement]:
    """Those of these that no other process has claimed, the least of `first` first."""
    query = select(task.c.id).where(*which, task.c.notify_after < now).order_by(first).limit(limit)
    ids = list((await tx.execute(query.with_for_update(skip_locked=True))).scalars())
    if not ids:
        return []
    claim = update(task).where(task.c.id.in_(ids)).values(notify_after=now + lease)
    return [Announcement(*row) for row in await tx.execute(claim.returning(*_ANNOUNCED))]


async def escalated(tx: Tx, task_id: int, now: datetime) -> bool:
    """Somebody was told that it is overdue; whether this is the first time."""
    done = await tx.execute(
        update(task)
        .where(task.c.id == task_id, task.c.escalated_at.is_(None))
        .values(escalated_at=now)
        .returning(task.c.id)
    )
    return done.first() is not None


async def raised(tx: Tx, task_id: int, now: datetime) -> bool:
    """Somebody above its owner was told; whether this is the first time."""
    done = await tx.execute(
        update(task)
        .where(task.c.id == task_id, task.c.raised_at.is_(None))
        .values(raised_at=now)
        .returning(task.c.id)
    )
    return done.first() is not None


async def notified(tx: Tx, task_id: int, now: datetime) -> None:
    """Somebody was told."""
    await tx.execute(update(task).where(task.c.id == task_id).values(notified_at=now))
