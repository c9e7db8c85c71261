"""Whether what a colleague has sent to a doctor would leave now, in the words of the exit, and what happens
instead. Asked before the click, for what is shown, and again with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from bot.clock import CHINA
from bot.desk.reading import Desk
from bot.desk.visiting import Reached, reach_locked, where_to_write
from bot.model import Fault, MedrepError, Purpose
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
NOT_INVITED = "医生还没有通过认证，不能邀请参会"
NO_SERVICE = "医生没有同意接收会议通知等服务消息"
TOO_LATE = "等到能问医生的时候，会议已经开始了"
UNREGISTERED = "您的备案已到期，不能联系医生。请联系管理员更新备案"


class What(StrEnum):
    """What a colleague has sent, or the doctor asked."""

    MATERIAL = "material"  # speaks of a product
    TIME = "time"
    MEETING = "meeting"


@dataclass(frozen=True, slots=True)
class Leave:
    """`may`: it can be asked for. `now`: it would leave at once. `why`: the reason, and what happens else.
    `again`: when it is tried, where that is known."""

    may: bool
    now: bool
    why: str
    again: datetime | None = None

    def before(self, deadline: datetime) -> Leave:
        """The same of what is of no use any more by then."""
        late = self.may and self.again is not None and self.again >= deadline
        return Leave(False, False, TOO_LATE) if late else self


def would_leave(reading: Desk, who: Session, at: Reached | None, now: datetime) -> Mapping[What, Leave]:
    """Of what this colleague sends to a doctor."""
    if who.registration and Role.REP in who.roles and who.registration.expired(today(now)):
        return dict.fromkeys(What, Leave(False, False, UNREGISTERED))
    if at is None:
        return dict.fromkeys(What, Leave(False, False, NOBODY))
    promotion, verified = _of(reading, at, Purpose.PROMOTION, now), at.about is not None
    return {
        What.MATERIAL: promotion if verified else Leave(False, False, UNVERIFIED),
        What.TIME: promotion,
        What.MEETING: _of(reading, at, Purpose.SERVICE, now)
        if verified
        else Leave(False, False, NOT_INVITED),
    }


async def begin_writing(
    reading: Desk,
    tx: Tx,
    who: Session,
    person_id: UUID,
    now: datetime,
    what: What,
    *,
    before: datetime | None = None,
) -> Contact:
    """Where this colleague writes to the doctor now, locked; what comes at `before` or later comes too late.
    Raises MedrepError(CONFLICT): why not."""
    contact = await where_to_write(tx, person_id, now)
    at = None if contact is None else await reach_locked(reading, tx, contact, now)
    leave = would_leave(reading, who, at, now)[what]
    leave = leave if before is None else leave.before(before)
    if contact is None or not leave.may:
        raise MedrepError(Fault.CONFLICT, leave.why)
    return contact


def _of(reading: Desk, at: Reached, purpose: Purpose, now: datetime) -> Leave:
    intent = replace(at.intent, purpose=purpose, begins=purpose == Purpose.SERVICE)  # it asks in a turn
    decision = may_leave(reading.services, intent, at.facts)
    spent = bool(at.windows) and all(one.left <= KEPT_FOR_SAFETY for one in at.windows)
    return _leave(decision, purpose, now, spent=spent, closed=not at.facts.window)


def _leave(decision: Decision, purpose: Purpose, now: datetime, *, spent: bool, closed: bool) -> Leave:
    if isinstance(decision, Refuse):
        no_service = purpose == Purpose.SERVICE and decision.fault == Fault.NO_CONSENT
        return Leave(False, False, NO_SERVICE if no_service else reason_of(decision))
    until = named((now + KEPT).astimezone(CHINA), now.astimezone(CHINA).date())
    if purpose == Purpose.SERVICE:
        until = "会议开始"
    if closed:
        return Leave(True, False, f"{NO_WINDOW}；点了以后先等着，医生来消息后就发，{until}前没有机会就作废")
    if isinstance(decision, Send) and not spent:
        return Leave(True, True, "现在可以发出")
    if isinstance(decision, Send):
        return Leave(True, False, f"{USED_UP}；点了以后先等着，{until}前没有机会就作废")
    again = named(decision.until.astimezone(CHINA), now.astimezone(CHINA).date())
    return Leave(
        True,
        False,
        f"{reason_of(decision)}；点了以后先等着，{again}再看能不能发，{until}前没有机会就作废",
        decision.until,
    )
