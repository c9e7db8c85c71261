"""What a contact's messages and timers look like from outside: no words, only what they are and became."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Text, cast, func, literal, null, select

from bot.model import InboundKind, InboxState
from bot.store.database import Tx
from bot.store.tables import inbox, occurrence, outbox, plan


@dataclass(frozen=True, slots=True)
class Line:
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


async def messages(tx: Tx, contact_id: int) -> list[Line]:
    """Outbound messages of a contact, oldest first; then the triggers that wait or ended without any."""
    rows = await tx.execute(
        select(
            outbox.c.id,
            outbox.c.purpose,
            outbox.c.lane,
            func.coalesce(outbox.c.basis, outbox.c.template),
            outbox.c.state,
            outbox.c.fault,
            outbox.c.not_before,
            outbox.c.refs["due"].astext,
            outbox.c.sent_at,
        )
        .where(outbox.c.contact_id == contact_id)
        .order_by(outbox.c.id)
    )
    sent = [Line(*row[:7], row[7] and datetime.fromisoformat(row[7]), row[8]) for row in rows]
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
    return [*sent, *(Line(*row) for row in waiting)]


async def timers(tx: Tx, contact_id: int) -> list[Line]:
    """What was due for a contact and what is due next (`pending`), in order of time; `id` is the plan's."""
    common = (plan.c.id, plan.c.purpose, literal("proactive"), func.coalesce(plan.c.basis, plan.c.template))
    past = (
        select(
            *common, occurrence.c.state, occurrence.c.reason, null(), occurrence.c.due_at, outbox.c.sent_at
        )
        .join(occurrence, occurrence.c.plan_id == plan.c.id)
        .outerjoin(
            outbox,
            (outbox.c.contact_id == plan.c.contact_id)
            & (outbox.c.refs["plan"].as_integer() == plan.c.id)
            & (outbox.c.refs["due"].astext.cast(occurrence.c.due_at.type) == occurrence.c.due_at),
        )
        .where(plan.c.contact_id == contact_id)
    )
    ahead = select(*common, literal("pending"), null(), null(), plan.c.next_due, null()).where(
        plan.c.contact_id == contact_id, plan.c.next_due.is_not(None)
    )
    rows = [Line(*row) for query in (past, ahead) for row in await tx.execute(query)]
    return sorted(rows, key=lambda line: (line.due is None, line.due, line.id))
