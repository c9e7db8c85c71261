"""Who is told of a task, and of one that is not done in time. A claim is for a while of real time."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from sqlalchemy import select, update

from bot.store.database import Tx
from bot.store.tables import staff, task


async def tell_again(tx: Tx, task_id: int) -> None:
    """Whoever is told of tasks is told of this one once more."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    await tx.execute(update(task).where(task.c.id == task_id).values(notified_at=None, notify_after=epoch))


async def overdue(
    tx: Tx, business_now: datetime, now: datetime, lease: timedelta, limit: int
) -> list[tuple[int, str, str]]:
    """Claim tasks past their due time that nobody was told of yet, for a while of real time: (id, kind, the
    login of its owner, or "")."""
    rows = (
        await tx.execute(
            select(task.c.id)
            .where(
                task.c.state != "done",
                task.c.due_at < business_now,
                task.c.escalated_at.is_(None),
                task.c.notify_after < now,
            )
            .order_by(task.c.due_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
    ).scalars()
    done = await tx.execute(
        update(task)
        .where(task.c.id.in_(list(rows)))
        .values(notify_after=now + lease)
        .returning(
            task.c.id,
            task.c.kind,
            select(staff.c.login).where(staff.c.id == task.c.owner_id).scalar_subquery().label("owner"),
        )
    )
    return [(row.id, row.kind, row.owner or "") for row in done]


async def escalated(tx: Tx, task_id: int, now: datetime) -> bool:
    """Somebody was told that it is overdue; whether this is the first time."""
    done = await tx.execute(
        update(task)
        .where(task.c.id == task_id, task.c.escalated_at.is_(None))
        .values(escalated_at=now)
        .returning(task.c.id)
    )
    return done.first() is not None


async def not_raised(
    tx: Tx, kinds: Collection[str], now: datetime, lease: timedelta, limit: int
) -> list[tuple[int, str, datetime]]:
    """Claim overdue tasks of these kinds whose owner was told, and nobody above, for a while of real time:
    (id, kind, due)."""
    rows = (
        await tx.execute(
            select(task.c.id)
            .where(
                task.c.state != "done",
                task.c.kind.in_(kinds),
                task.c.escalated_at.is_not(None),
                task.c.raised_at.is_(None),
                task.c.notify_after < now,
            )
            .order_by(task.c.due_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
    ).scalars()
    done = await tx.execute(
        update(task)
        .where(task.c.id.in_(list(rows)))
        .values(notify_after=now + lease)
        .returning(task.c.id, task.c.kind, task.c.due_at)
    )
    return [(row.id, row.kind, row.due_at) for row in done]


async def raised(tx: Tx, task_id: int, now: datetime) -> bool:
    """Somebody above its owner was told; whether this is the first time."""
    done = await tx.execute(
        update(task)
        .where(task.c.id == task_id, task.c.raised_at.is_(None))
        .values(raised_at=now)
        .returning(task.c.id)
    )
    return done.first() is not None


async def unnotified(tx: Tx, now: datetime, lease: timedelta, limit: int) -> list[tuple[int, str, datetime]]:
    """Claim tasks nobody was told of yet, for a while of real time: (id, kind, due)."""
    rows = (
        await tx.execute(
            select(task.c.id)
            .where(task.c.notified_at.is_(None), task.c.notify_after < now)
            .order_by(task.c.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
    ).scalars()
    done = await tx.execute(
        update(task)
        .where(task.c.id.in_(list(rows)))
        .values(notify_after=now + lease)
        .returning(task.c.id, task.c.kind, task.c.due_at)
    )
    return [(row.id, row.kind, row.due_at) for row in done]


async def notified(tx: Tx, task_id: int, now: datetime) -> None:
    """Somebody was told."""
    await tx.execute(update(task).where(task.c.id == task_id).values(notified_at=now))
