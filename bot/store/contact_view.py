"""What a contact's messages and timers look like from outside: no words, only what they are and became."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Text, and_, cast, literal, null, select

from bot.model import InboundKind, InboxState
from bot.store.database import Tx
from bot.store.occurrences import PENDING
from bot.store.tables import inbox, occurrence, outbox, timer


@dataclass(frozen=True, slots=True)
class ContactLine:
    """One message, a trigger that has become none (`trigger:ID`), or one occurrence of a timer.

    Times are business time.
    """

    id: int | str
    purpose: str
    lane: str
    basis: str | None
    state: str
    reason: str | None
    not_before: datetime | None
    due: datetime | None
    sent_at: datetime | None


async def messages(tx: Tx, contact_id: int) -> list[ContactLine]:
    """Outbound messages of a contact, oldest first; then the triggers that wait or ended without any."""
    rows = await tx.execute(
        select(
            outbox.c.id,
            outbox.c.purpose,
            outbox.c.lane,
            outbox.c.basis,
            outbox.c.state,
            outbox.c.fault,
            outbox.c.not_before,
            occurrence.c.due_at,
            outbox.c.sent_at,
        )
        .outerjoin(occurrence, occurrence.c.id == outbox.c.occurrence_id)
        .where(outbox.c.contact_id == contact_id)
        .order_by(outbox.c.id)
    )
    sent = [ContactLine(*row) for row in rows]
    waiting = await tx.execute(
        select(
            "trigger:" + cast(inbox.c.id, Text),
            inbox.c.purpose,
            literal("proactive"),
            null(),
            inbox.c.state,
            inbox.c.fault,
            inbox.c.not_before,
            null(),
            null(),
        )
        .where(
            inbox.c.contact_id == contact_id,
            inbox.c.kind == InboundKind.TRIGGER.value,
            inbox.c.state != InboxState.DONE.value,
        )
        .order_by(inbox.c.id)
    )
    return [*sent, *(ContactLine(*row) for row in waiting)]


async def timers(tx: Tx, contact_id: int) -> list[ContactLine]:
    """What was due for a contact and what is due next (`pending`), in order of time; `id` is the timer's."""
    common = (timer.c.id, timer.c.purpose, literal("proactive"))
    begun = (
        select(
            *common,
            outbox.c.basis,
            occurrence.c.state,
            occurrence.c.reason,
            outbox.c.not_before,
            occurrence.c.due_at,
            outbox.c.sent_at,
        )
        .join(occurrence, occurrence.c.timer_id == timer.c.id)
        .outerjoin(outbox, and_(outbox.c.contact_id == contact_id, outbox.c.occurrence_id == occurrence.c.id))
        .where(timer.c.contact_id == contact_id)
    )
    ahead = select(*common, null(), literal(PENDING), null(), null(), timer.c.next_due, null()).where(
        timer.c.contact_id == contact_id, timer.c.next_due.is_not(None)
    )
    rows = [ContactLine(*row) for query in (begun, ahead) for row in await tx.execute(query)]
    return sorted(rows, key=lambda line: (line.due is None, line.due, line.id))
