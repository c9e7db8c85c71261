"""Requests to medical information and their steps. All times are business time."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from bot.store import outbox_outcomes
from bot.store.database import Tx
from bot.store.tables import medical_request, medical_step, outbox, staff, staff_role, task


@dataclass(frozen=True, slots=True)
class RequestRow:
    """A request with what its task says of it. `steps` is the number of the newest step."""

    task_id: int
    contact_id: int
    person_id: UUID
    product: str
    wish: str
    off_label: bool
    state: str
    steps: int
    answer: int | None
    answer_digest: bytes | None
    outbox_id: int | None
    promised_at: datetime | None
    answered_at: datetime | None
    due_at: datetime
    done: bool
    owner: str | None  # login


_COLUMNS = [medical_request.c[name] for name in RequestRow.__dataclass_fields__ if name in medical_request.c]
_REQUESTS = (
    select(*_COLUMNS, task.c.due_at, (task.c.state == "done").label("done"), staff.c.login.label("owner"))
    .join(task, task.c.id == medical_request.c.task_id)
    .outerjoin(staff, staff.c.id == task.c.owner_id)
)


async def add(
    tx: Tx,
    task_id: int,
    contact_id: int,
    person_id: UUID,
    question_enc: bytes,
    *,
    product: str,
    wish: str,
    off_label: bool,
) -> None:
    """The request that this task is of; what it was opened with first stays."""
    await tx.execute(
        insert(medical_request)
        .values(
            task_id=task_id,
            contact_id=contact_id,
            person_id=person_id,
            question_enc=question_enc,
            product=product,
            wish=wish,
            off_label=off_label,
            state="open",
            steps=0,
        )
        .on_conflict_do_nothing()
    )


async def locked(tx: Tx, task_id: int) -> RequestRow | None:
    """The request, locked with its task."""
    query = _REQUESTS.where(medical_request.c.task_id == task_id)
    row = (await tx.execute(query.with_for_update(of=[task, medical_request]))).first()
    return None if row is None else RequestRow(**row._mapping)


async def contact_of(tx: Tx, task_id: int) -> int | None:
    """Whose request this is."""
    query = select(medical_request.c.contact_id).where(medical_request.c.task_id == task_id)
    found: int | None = (await tx.execute(query)).scalar()
    return found


async def newest(tx: Tx, contact_id: int, *, lock: bool = False) -> RequestRow | None:
    """The contact's newest request that is not done; else the one that was answered last."""
    query = _REQUESTS.where(medical_request.c.contact_id == contact_id, medical_request.c.state != "erased")
    query = query.order_by((task.c.state == "done"), medical_request.c.task_id.desc()).limit(1)
    query = query.with_for_update(of=[task, medical_request]) if lock else query
    row = (await tx.execute(query)).first()
    return None if row is None else RequestRow(**row._mapping)


async def change(tx: Tx, task_id: int, **values: Any) -> None:
    """How the request stands from now on."""
    await tx.execute(update(medical_request).where(medical_request.c.task_id == task_id).values(values))


async def add_step(
    tx: Tx, of: RequestRow, kind: str, login: str, body_enc: bytes, now: datetime, **values: Any
) -> int:
    """Keep what was done as the newest step, and how the request stands with it; its number."""
    number = of.steps + 1
    await tx.execute(
        insert(medical_step).values(
            task_id=of.task_id,
            number=number,
            contact_id=of.contact_id,
            person_id=of.person_id,
            kind=kind,
            login=login,
            body_enc=body_enc,
            at=now,
        )
    )
    await change(tx, of.task_id, steps=number, **values)
    return number


@dataclass(frozen=True, slots=True)
class StepRow:
    number: int
    kind: str
    login: str
    person_id: UUID
    body_enc: bytes
    at: datetime


async def steps(tx: Tx, task_id: int, kinds: Collection[str] = ()) -> list[StepRow]:
    """The steps of a request, of these kinds where some are named, the oldest first."""
    columns = [medical_step.c[name] for name in StepRow.__dataclass_fields__]
    query = select(*columns).where(medical_step.c.task_id == task_id).order_by(medical_step.c.number)
    if kinds:
        query = query.where(medical_step.c.kind.in_(kinds))
    return [StepRow(*row) for row in await tx.execute(query)]


@dataclass(frozen=True, slots=True)
class ApprovedAnswer:
    """What was approved for whom, and the step that holds its words."""

    contact_id: int
    off_label: bool
    digest: bytes
    step: StepRow


async def approved(tx: Tx, task_id: int, number: int) -> ApprovedAnswer | None:
    """The approved answer that this step holds, if it is the one that is to leave, or has left."""
    columns = [medical_step.c[name] for name in StepRow.__dataclass_fields__]
    query = (
        select(
            medical_request.c.contact_id,
            medical_request.c.off_label,
            medical_request.c.answer_digest,
            *columns,
        )
        .join(medical_step, medical_step.c.task_id == medical_request.c.task_id)
        .where(
            medical_request.c.task_id == task_id,
            medical_request.c.answer == number,
            medical_request.c.answer_digest.is_not(None),
            medical_request.c.state.in_(["approved", "unsent", "answered"]),
            medical_step.c.number == number,
            medical_step.c.kind == "saved",
        )
    )
    row = (await tx.execute(query)).first()
    return None if row is None else ApprovedAnswer(row[0], row[1], bytes(row[2]), StepRow(*row[3:]))


@dataclass(frozen=True, slots=True)
class Departure:
    """What became of an approved answer's message."""

    task_id: int
    contact_id: int
    state: str
    fault: str
    sent_at: datetime | None


async def departures(tx: Tx, states: Collection[str], limit: int) -> list[Departure]:
    """Approved answers whose message is in one of these states."""
    query = (
        select(
            medical_request.c.task_id,
            medical_request.c.contact_id,
            outbox.c.state,
            outbox.c.fault,
            outbox.c.sent_at,
        )
        .join(outbox, outbox.c.id == medical_request.c.outbox_id)
        .where(medical_request.c.state == "approved", outbox.c.state.in_(states))
        .limit(limit)
    )
    return [
        Departure(row.task_id, row.contact_id, row.state, row.fault or "", row.sent_at)
        for row in await tx.execute(query)
    ]


async def recall(tx: Tx, task_id: int) -> bool:
    """Whether an approved answer was still queued; it will not leave."""
    query = select(medical_request.c.outbox_id).where(
        medical_request.c.task_id == task_id, medical_request.c.state == "approved"
    )
    queued = (await tx.execute(query.with_for_update())).scalar()
    recalled = queued is not None and await outbox_outcomes.cancel(tx, queued, "recalled")
    if recalled:
        await change(tx, task_id, state="unsent")
    return recalled


async def last_wish(tx: Tx, contact_id: int, since: datetime) -> str | None:
    """How they wanted to be answered last; "": they were asked since then and did not say; None: neither."""
    query = (
        select(medical_request.c.wish, task.c.opened_at)
        .join(task, task.c.id == medical_request.c.task_id)
        .where(medical_request.c.contact_id == contact_id, task.c.opened_at > since)
        .order_by(medical_request.c.task_id.desc())
        .limit(1)
    )
    row = (await tx.execute(query)).first()
    return None if row is None else str(row.wish)


async def states(tx: Tx, task_ids: Collection[int]) -> dict[int, tuple[str, str, bool]]:
    """(state, wish, off-label) of the requests among these tasks."""
    columns = (
        medical_request.c.task_id,
        medical_request.c.state,
        medical_request.c.wish,
        medical_request.c.off_label,
    )
    rows = await tx.execute(select(*columns).where(medical_request.c.task_id.in_(task_ids)))
    return {row.task_id: (row.state, row.wish, row.off_label) for row in rows}


async def colleagues(tx: Tx, role: str, *, also: str = "") -> list[tuple[str, str]]:
    """(login, name) of whoever has this role, and the other one where it is named, and may sign in."""
    query = select(staff.c.login, staff.c.name).where(
        staff.c.login.is_not(None),
        staff.c.disabled_at.is_(None),
        *(
            select(staff_role.c.staff_id)
            .where(staff_role.c.staff_id == staff.c.id, staff_role.c.role == one)
            .exists()
            for one in filter(None, (role, also))
        ),
    )
    return [(row.login, row.name) for row in await tx.execute(query.order_by(staff.c.name))]
