"""What is sent about a meeting to who has accepted: a day and half an hour before, and what becomes of it."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.model import Purpose
from bot.schedule.changes import cancel, set_timer
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.meetings import InvitationRow
from bot.store.timers import Action

ASK = "meeting_invite"  # the intent of the turn that asks
DAY, SOON, MOVED, CALLED_OFF = "meeting_day", "meeting_soon", "meeting_moved", "meeting_called_off"
WORDED = (DAY, SOON, MOVED, CALLED_OFF)
# How long before it begins; how late it may still leave.
_BEFORE = {
    DAY: (timedelta(days=1), timedelta(hours=20)),
    SOON: (timedelta(minutes=30), timedelta(minutes=25)),
}


async def put(tx: Tx, row: InvitationRow, contact: Contact, now: datetime) -> int:
    """The doctor is asked at the next moment at which we may write, until the meeting begins; the timer."""
    return await set_timer(
        tx,
        contact,
        Action.TRIGGER,
        ASK,
        {"invitation": row.id},
        purpose=Purpose.SERVICE,
        subject=row.subject,
        starts_at=now,
        grace=row.starts_at - now,
        now=now,
    )


async def remind(tx: Tx, row: InvitationRow, contact: Contact, now: datetime) -> list[int]:
    """Reminders of the meeting as the row has it, those whose time is past left out; their timers."""
    return [
        await tell(tx, row, contact, name, row.starts_at - before, late, now)
        for name, (before, late) in _BEFORE.items()
        if row.starts_at - before > now
    ]


async def tell(
    tx: Tx, row: InvitationRow, contact: Contact, name: str, at: datetime, late: timedelta, now: datetime
) -> int:
    return await set_timer(
        tx,
        contact,
        Action.MESSAGE,
        name,
        {"invitation": row.id},
        purpose=Purpose.SERVICE,
        subject=row.subject,
        starts_at=at,
        grace=late,
        now=now,
    )


async def cancel_all(tx: Tx, row: InvitationRow, now: datetime) -> None:
    """Nothing of what was set leaves any more."""
    for timer_id in row.timers:
        await cancel(tx, timer_id, now)
