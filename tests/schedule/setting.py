"""Timers for tests, set as a room sets them, and what became of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text

from bot.clock import CHINA
from bot.model import Purpose
from bot.runtime.services import Services
from bot.schedule.changes import set_timer
from bot.schedule.timers import Timers
from bot.store.contacts import Contact
from bot.store.timers import Action

THANKS = {"response": "utter_thanks"}
GRACE = timedelta(minutes=30)
EIGHT = datetime(2026, 11, 21, 8, 0, tzinfo=CHINA)
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


async def remind(
    services: Services,
    contact: Contact,
    due: datetime,
    rrule: str | None = "FREQ=DAILY",
    *,
    wording: str = "response",
    refs: dict[str, Any] | None = None,
    purpose: Purpose = Purpose.MEDICATION,
    **more: Any,
) -> int:
    """A timer of this contact, due then."""
    async with services.db.begin() as tx:
        return await set_timer(
            tx,
            contact,
            more.pop("action", Action.MESSAGE),
            wording,
            refs or THANKS,
            purpose=purpose,
            subject="dose:7",
            starts_at=due,
            grace=more.pop("grace", GRACE),
            now=services.clock.now(),
            rrule=rrule,
            **more,
        )


async def tick(services: Services, now: datetime | None = None) -> int:
    """The ticker's next round, at this time; how many messages were queued."""
    if now is not None:
        services.clock.move_to(now)
    return await Timers(services).tick()


async def rows(services: Services, query: str) -> list[Any]:
    async with services.db.begin() as tx:
        return [tuple(row) for row in await tx.execute(text(query))]


async def ends(services: Services) -> list[Any]:
    """State and reason of each occurrence."""
    return await rows(services, "SELECT state, reason FROM occurrence ORDER BY due_at, timer_id")


async def next_due(services: Services) -> datetime | None:
    ((due,),) = await rows(services, "SELECT next_due FROM timer")
    found: datetime | None = due
    return found
