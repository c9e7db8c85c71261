"""Timers: set, changed, and claimed in batches when due; a batch becomes occurrences in one statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, exists, select, text, update
from sqlalchemy.dialects.postgresql import JSONB, insert

from bot.model import Fault, MedrepError
from bot.store import channels
from bot.store.database import Tx, notify
from bot.store.tables import timer


class Action(StrEnum):
    MESSAGE = "message"
    TRIGGER = "trigger"  # a turn that we begin
    JOB = "job"  # a function of ours; concerns nobody


@dataclass(frozen=True, slots=True)
class Timer:
    """What is to happen when, once (no `rrule`) or again and again."""

    contact_id: int | None
    person_id: UUID | None
    action: str
    name: str
    refs: Mapping[str, int | str]
    purpose: str | None
    subject: str
    rrule: str | None
    zone: str
    starts_at: datetime
    next_due: datetime | None
    grace: int
    slot_at: datetime | None = None
    id: int = 0

    @property
    def slot(self) -> datetime | None:
        """When the rule has the next occurrence, moved or not."""
        return self.slot_at or self.next_due


@dataclass(frozen=True, slots=True)
class Due:
    """One due timer, claimed."""

    id: int
    action: str
    rrule: str | None
    zone: str
    starts_at: datetime
    due_at: datetime
    slot_at: datetime  # where the rule goes on
    grace: int
    silent: str | None = None  # why nothing may, or can, reach them


@dataclass(frozen=True, slots=True)
class Step:
    """What becomes of a due timer: an occurrence in this state, and when it is due next."""

    due: Due
    next_due: datetime | None
    expires_at: datetime
    state: str = "pending"  # pending | missed | cancelled
    reason: str | None = None
    unheard: tuple[datetime, ...] = ()  # further occurrences that passed while nobody was there


async def add(tx: Tx, made: Timer) -> int:
    """Store a timer; its id."""
    statement = insert(timer).values(**_values(made)).returning(timer.c.id)
    return int((await tx.execute(statement)).scalar_one())


async def set_job(tx: Tx, made: Timer) -> None:
    """Store the timer of a job, unless it is there; with another rule it is the same timer from then on."""
    row = _values(made)
    changed = {name: row[name] for name in ("rrule", "zone", "starts_at", "next_due", "grace")}
    statement = insert(timer).values(**row)
    await tx.execute(
        statement.on_conflict_do_update(
            index_elements=["name"],
            index_where=timer.c.action == Action.JOB.value,
            set_=changed,
            where=timer.c.rrule.is_distinct_from(made.rrule) | timer.c.next_due.is_(None),
        )
    )


async def jobs_but(tx: Tx, names: Sequence[str]) -> list[int]:
    """Timers of other jobs than these that are not over."""
    query = select(timer.c.id).where(
        timer.c.action == Action.JOB.value, timer.c.name.not_in(names), timer.c.next_due.is_not(None)
    )
    return list((await tx.execute(query)).scalars())


def _values(made: Timer) -> dict[str, Any]:
    names = ("contact_id", "person_id", "action", "name", "purpose", "subject", "rrule", "zone")
    values = {name: getattr(made, name) for name in (*names, "starts_at", "next_due", "grace")}
    return {**values, "refs": dict(made.refs)}


async def contact_of(tx: Tx, timer_id: int) -> int | None:
    """The contact of a timer. Raises MedrepError(NOT_FOUND)."""
    row = (await tx.execute(select(timer.c.contact_id).where(timer.c.id == timer_id))).first()
    if row is None:
        raise MedrepError(Fault.NOT_FOUND, f"no timer {timer_id}")
    contact_id: int | None = row.contact_id
    return contact_id


async def locked(tx: Tx, timer_id: int) -> Timer:
    """The timer; no ticker takes it before this transaction ends."""
    row = (await tx.execute(select(timer).where(timer.c.id == timer_id).with_for_update())).one()
    return Timer(**row._mapping)


async def change(tx: Tx, timer_id: int, **values: Any) -> None:
    """Write these columns of a timer."""
    await tx.execute(update(timer).where(timer.c.id == timer_id).values(**values))


# The contact is locked as the foreign key of an outbox row locks it, at once and without waiting: an
# erasure, which locks the contact first and its timers later, would otherwise meet us half way.
_CLAIM = text(
    """
    SELECT timer.id, timer.action, timer.rrule, timer.zone, timer.starts_at, timer.next_due, timer.slot_at,
           timer.grace, person.stopped_at, contact.unreachable_at
    FROM timer JOIN contact ON contact.id = timer.contact_id JOIN person ON person.id = contact.person_id
    WHERE timer.next_due <= :now
    ORDER BY timer.next_due LIMIT :limit
    FOR UPDATE OF timer SKIP LOCKED FOR KEY SHARE OF contact SKIP LOCKED
    """
)
_CLAIM_JOBS = text(
    """
    SELECT id, action, rrule, zone, starts_at, next_due, slot_at, grace, NULL AS stopped_at,
           NULL AS unreachable_at
    FROM timer WHERE action = 'job' AND next_due <= :now
    FOR UPDATE SKIP LOCKED
    """
)


async def claim(tx: Tx, now: datetime, limit: int) -> list[Due]:
    """Due timers of people, locked against every other ticker until this transaction ends."""
    return [_due(row) for row in await tx.execute(_CLAIM, {"now": now, "limit": limit})]


async def claim_jobs(tx: Tx, now: datetime) -> list[Due]:
    """As `claim`, the due jobs of our own: there are few of them."""
    return [_due(row) for row in await tx.execute(_CLAIM_JOBS, {"now": now})]


def _due(row: Any) -> Due:
    return Due(
        id=row.id,
        action=row.action,
        rrule=row.rrule,
        zone=row.zone,
        starts_at=row.starts_at,
        due_at=row.next_due,
        slot_at=row.slot_at or row.next_due,
        grace=row.grace,
        silent="stopped" if row.stopped_at else "unreachable" if row.unreachable_at else None,
    )


# One statement for the whole batch: the occurrence (unique on timer and due time), the outbox row of a
# message, and the timer's next due time. An occurrence that exists already queues nothing.
_ADVANCE = text(
    """
    WITH step AS (
        SELECT * FROM jsonb_to_recordset(:steps) AS s(
            timer_id bigint, due_at timestamptz, next_due timestamptz, expires_at timestamptz, action text,
            state text, reason text)
    ), fresh AS (
        INSERT INTO occurrence (timer_id, due_at, action, state, reason)
        SELECT timer_id, due_at, action, state, reason FROM step
        ON CONFLICT DO NOTHING
        RETURNING id, timer_id, due_at, action, state
    ), queued AS (
        INSERT INTO outbox (contact_id, person_id, account, occurrence_id, purpose, subject, state,
                            created_at, expires_at, retry_at)
        SELECT timer.contact_id, timer.person_id, contact.channel || ':' || contact.account, fresh.id,
               timer.purpose, timer.subject, 'waiting', :now, step.expires_at, :real
        FROM fresh JOIN step USING (timer_id, due_at) JOIN timer ON timer.id = timer_id
             JOIN contact ON contact.id = timer.contact_id
        WHERE fresh.state = 'pending' AND fresh.action = 'message'
        RETURNING id
    ), moved AS (
        UPDATE timer SET next_due = last.next_due, slot_at = NULL
        FROM (
            SELECT DISTINCT ON (timer_id) timer_id, next_due FROM step ORDER BY timer_id, due_at DESC
        ) AS last
        WHERE timer.id = last.timer_id
        RETURNING timer.id
    )
    SELECT (SELECT count(*) FROM queued), (SELECT count(*) FROM fresh WHERE state = 'missed')
    """
).bindparams(bindparam("steps", type_=JSONB))


async def advance(tx: Tx, steps: list[Step], now: datetime, real: datetime) -> tuple[int, int]:
    """Write what becomes of claimed timers; how many messages were queued, and how many were missed."""
    rows = []
    for step in steps:
        for moment in step.unheard:
            rows.append(_row(step, moment, "missed", "downtime"))
        rows.append(_row(step, step.due.due_at, step.state, step.reason))
    queued, missed = (await tx.execute(_ADVANCE, {"steps": rows, "now": now, "real": real})).one()
    if queued:
        await notify(tx, channels.OUTBOX)
    return queued, missed


def _row(step: Step, due_at: datetime, state: str, reason: str | None) -> dict[str, Any]:
    return {
        "timer_id": step.due.id,
        "due_at": _iso(due_at),
        "next_due": step.next_due and _iso(step.next_due),
        "expires_at": _iso(step.expires_at),
        "action": step.due.action,
        "state": state,
        "reason": reason,
    }


@lru_cache(maxsize=1000)
def _iso(moment: datetime) -> str:
    """Remembered: a batch knows few times, most of them eight in the morning."""
    return moment.isoformat()


async def any_of(tx: Tx, contact_id: int, name: str, subject: str) -> bool:
    """Whether there was such a timer, over or not."""
    query = exists().where(timer.c.contact_id == contact_id, timer.c.name == name, timer.c.subject == subject)
    return bool((await tx.execute(select(query))).scalar_one())
