"""转医学信息: what a doctor asks of the colleague who speaks with them becomes a request, as the bot would
have made it: due in two working days, answered, reviewed and sent in the same chat."""

from __future__ import annotations

import asyncio

from bot import medical_information
from bot.desk.acting import locked_as_shown, seen
from bot.desk.reading import Desk, Mark
from bot.evidence import note
from bot.model import Audience, Fault, MedrepError
from bot.people import takeover
from bot.staff import Session
from bot.store import inbox, turns


async def refer(reading: Desk, who: Session, contact_id: int, mark: Mark) -> int:
    """The words that came last since the takeover, word for word; the request's task.

    Raises MedrepError(NOT_FOUND | CONFLICT: no doctor's, nothing was asked, or it changed since).
    """
    services, now = reading.services, reading.services.clock.now()
    contact, published = await seen(reading, who, contact_id), reading.services.published
    async with services.db.begin() as tx:
        await locked_as_shown(tx, contact_id, mark)
        held = await takeover.held_by(tx, contact, who.login, now, services.limits)
        turn = await turns.refer(tx, contact_id, held.started_at)
        messages = await inbox.of_turn(tx, services.vault, turn) if turn else ()
        words = "\n".join(str(one.body["text"]) for one in messages).strip()
        if turn is None or not words or contact.audience != Audience.DOCTOR:
            raise MedrepError(Fault.CONFLICT, "no question of a doctor stands here")
        product, off_label = "", True  # as long as no index says otherwise
        if published.ready:
            found = await asyncio.to_thread(published.index.decide, words, contact.audience, now)
            product, off_label = next(iter(found.products), ""), found.off_label
        opened = await medical_information.open_request(
            tx, services.vault, contact, now, turn, words, product=product, off_label=off_label
        )
        await note(tx, "request.referred", now, f"task:{opened.task_id}", contact, login=who.login)
        return opened.task_id
