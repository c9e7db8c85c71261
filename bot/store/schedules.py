"""Plans and their occurrences: due rows are claimed in batches and become outbox rows in one statement."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Select, bindparam, select, text
from sqlalchemy.dialects.postgresql import JSONB

from bot.store import channels
from bot.store.database import Tx, notify
from bot.store.tables import contact, person, plan


@dataclass(frozen=True, slots=True)
class Due:
    """One due plan, claimed."""

    id: int
    rrule: str
    starts_at: datetime
    due_at: datetime
    grace: int
    silent: str | None  # why they are not to be, or cannot be, reminded


@dataclass(frozen=True, slots=True)
class Step:
    """What becomes of a due plan: queued until `expires_at`, or missed with a reason; when it is due next."""

    due: Due
    next_due: datetime | None
    expires_at: datetime
    missed: str | None
    unheard: tuple[datetime, ...] = ()  # further occurrences that passed while nobody was there


async def claim(tx: Tx, now: datetime, limit: int) -> list[Due]:
    """Due plans, locked against every other ticker until this transaction ends."""
    query: Select[Any] = (
        select(
            plan.c.id,
            plan.c.rrule,
            plan.c.starts_at,
            plan.c.next_due,
            plan.c.grace,
            person.c.stopped_at,
            contact.c.unreachable_at,
        )
        .join(contact, contact.c.id == plan.c.contact_id)
        .join(person, person.c.id == contact.c.person_id)
        .where(plan.c.next_due <= now)
        .order_by(plan.c.next_due)
        .limit(limit)
        .with_for_update(of=plan, skip_locked=True)
    )
    return [
        Due(
            id=row.id,
            rrule=row.rrule,
            starts_at=row.starts_at,
            due_at=row.next_due,
            grace=row.grace,
            silent="stopped" if row.stopped_at else "unreachable" if row.unreachable_at else None,
        )
        for row in await tx.execute(query)
    ]


# One statement for the whole batch: the occurrence (unique on plan and due time), its outbox row, and the
# plan's next due time. An occurrence that exists already queues nothing.
_ADVANCE = text(
    """
    WITH step AS (
        SELECT * FROM jsonb_to_recordset(:steps) AS s(
            plan_id bigint, due_at timestamptz, next_due timestamptz, expires_at timestamptz, missed text)
    ), fresh AS (
        INSERT INTO occurrence (plan_id, due_at, state, reason)
        SELECT plan_id, due_at, CASE WHEN missed IS NULL THEN 'queued' ELSE 'missed' END, missed FROM step
        ON CONFLICT DO NOTHING
        RETURNING plan_id, due_at, state
    ), queued AS (
        INSERT INTO outbox (contact_id, person_id, account, template, refs, basis, purpose, state, created_at,
                            expires_at, retry_at)
        SELECT plan.contact_id, plan.person_id, contact.channel || ':' || contact.account, plan.template,
               plan.refs || jsonb_build_object('plan', plan.id, 'due', step.due_at), plan.basis, plan.purpose,
               'waiting', :now, step.expires_at, :real
        FROM fresh JOIN step USING (plan_id, due_at) JOIN plan ON plan.id = plan_id
             JOIN contact ON contact.id = plan.contact_id
        WHERE fresh.state = 'queued'
        RETURNING id
    ), moved AS (
        UPDATE plan SET next_due = last.next_due
        FROM (SELECT DISTINCT ON (plan_id) plan_id, next_due FROM step ORDER BY plan_id, due_at DESC) AS last
        WHERE plan.id = last.plan_id
        RETURNING plan.id
    )
    SELECT (SELECT count(*) FROM queued), (SELECT count(*) FROM fresh WHERE state = 'missed')
    """
).bindparams(bindparam("steps", type_=JSONB))


async def advance(tx: Tx, steps: list[Step], now: datetime, real: datetime) -> tuple[int, int]:
    """Write what becomes of claimed plans; how many were queued, and how many missed."""
    rows = []
    for step in steps:
        for moment in step.unheard:
            rows.append(_row(step, moment, "downtime"))
        rows.append(_row(step, step.due.due_at, step.missed))
    queued, missed = (await tx.execute(_ADVANCE, {"steps": rows, "now": now, "real": real})).one()
    if queued:
        await notify(tx, channels.OUTBOX)
    return queued, missed


def _row(step: Step, due_at: datetime, missed: str | None) -> dict[str, Any]:
    return {
        "plan_id": step.due.id,
        "due_at": _iso(due_at),
        "next_due": step.next_due and _iso(step.next_due),
        "expires_at": _iso(step.expires_at),
        "missed": missed,
    }


@lru_cache(maxsize=1000)
def _iso(moment: datetime) -> str:
    """Remembered: a batch knows few times, most of them eight in the morning."""
    return moment.isoformat()
