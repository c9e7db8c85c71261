"""Times that colleagues proposed for a call or a visit of their own. All times are business time.

Nothing is written when the hour of a proposal passes that was not answered: pages read it as ended."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, exists, func, insert, or_, select, update

from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.tables import appointment, occurrence, staff

OPEN = ("waiting", "asked")
_LAPSED = {"waiting": "unasked", "asked": "unanswered"}


@dataclass(frozen=True, slots=True)
class AppointmentRow:
    """`rep`: the name of the colleague whose time it is. `other_at`: what the doctor named instead."""

    id: int
    contact_id: int
    person_id: UUID
    kind: str
    at: datetime
    state: str
    asked: int
    other_at: datetime | None
    timer_id: int | None
    proposed_at: datetime
    asked_at: datetime | None
    ended_at: datetime | None
    rep: str


_COLUMNS = [*(appointment.c[name] for name in AppointmentRow.__slots__ if name != "rep"), staff.c.name]


def _rows() -> Select[Any]:
    return select(*_COLUMNS).join(staff, staff.c.id == appointment.c.staff_id)


async def add(tx: Tx, of: Contact, staff_id: UUID, kind: str, at: datetime, now: datetime) -> int:
    """A time that waits to be proposed to the doctor; its id."""
    values = {
        "contact_id": of.id,
        "person_id": of.person_id,
        "staff_id": staff_id,
        "kind": kind,
        "at": at,
        "state": "waiting",
        "proposed_at": now,
    }
    return int(
        (await tx.execute(insert(appointment).values(**values).returning(appointment.c.id))).scalar_one()
    )


async def change(tx: Tx, appointment_id: int, **values: Any) -> None:
    await tx.execute(update(appointment).where(appointment.c.id == appointment_id).values(**values))


async def open_of(tx: Tx, person_id: UUID, now: datetime) -> AppointmentRow | None:
    """The newest that the doctor has not answered and whose time has not passed; locked."""
    query = _rows().where(
        appointment.c.person_id == person_id, appointment.c.state.in_(OPEN), appointment.c.at > now
    )
    query = query.order_by(appointment.c.id.desc()).limit(1).with_for_update(of=appointment)
    row = (await tx.execute(query)).first()
    return None if row is None else AppointmentRow(*row)


async def of_person(tx: Tx, person_id: UUID, now: datetime, limit: int) -> list[AppointmentRow]:
    """The doctor's, the newest first. `state` is besides `unasked`, where they are not asked any more or its
    hour has passed, and `unanswered`."""
    never = exists().where(
        occurrence.c.timer_id == appointment.c.timer_id, occurrence.c.state.in_(["missed", "cancelled"])
    )
    query = _rows().add_columns(never).where(appointment.c.person_id == person_id)
    rows = await tx.execute(query.order_by(appointment.c.id.desc()).limit(limit))
    return [_as_of(AppointmentRow(*row[:-1]), now, never=row[-1]) for row in rows]


def _as_of(row: AppointmentRow, now: datetime, *, never: bool) -> AppointmentRow:
    passed = row.at <= now
    if row.state not in OPEN or not (passed or (never and row.state == "waiting")):
        return row
    return replace(row, state=_LAPSED[row.state], ended_at=row.at if passed else None)


async def ahead(tx: Tx, staff_id: UUID, since: datetime, limit: int) -> list[AppointmentRow]:
    """What this colleague has agreed on, and what a doctor named instead, from then on: the next first."""
    when = func.coalesce(appointment.c.other_at, appointment.c.at)
    named = or_(appointment.c.state == "agreed", appointment.c.other_at.is_not(None))
    query = _rows().where(appointment.c.staff_id == staff_id, named, when > since)
    return [AppointmentRow(*row) for row in await tx.execute(query.order_by(when).limit(limit))]
