"""Visits that nobody ends: no answer came, or the turn that was to begin them did not."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from bot.dialogue.said import SESSION
from bot.runtime.loops import together_or_alone
from bot.runtime.services import Services
from bot.store import contacts, visits
from bot.visits.beginning import begin_visits
from bot.visits.course import Ending, end
from bot.visits.summary import write_summaries

BATCH = 100
EVERY = 20.0  # seconds


async def look_after(services: Services) -> None:
    """What nobody asks for: visits begin, end by themselves, and are summed up."""
    await begin_visits(services)
    await tidy_visits(services)
    await write_summaries(services.db, services.vault, services.clock)


async def tidy_visits(services: Services) -> None:
    """End, without a word, those in which nothing happened for as long as a conversation lasts, and those
    whose turn has expired or was refused. Many processes may do it."""
    now = services.clock.now()
    async with services.db.begin() as tx:
        silent = await visits.unanswered(tx, now - SESSION, BATCH)
        gone = dict(await visits.never_begun(tx, BATCH))
    await together_or_alone("visits", silent, partial(_end, services, now, {}))
    await together_or_alone("visits", list(gone), partial(_end, services, now, gone))


async def _end(services: Services, now: datetime, reasons: dict[int, str], ids: list[int]) -> None:
    async with services.db.begin() as tx:
        for visit_id in sorted(ids):
            found = await visits.by_id(tx, visit_id)
            if found is not None:
                contact = await contacts.by_id(tx, found.contact_id)
                await end(tx, found, contact, reasons.get(visit_id, Ending.NO_ANSWER), now)
