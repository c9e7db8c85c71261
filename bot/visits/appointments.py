"""A time that a rep proposes for a call or a visit of their own: the doctor is asked in the chat, at the next
moment at which we may write, and what they answer is the rep's to act on.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from bot.clock import CHINA
from bot.evidence import note
from bot.model import Fault, MedrepError, Purpose
from bot.people import consent
from bot.schedule import named
from bot.schedule.changes import cancel, set_timer
from bot.store import appointments
from bot.store.appointments import AppointmentRow
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.timers import Action
from bot.store.vault import Vault
from bot.tasks import Kind, open_task

ASK = "appointment_ask"  # the intent of the turn that asks
HORIZON = timedelta(days=60)


class AppointmentKind(StrEnum):
    CALL = "call"
    VISIT = "visit"


class Answered(StrEnum):
    AGREED = "agreed"
    DECLINED = "declined"
    OTHER = "other"  # not then: at `other_at`, if they said when


_SAID = {Answered.AGREED: "同意", Answered.DECLINED: "这次不约", Answered.OTHER: "希望换个时间"}
_WHAT = {AppointmentKind.CALL: "打电话", AppointmentKind.VISIT: "到科室拜访"}


async def propose(
    tx: Tx, contact: Contact, staff_id: UUID, login: str, kind: AppointmentKind, at: datetime, now: datetime
) -> int:
    """The doctor is asked at the next moment that what binds promotion lets us; an earlier proposal that they
    have not answered is withdrawn. The contact is locked by the caller.

    Raises MedrepError(BAD_INPUT): past, or too far away.
    """
    if not now < at <= now + HORIZON:
        raise MedrepError(Fault.BAD_INPUT, "a time within the next 60 days")
    while (before := await appointments.open_of(tx, contact.person_id, now)) is not None:
        await withdraw(tx, before, now)
    number = await appointments.add(tx, contact, staff_id, kind.value, at, now)
    subject = f"appointment:{number}"
    timer_id = await set_timer(
        tx,
        contact,
        Action.TRIGGER,
        ASK,
        {"appointment": number},
        purpose=Purpose.PROMOTION,
        subject=subject,
        starts_at=now,
        grace=at - now,
        now=now,
    )
    await appointments.change(tx, number, timer_id=timer_id)
    facts: dict[str, Any] = {"login": login, "what": kind.value, "at": at.isoformat()}
    await note(tx, "appointment.proposed", now, subject, contact, **facts)
    return number


async def withdraw(tx: Tx, row: AppointmentRow, now: datetime) -> None:
    """It is not asked any more, or an answer to it is none."""
    if row.timer_id is not None and row.state == "waiting":
        await cancel(tx, row.timer_id, now)
    await appointments.change(tx, row.id, state="withdrawn", ended_at=now)


async def open_appointment(tx: Tx, contact: Contact, now: datetime) -> AppointmentRow | None:
    """What the doctor has yet to answer, be it on another contact; locked. Who wants nothing of the kind any
    more has nothing to answer: it is withdrawn here."""
    row = await appointments.open_of(tx, contact.person_id, now)
    if row is None:
        return None
    spoken = await consent.of_person(tx, contact.person_id)
    if contact.stopped_at is None and any(one.purpose == Purpose.PROMOTION and one.holds for one in spoken):
        return row
    await withdraw(tx, row, now)
    return None


async def ask_appointment(tx: Tx, row: AppointmentRow, now: datetime) -> int:
    """The question is put; how often it was before."""
    await appointments.change(tx, row.id, state="asked", asked=row.asked + 1, asked_at=row.asked_at or now)
    return row.asked


async def answer_appointment(
    tx: Tx,
    vault: Vault,
    row: AppointmentRow,
    contact: Contact,
    answered: Answered,
    turn_id: UUID,
    now: datetime,
    *,
    other_at: datetime | None = None,
) -> None:
    """What they said is kept, and a task of their rep."""
    await appointments.change(
        tx, row.id, state=answered.value, ended_at=now, turn_id=turn_id, other_at=other_at
    )
    today, wanted = now.astimezone(CHINA).date(), ""
    if other_at is not None:
        wanted = f"：{named(other_at.astimezone(CHINA), today)}"
    what = f"{named(row.at.astimezone(CHINA), today)}{_WHAT[AppointmentKind(row.kind)]}"
    if answered != Answered.DECLINED:
        detail = f"{row.rep}约的{what}，医生{_SAID[answered]}{wanted}"
        key = f"{Kind.APPOINTMENT}:{row.id}"
        await open_task(tx, vault, Kind.APPOINTMENT, now=now, contact=contact, key=key, detail=detail)
    subject = f"appointment:{row.id}"
    await note(tx, "appointment.answered", now, subject, contact, answered=answered.value)
