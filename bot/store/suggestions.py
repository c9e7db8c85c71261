"""Suggestions and change requests: what is to be done for whom, and what was decided."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Text, cast, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from bot.store.database import Tx
from bot.store.tables import change_request, contact, doctor, person, profile_tag, staff, suggestion, task


@dataclass(frozen=True, slots=True)
class Candidate:
    """Why something should be done for somebody now; `facts` fill the rule's reason."""

    person_id: UUID
    contact_id: int | None
    subject: str
    facts: Mapping[str, Any]


async def open_tasks(tx: Tx, kinds: Collection[str], due_before: datetime | None) -> list[Any]:
    """Tasks of these kinds that are not done: (id, person_id, contact_id, opened_at, due_at)."""
    query = select(task.c.id, task.c.person_id, task.c.contact_id, task.c.opened_at, task.c.due_at).where(
        task.c.kind.in_(kinds), task.c.state != "done", task.c.person_id.is_not(None)
    )
    if due_before is not None:
        query = query.where(task.c.due_at < due_before)
    return list((await tx.execute(query.order_by(task.c.id))).all())


async def stated_interests(tx: Tx, since: datetime) -> list[Any]:
    """Interests that were stated since then, of people with a way to reach them: (person_id, contact_id,
    value, first_at, products asked about or opened since)."""
    later = profile_tag.alias()
    products = (
        select(func.coalesce(func.array_agg(later.c.value), text("'{}'")))
        .where(
            later.c.person_id == profile_tag.c.person_id,
            later.c.name == "product",
            later.c.ended_at.is_(None),
            later.c.seen_at > profile_tag.c.first_at,
        )
        .scalar_subquery()
    )
    query = (
        select(
            *(profile_tag.c.person_id, contact.c.id.label("contact_id"), profile_tag.c.value),
            *(profile_tag.c.first_at, products.label("products")),
        )
        .join(contact, contact.c.id == profile_tag.c.contact_id)
        .join(person, person.c.id == profile_tag.c.person_id)
        .where(
            profile_tag.c.name == "interest",
            profile_tag.c.source == "said",
            profile_tag.c.ended_at.is_(None),
            profile_tag.c.first_at > since,
            contact.c.unreachable_at.is_(None),
            person.c.stopped_at.is_(None),
        )
    )
    return list((await tx.execute(query)).all())


_QUIET = text(
    """
    SELECT person.id AS person_id, reached.id AS contact_id, reached.last
    FROM doctor
    JOIN person ON person.id = doctor.person_id
    JOIN LATERAL (
        SELECT contact.id, greatest(
            contact.created_at,
            (SELECT received_at FROM inbox WHERE inbox.contact_id = contact.id ORDER BY id DESC LIMIT 1),
            (SELECT sent_at FROM outbox
             WHERE outbox.contact_id = contact.id AND state IN ('sent', 'delivered')
             ORDER BY id DESC LIMIT 1)) AS last
        FROM contact
        WHERE contact.person_id = person.id AND contact.unreachable_at IS NULL
        ORDER BY last DESC LIMIT 1
    ) AS reached ON true
    WHERE doctor.verified_at IS NOT NULL AND person.stopped_at IS NULL AND reached.last < :before
    """
)


async def out_of_touch(tx: Tx, before: datetime) -> list[Any]:
    """Verified doctors who can be reached, and with whom nothing passed since then: (person_id, contact_id,
    last)."""
    return list((await tx.execute(_QUIET, {"before": before})).all())


async def put(
    tx: Tx,
    rule: str,
    found: Sequence[Candidate],
    *,
    now: datetime,
    expires_at: datetime,
    not_since: datetime,
) -> int:
    """Open what is new of a rule, end what holds no more; how many are new. What was decided or expired after
    `not_since` is not made again."""
    keys = [f"{one.person_id} {one.subject}" for one in found]
    key = func.concat_ws(" ", suggestion.c.person_id, suggestion.c.subject)
    await tx.execute(
        update(suggestion)
        .where(suggestion.c.rule == rule, suggestion.c.state == "open", ~key.op("=")(func.any(keys)))
        .values(state="moot", decided_at=now)
    )
    if not found:
        return 0
    # Not put again, either, what is open: who has not been heard of for long is found every hour.
    lately = suggestion.c.state.in_(_ENDED) & (suggestion.c.decided_at > not_since)
    there = select(key).where(suggestion.c.rule == rule, (suggestion.c.state == "open") | lately)
    known = set((await tx.execute(there)).scalars())
    rows = [
        {
            "person_id": one.person_id,
            "contact_id": one.contact_id,
            "rule": rule,
            "subject": one.subject,
            "facts": dict(one.facts),
            "made_at": now,
            "expires_at": expires_at,
            "state": "open",
        }
        for one, name in zip(found, keys, strict=True)
        if name not in known
    ]
    made = 0
    for start in range(0, len(rows), 1000):
        statement = insert(suggestion).values(rows[start : start + 1000]).on_conflict_do_nothing()
        made += len((await tx.execute(statement.returning(suggestion.c.id))).all())
    return made


_ENDED = ("done", "dismissed", "expired")


async def expire(tx: Tx, now: datetime) -> int:
    done = await tx.execute(
        update(suggestion)
        .where(suggestion.c.state == "open", suggestion.c.expires_at <= now)
        .values(state="expired", decided_at=now)
    )
    return int(done.rowcount)


@dataclass(frozen=True, slots=True)
class SuggestionRow:
    id: int
    person_id: UUID
    contact_id: int | None
    external_id: str | None  # None: a newcomer
    rep: str | None
    rule: str
    subject: str
    facts: Mapping[str, Any]
    made_at: datetime
    expires_at: datetime
    state: str
    outcome: str | None
    note_enc: bytes | None
    decided_at: datetime | None
    decided_by: str | None


_OWN = ("external_id", "rep")
_ROWS = (
    select(
        *(suggestion.c[name] for name in SuggestionRow.__dataclass_fields__ if name not in _OWN),
        doctor.c.external_id,
        staff.c.name.label("rep"),
    )
    .outerjoin(doctor, doctor.c.person_id == suggestion.c.person_id)
    .outerjoin(task, suggestion.c.subject == "task:" + cast(task.c.id, Text))
    .outerjoin(staff, staff.c.id == func.coalesce(doctor.c.rep_id, task.c.owner_id))
)


async def read(
    tx: Tx,
    *,
    person_id: UUID | None = None,
    rep: str | None = None,
    suggestion_id: int | None = None,
    every: bool = False,
    limit: int | None = None,
) -> list[SuggestionRow]:
    """Suggestions, the newest first: those open, or with `every` all; of a person, of a rep by name, or one
    (then locked, whatever its state)."""
    query = _ROWS.order_by(suggestion.c.id.desc()).limit(limit)
    if person_id is not None:
        query = query.where(suggestion.c.person_id == person_id)
    if rep is not None:
        query = query.where(staff.c.name == rep)
    if suggestion_id is not None:
        query = query.where(suggestion.c.id == suggestion_id).with_for_update(of=suggestion)
    elif not every:
        query = query.where(suggestion.c.state == "open")
    rows = (await tx.execute(query)).all()
    return [SuggestionRow(**row._mapping) for row in rows]


async def exists(tx: Tx, suggestion_id: int) -> bool:
    """Whether there is one, to whoever reads."""
    found = await tx.execute(select(suggestion.c.id).where(suggestion.c.id == suggestion_id))
    return found.first() is not None


async def decide(
    tx: Tx, suggestion_id: int, state: str, outcome: str, note_enc: bytes | None, now: datetime, login: str
) -> None:
    await tx.execute(
        update(suggestion)
        .where(suggestion.c.id == suggestion_id)
        .values(state=state, outcome=outcome, note_enc=note_enc, decided_at=now, decided_by=login)
    )


async def delete_of(tx: Tx, person_id: UUID) -> None:
    """All that was suggested of this person."""
    await tx.execute(delete(suggestion).where(suggestion.c.person_id == person_id))


# ---------------------------------------------------------------- change requests


@dataclass(frozen=True, slots=True)
class ChangeRow:
    id: int
    person_id: UUID
    contact_id: int
    task_id: int
    name: str
    wanted_enc: bytes
    message: str | None
    opened_at: datetime
    state: str
    decided_at: datetime | None
    decided_by: str | None


_CHANGES = select(*(change_request.c[name] for name in ChangeRow.__dataclass_fields__))


async def add_change(tx: Tx, **values: Any) -> int | None:
    """Its id; None where the task has one already."""
    added: int | None = (
        await tx.execute(
            insert(change_request)
            .values(**values, state="open")
            .on_conflict_do_nothing(index_elements=["task_id"])
            .returning(change_request.c.id)
        )
    ).scalar()
    return added


async def changes(tx: Tx, *, person_id: UUID | None = None, waiting: bool = False) -> list[ChangeRow]:
    """Change requests, oldest first."""
    query = _CHANGES.order_by(change_request.c.id)
    if person_id is not None:
        query = query.where(change_request.c.person_id == person_id)
    if waiting:
        query = query.where(change_request.c.state == "open")
    return [ChangeRow(*row) for row in (await tx.execute(query)).all()]


async def change_of_task(tx: Tx, task_id: int) -> ChangeRow | None:
    """The request that this task is about, locked."""
    row = (await tx.execute(_CHANGES.where(change_request.c.task_id == task_id).with_for_update())).first()
    return None if row is None else ChangeRow(*row)


async def decide_change(tx: Tx, change_id: int, state: str, now: datetime, login: str) -> None:
    await tx.execute(
        update(change_request)
        .where(change_request.c.id == change_id)
        .values(state=state, decided_at=now, decided_by=login)
    )
