"""Tasks: whatever needs a person."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from bot.model import ERASED_TEXT, Fault, MedrepError
from bot.store.database import Tx
from bot.store.tables import doctor, staff, task
from bot.store.vault import Vault


@dataclass(frozen=True, slots=True)
class TaskRow:
    id: int
    kind: str
    contact_id: int | None
    person_id: UUID | None
    owner: str | None  # a colleague's name
    owner_role: str
    opened_at: datetime
    due_at: datetime
    state: str
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    escalated_at: datetime | None
    raised_at: datetime | None
    closed_at: datetime | None
    closed_by: str | None
    outcome: str | None
    key_id: UUID | None  # None: the detail is under the company's own key
    detail: str | None


_TASKS = select(task, staff.c.name.label("owner_name")).outerjoin(staff, staff.c.id == task.c.owner_id)


async def add(
    tx: Tx,
    *,
    kind: str,
    contact_id: int | None,
    person_id: UUID | None,
    owner_role: str,
    key: str | None,
    opened_at: datetime,
    due_at: datetime,
) -> int | None:
    """Open a task without words yet; None when its `key` was opened before.

    A task of reps is the person's own rep's, where there is one.
    """
    owner = select(doctor.c.rep_id).where(doctor.c.person_id == person_id).scalar_subquery()
    opened: int | None = (
        await tx.execute(
            insert(task)
            .values(
                kind=kind,
                contact_id=contact_id,
                person_id=person_id,
                owner_role=owner_role,
                owner_id=owner if owner_role == "rep" else None,
                key=key,
                opened_at=opened_at,
                due_at=due_at,
                state="open",
            )
            .on_conflict_do_nothing(index_elements=["key"])
            .returning(task.c.id)
        )
    ).scalar()
    return opened


async def of_key(tx: Tx, vault: Vault, key: str) -> TaskRow:
    """The task that was opened under this key; locked."""
    row = (await tx.execute(_TASKS.where(task.c.key == key).with_for_update(of=task))).one()
    return await _row(tx, vault, row)


async def locked(tx: Tx, vault: Vault, task_id: int) -> TaskRow | None:
    """The task, locked; None when there is none."""
    row = (await tx.execute(_TASKS.where(task.c.id == task_id).with_for_update(of=task))).first()
    return None if row is None else await _row(tx, vault, row)


async def open_of(tx: Tx, vault: Vault, kind: str, contact_id: int, now: datetime) -> TaskRow | None:
    """The contact's newest task of this kind that is neither done nor overdue; locked."""
    query = (
        _TASKS.where(
            task.c.contact_id == contact_id, task.c.kind == kind, task.c.state != "done", task.c.due_at > now
        )
        .order_by(task.c.id.desc())
        .limit(1)
        .with_for_update(of=task)
    )
    row = (await tx.execute(query)).first()
    return None if row is None else await _row(tx, vault, row)


async def waiting_of(tx: Tx, contact_id: int, kinds: Collection[str]) -> list[tuple[str, datetime]]:
    """The contact's newest task of each kind that is not done: (kind, due), the newest first."""
    query = select(task.c.kind, task.c.due_at).where(
        task.c.contact_id == contact_id, task.c.kind.in_(kinds), task.c.state != "done"
    )
    newest: dict[str, datetime] = {}
    for row in await tx.execute(query.order_by(task.c.id.desc())):
        newest.setdefault(row.kind, row.due_at)
    return list(newest.items())


async def rewrite(tx: Tx, vault: Vault, task_id: int, key_id: UUID | None, detail: str) -> None:
    """What the colleague reads from now on. The data key may be another than before: the contact may have
    turned out to be somebody else's. What is nobody's (no `key_id`) is under the company's own."""
    if key_id is None:
        sealed = vault.keyring.seal_for_us(detail, "task.detail")
    else:
        sealed = await vault.seal(tx, key_id, detail, "task.detail")
    await tx.execute(update(task).where(task.c.id == task_id).values(key_id=key_id, detail_enc=sealed))


async def read(tx: Tx, vault: Vault, *, waiting: bool = False, task_id: int | None = None) -> list[TaskRow]:
    """Tasks by due time, their details decrypted, or that they were erased; `waiting`: those not done."""
    query = _TASKS
    if waiting:
        query = query.where(task.c.state != "done")
    if task_id is not None:
        query = query.where(task.c.id == task_id)
    rows = (await tx.execute(query.order_by(task.c.due_at, task.c.id))).all()
    return [await _row(tx, vault, row) for row in rows]


async def next_due(
    tx: Tx, vault: Vault, limit: int, contact_ids: Collection[int] | None = None
) -> list[TaskRow]:
    """The tasks that are not done, by due time; of these contacts, where given."""
    query = _TASKS.where(task.c.state != "done").order_by(task.c.due_at, task.c.id).limit(limit)
    if contact_ids is not None:
        query = query.where(task.c.contact_id.in_(contact_ids))
    return [await _row(tx, vault, row) for row in (await tx.execute(query)).all()]


async def exists(tx: Tx, task_id: int) -> bool:
    """Whether there is such a task, for whoever this transaction reads as."""
    return (await tx.execute(select(task.c.id).where(task.c.id == task_id))).first() is not None


async def _row(tx: Tx, vault: Vault, row: Any) -> TaskRow:
    return TaskRow(
        id=row.id,
        kind=row.kind,
        contact_id=row.contact_id,
        person_id=row.person_id,
        owner=row.owner_name,
        owner_role=row.owner_role,
        opened_at=row.opened_at,
        due_at=row.due_at,
        state=row.state,
        acknowledged_at=row.acknowledged_at,
        acknowledged_by=row.acknowledged_by,
        escalated_at=row.escalated_at,
        raised_at=row.raised_at,
        closed_at=row.closed_at,
        closed_by=row.closed_by,
        outcome=row.outcome,
        key_id=row.key_id,
        detail=await _detail(tx, vault, row),
    )


async def _detail(tx: Tx, vault: Vault, row: Any) -> str | None:
    """What the colleague reads; that the words were deleted, if they were."""
    if row.detail_enc is None:
        return None
    if not row.detail_enc:
        return ERASED_TEXT
    if row.key_id is None:
        return vault.keyring.open_for_us(row.detail_enc, "task.detail")
    try:
        return await vault.open_text(tx, row.key_id, row.detail_enc, "task.detail")
    except MedrepError as error:
        if error.fault != Fault.ERASED:
            raise
        return ERASED_TEXT


async def close(tx: Tx, task_id: int, now: datetime, by: str, outcome: str) -> bool:
    """Whether it was open until now."""
    done = await tx.execute(
        update(task)
        .where(task.c.id == task_id, task.c.state != "done")
        .values(
            state="done",
            closed_at=now,
            closed_by=by,
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


async def own(tx: Tx, task_id: int, staff_id: UUID) -> None:
    """Whose of its role it is from now on."""
    await tx.execute(update(task).where(task.c.id == task_id).values(owner_id=staff_id))


async def open_counts(tx: Tx) -> dict[str, int]:
    rows = await tx.execute(
        select(task.c.kind, func.count()).where(task.c.state != "done").group_by(task.c.kind)
    )
    return {str(row[0]): int(row[1]) for row in rows.all()}
