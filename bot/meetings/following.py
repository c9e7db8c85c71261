"""What becomes of invitations by itself: a meeting is moved, called off or over, a doctor wants none."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

from bot.content import meetings_in_force
from bot.evidence import note
from bot.knowledge import Meeting
from bot.meetings.invitations import wants, withdraw
from bot.meetings.reminders import CALLED_OFF, MOVED, cancel_all, put, remind, tell
from bot.runtime.loops import together_or_alone
from bot.runtime.services import Services
from bot.store import contacting, contacts
from bot.store import meetings as store
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.meetings import InvitationRow

EVERY = 20.0  # seconds
BATCH = 100
LATE = timedelta(days=2)  # so long they may still be told that it is called off
SHORTLY = timedelta(minutes=31)  # before it begins, when nobody is reminded any more

Follow = Callable[[Tx, InvitationRow, Contact, datetime], Awaitable[None]]


async def look_after(services: Services) -> None:
    """Follow the meetings as they are announced at this moment. Many processes may do it."""
    now = services.clock.now()
    async with services.db.begin() as tx:
        in_force = {one.id: one for one in await meetings_in_force(tx)}
        as_announced = {one.id: (one.starts_at, one.ends_at, one.venue) for one in in_force.values()}
        found: list[tuple[Follow, list[InvitationRow]]] = [
            (partial(_moved, in_force), await store.moved(tx, as_announced, now, BATCH)),
            (_called_off, await store.called_off(tx, as_announced, now, BATCH)),
            (_over, await store.over(tx, now, BATCH)),
            (_unwanted, await store.unwanted(tx, now, BATCH)),
            (_bare, await store.bare(tx, now + SHORTLY, BATCH)),
        ]
    for follow, rows in found:
        await together_or_alone("meetings", rows, partial(_follow, services, follow, now))


async def _follow(services: Services, follow: Follow, now: datetime, found: Sequence[InvitationRow]) -> None:
    async with services.db.begin() as tx:
        await contacting.lock_contacts(tx, [row.contact_id for row in found])
        for row in found:
            if await store.still(tx, row):
                await follow(tx, row, await contacts.by_id(tx, row.contact_id), now)


async def _over(tx: Tx, row: InvitationRow, contact: Contact, now: datetime) -> None:
    await cancel_all(tx, row, now)
    await store.change(tx, row.id, state="expired", ended_at=now, timers=[])


async def _called_off(tx: Tx, row: InvitationRow, contact: Contact, now: datetime) -> None:
    await withdraw(tx, row, now, "called off")
    if row.accepted_at is not None and await wants(tx, contact):
        timer_id = await tell(tx, row, contact, CALLED_OFF, now, LATE, now)
        await store.change(tx, row.id, timers=[timer_id])


async def _moved(
    in_force: dict[str, Meeting], tx: Tx, row: InvitationRow, contact: Contact, now: datetime
) -> None:
    """Who has accepted is told once, and reminded of the new time; who has not been asked is asked of it."""
    meeting = in_force[row.meeting_id]
    await cancel_all(tx, row, now)
    as_now = {"starts_at": meeting.starts_at, "ends_at": meeting.ends_at, "venue": meeting.venue}
    moved = await store.change(tx, row.id, timers=[], **as_now)
    before, to = row.starts_at.isoformat(), meeting.starts_at.isoformat()
    await note(tx, "meeting.moved", now, row.subject, contact, meeting=meeting.id, before=before, to=to)
    timers: list[int] = []
    if meeting.starts_at > now and await wants(tx, contact):
        if row.state == "waiting":
            timers = [await put(tx, moved, contact, now)]
        elif row.accepted_at is not None:
            left = meeting.starts_at - now
            timers = [await tell(tx, moved, contact, MOVED, now, left, now)]
            timers += await remind(tx, moved, contact, now)
    await store.change(tx, row.id, timers=timers)


async def _unwanted(tx: Tx, row: InvitationRow, contact: Contact, now: datetime) -> None:
    """Nothing is sent any more; what they have accepted stands."""
    if await wants(tx, contact):
        return
    if row.accepted_at is None:
        await withdraw(tx, row, now, "unwanted")
        return
    await cancel_all(tx, row, now)
    await store.change(tx, row.id, timers=[])


async def _bare(tx: Tx, row: InvitationRow, contact: Contact, now: datetime) -> None:
    """They hear of meetings again."""
    if await wants(tx, contact):
        await store.change(tx, row.id, timers=await remind(tx, row, contact, now))
