"""Timers for tests, set as a room sets them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from bot.model import Purpose
from bot.runtime.services import Services
from bot.schedule.changes import set_timer
from bot.store.contacts import Contact
from bot.store.timers import Action

THANKS = {"response": "utter_thanks"}
GRACE = timedelta(minutes=30)


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
