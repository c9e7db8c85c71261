"""Whether what a colleague has sent to a doctor would leave now, in the words of the exit, and what happens
instead. Asked before the click, for what is shown, and again with it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from bot.clock import CHINA
from bot.desk.reading import Desk
from bot.desk.visiting import Reached, reach_locked, where_to_write
from bot.model import Fault, MedrepError
from bot.outbound.departures import KEPT_FOR_SAFETY
from bot.outbound.policy import Decision, Refuse, Send
from bot.outbound.release import may_leave
from bot.schedule import named
from bot.staff import Role, Session, today
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.visits import NO_WINDOW, USED_UP, reason_of

KEPT = timedelta(days=7)  # so long what waits may still leave
NOBODY = "医生还没有关注任何账号"
UNVERIFIED = "医生还没有通过认证，不能发产品资料"
UNREGISTERED = "您的备案已到期，不能联系医生。请联系管理员更新备案"


@dataclass(frozen=True, slots=True)
class Leave:
    """`may`: it can be asked for. `now`: it would leave at once. `why`: the reason, and what happens else."""

    may: bool
    now: bool
    why: str


def would_leave(reading: Desk, who: Session, at: Reached | None, now: datetime) -> tuple[Leave, Leave]:
    """Of promotion that this colleague sends: what speaks of a product, and what speaks of none."""
    if who.registration and Role.REP in who.roles and who.registration.expired(today(now)):
        never = Leave(False, False, UNREGISTERED)
        return never, never
    if at is None:
        never = Leave(False, False, NOBODY)
        return never, never
    leave = _of_promotion(reading, at, now)
    return leave if at.about is not None else Leave(False, False, UNVERIFIED), leave


async def begin_writing(
    reading: Desk, tx: Tx, who: Session, person_id: UUID, now: datetime, *, product: bool
) -> Contact:
    """Where this colleague writes to the doctor now, locked. Raises MedrepError(CONFLICT): why not."""
    contact = await where_to_write(tx, person_id, now)
    at = None if contact is None else await reach_locked(reading, tx, contact, now)
    of_product, of_none = would_leave(reading, who, at, now)
    leave = of_product if product else of_none
    if contact is None or not leave.may:
        raise MedrepError(Fault.CONFLICT, leave.why)
    return contact


def _of_promotion(reading: Desk, at: Reached, now: datetime) -> Leave:
    decision = may_leave(reading.services, at.intent, at.facts)
    spent = bool(at.windows) and all(one.left <= KEPT_FOR_SAFETY for one in at.windows)
    return _leave(decision, now, spent=spent, closed=not at.facts.window)


def _leave(decision: Decision, now: datetime, *, spent: bool, closed: bool) -> Leave:
    if isinstance(decision, Refuse):
        return Leave(False, False, reason_of(decision))
    until = named((now + KEPT).astimezone(CHINA), now.astimezone(CHINA).date())
    if closed:
        return Leave(True, False, f"{NO_WINDOW}；点了以后先等着，医生来消息后就发，{until}前没有机会就作废")
    if isinstance(decision, Send) and not spent:
        return Leave(True, True, "现在可以发出")
    if isinstance(decision, Send):
        return Leave(True, False, f"{USED_UP}；点了以后先等着，{until}前没有机会就作废")
    again = named(decision.until.astimezone(CHINA), now.astimezone(CHINA).date())
    return Leave(
        True, False, f"{reason_of(decision)}；点了以后先等着，{again}再看能不能发，{until}前没有机会就作废"
    )
