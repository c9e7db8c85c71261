"""Visits that nobody ends: no answer came, or the turn that was to begin them did not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial

from bot.dialogue.said import SESSION
from bot.runtime.loops import together_or_alone
from bot.runtime.services import Services
from bot.store import contacts, visit_rounds, visits
from bot.visits.beginning import begin_visits
from bot.visits.course import Ending, end, open_visit
from bot.visits.summary import write_summaries

BATCH = 100
EVERY = 20.0  # seconds


async def look_after(services: Services) -> None:
    """What nobody asks for: visits begin, end by themselves, and are summed up."""
    await begin_visits(services)
    await tidy_visits(services)
    await write_summaries(services.db, services.vault, services.clock)


async def tidy_visits(services: Services) -> None:
    """End, without a word, those in which nothing happened for as long as a conversation lasts, those that a
    colleague has taken over or the doctor has stopped, and those whose turn has expired or was refused. Many
    processes may do it."""
    now = services.clock.now()
    async with services.db.begin() as tx:
        endings: dict[int, str] = dict.fromkeys(
            await visit_rounds.unanswered(tx, now - SESSION, BATCH), Ending.NO_ANSWER
        )
        endings |= dict.fromkeys(await visit_rounds.taken_over(tx, BATCH), Ending.HANDED_OVER)
        endings |= dict(await visit_rounds.never_begun(tx, BATCH))
        endings |= dict.fromkeys(await visit_rounds.unwanted(tx, BATCH), Ending.STOPPED)
    await together_or_alone("visits", sorted(endings), partial(_end, services, now, endings))


async def _end(services: Services, now: datetime, endings: Mapping[int, str], ids: Sequence[int]) -> None:
    async with services.db.begin() as tx:
        for visit_id in ids:
            found = await visits.by_id(tx, visit_id)
            if found is None:
                continue
            contact = await contacts.by_id(tx, found.contact_id)
            if endings[visit_id] == Ending.STOPPED:
                await open_visit(tx, contact, now)  # ends it, unless they have agreed again
            else:
                await end(tx, found, contact, endings[visit_id], now)
