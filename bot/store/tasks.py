"""Tasks: whatever needs a person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from bot.store import channels
from bot.store.database import Tx, notify
from bot.store.keys import Vault
from bot.store.tables import doctor, staff, task


@dataclass(frozen=True, slots=True)
class TaskRow:
    id: int
    kind: str
    contact_id: int | None
    person_id: UUID | None
    owner: str | None
    opened_at: datetime
    due_at: datetime
    state: str
    escalated_at: datetime | None
    detail: str | None


async def add(
    tx: Tx,
    vault: Vault,
    *,
    kind: str,
    contact_id: int | None,
    person_id: UUID | None,
    key_id: UUID | None,
    key: str | None,
    detail: str,
    opened_at: datetime,
    due_at: datetime,
) -> int:
    """Open a task for the person's rep; opening the same `key` again returns the first one's id."""
    owner = select(doctor.c.rep_id).where(doctor.c.person_id == person_id).scalar_subquery()
    sealed = None if key_id is None else await vault.seal(tx, key_id, detail, "task.detail")
    opened = (
        await tx.execute(
            insert(task)
            .values(
                kind=kind,
                contact_id=contact_id,
                person_id=person_id,
                owner_id=owner,
                key=key,
                key_id=key_id,
                detail_enc=sealed,
                opened_at=opened_at,
                due_at=due_at,
                state="open",
            )
            .on_conflict_do_nothing(index_elements=["key"])
            .returning(task.c.id)
        )
    ).scalar()
    if opened is None:
        opened = (await tx.execute(select(task.c.id).where(task.c.key == key))).scalar_one()
    else:
        await notify(tx, channels.TASK, str(opened))
    return int(opened)


async def open_of(tx: Tx, vault: Vault, kind: str, contact_id: int, now: datetime) -> TaskRow | None:
    """The contact's newest task of this kind that is neither done nor overdue; locked."""
    query = (
        select(task, staff.c.name.label("owner_name"))
        .outerjoin(staff, staff.c.id == task.c.owner_id)
        .where(
            task.c.contact_id == contact_id, task.c.kind == kind, task.c.state != "done", task.c.due_at > now
        )
        .order_by(task.c.id.desc())
        .limit(1)
        .with_for_update(of=task)
    )
    row = (await tx.execute(query)).first()
    return None if row is None else TaskRow(**{**_plain(row), "detail": await _detail(tx, vault, row)})


async def rewrite(tx: Tx, vault: Vault, task_id: int, key_id: UUID, detail: str) -> None:
    """What the colleague reads from now on. The data key may be another than before: the contact may have
    turned out to be somebody else's."""
    sealed = await vault.seal(tx, key_id, detail, "task.detail")
    await tx.execute(update(task).where(task.c.id == task_id).values(key_id=key_id, detail_enc=sealed))


async def read(
    tx: Tx, vault: Vault, *, state: str | None = None, task_id: int | None = None
) -> list[TaskRow]:
    """Tasks by due time, their details decrypted where the key still exists."""
    query = select(task, staff.c.name.label("owner_name")).outerjoin(staff, staff.c.id == task.c.owner_id)
    if state is not None:
        query = query.where(task.c.state == state)
    if task_id is not None:
        query = query.where(task.c.id == task_id)
    rows = (await tx.execute(query.order_by(task.c.due_at))).all()
    return [TaskRow(**{**_plain(row), "detail": await _detail(tx, vault, row)}) for row in rows]


def _plain(row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "kind": row.kind,
        "contact_id": row.contact_id,
        "person_id": row.person_id,
        "owner": row.owner_name,
        "opened_at": row.opened_at,
        "due_at": row.due_at,
        "state": row.state,
        "escalated_at": row.escalated_at,
    }


async def _detail(tx: Tx, vault: Vault, row: Any) -> str | None:
    if row.detail_enc is None:
        return None
    return await vault.open_text(tx, row.key_id, row.detail_enc, "task.detail")


async def close(tx: Tx, task_id: int, now: datetime, by: str, outcome: str) -> bool:
    """Whether it was open until now."""
    done = await tx.execute(
        update(task)
        .where(task.c.id == task_id, task.c.state != "done")
        .values(
            state="done",
            closed_at=now,
            outcome=outcome,
            acknowledged_at=func.coalesce(task.c.acknowledged_at, now),
            acknowledged_by=func.coalesce(task.c.acknowledged_by, by),
        )
        .returning(task.c.id)
    )
    return done.first() is not None


async def acknowledge(tx: Tx, task_id: int, now: datetime, by: str) -> bool:
    done = await tx.execute(
        update(task)
        .where(task.c.id == task_id, task.c.state == "open")
        .values(state="acknowledged", acknowledged_at=now, acknowledged_by=by)
        .returning(task.c.id)
    )
    return done.first() is not None


async def escalate_overdue(tx: Tx, now: datetime) -> list[tuple[int, str]]:
    """Tasks past their due time that were not escalated yet: (id, kind), now marked."""
    done = await tx.execute(
        update(task)
        .where(task.c.state != "done", task.c.due_at < now, task.c.escalated_at.is_(None))
        .values(escalated_at=now)
        .returning(task.c.id, task.c.kind)
    )
    return [(row.id, row.kind) for row in done]


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


async def open_counts(tx: Tx) -> dict[str, int]:
    rows = await tx.execute(
        select(task.c.kind, func.count()).where(task.c.state != "done").group_by(task.c.kind)
    )
    return {str(row[0]): int(row[1]) for row in rows.all()}
