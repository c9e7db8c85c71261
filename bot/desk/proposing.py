"""约时间: a rep proposes a time for a call or a visit of their own, and the doctor is asked in the chat."""

from __future__ import annotations

from datetime import datetime, time
from uuid import UUID

from bot.clock import CHINA
from bot.desk.leaving import What, begin_writing
from bot.desk.reading import Desk
from bot.model import Fault, MedrepError
from bot.schedule import Hours, next_working_day
from bot.staff import Session
from bot.store import desk
from bot.visits import AppointmentKind, propose

MORNING = time(10)


def suggested(now: datetime) -> str:
    """What the form offers first: ten o'clock on the next working day, as `datetime-local` takes it."""
    day = next_working_day(now.astimezone(CHINA).date())
    return datetime.combine(day, MORNING).isoformat(timespec="minutes")


async def propose_time(reading: Desk, who: Session, person_id: UUID, kind: str, given: str) -> int:
    """Raises MedrepError(NOT_FOUND | BAD_INPUT: no such kind, or no time ahead | CONFLICT: not now)."""
    services, now = reading.services, reading.services.clock.now()
    try:
        what = AppointmentKind(kind)
        at = datetime.fromisoformat(given)
    except ValueError:
        raise MedrepError(Fault.BAD_INPUT, "请选择方式，并写明日期和时间") from None
    at = at.replace(tzinfo=CHINA) if at.tzinfo is None else at
    if Hours(services.limits.quiet_from, services.limits.quiet_until).until(at) is not None:
        raise MedrepError(Fault.BAD_INPUT, "那时是免打扰时间，请另选")  # 03:00, where 15:00 was meant
    async with reading.reading(who) as tx:
        await desk.doctor_card(tx, services.vault, person_id)
    async with services.db.begin() as tx:
        contact = await begin_writing(reading, tx, who, person_id, now, What.TIME)
        try:
            return await propose(tx, contact, who.staff_id, who.login, what, at, now)
        except MedrepError as error:
            if error.fault == Fault.BAD_INPUT:
                raise MedrepError(Fault.BAD_INPUT, "请选择今后60天内的时间") from None
            raise
