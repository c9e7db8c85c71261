"""Times that colleagues proposed for a call or a visit of their own. All times are business time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, insert, select, update

from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.tables import appointment, staff

OPEN = ("waiting", "asked")


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


async def of_person(tx: Tx, person_id: UUID, limit: int) -> list[AppointmentRow]:
    """The doctor's, the newest first."""
    query = _rows().where(appointment.c.person_id == person_id).order_by(appointment.c.id.desc()).limit(limit)
    return [AppointmentRow(*row) for row in await tx.execute(query)]


async def ahead(tx: Tx, staff_id: UUID, since: datetime, limit: int) -> list[AppointmentRow]:
    """What this colleague has agreed on, or has to answer, from then on: the next first."""
    query = _rows().where(
        appointment.c.staff_id == staff_id,
        appointment.c.state.in_(["agreed", "other"]),
        appointment.c.at > since,
    )
    return [AppointmentRow(*row) for row in await tx.execute(query.order_by(appointment.c.at).limit(limit))]
