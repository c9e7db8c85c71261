"""Summaries of visits, and the turns that they are made of. All times are business time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from bot.store.database import Tx
from bot.store.reviewed import SUMMARY, Standing, keep
from bot.store.tables import (
    contact,
    doctor,
    inbox,
    outbox,
    task,
    turn,
    visit,
    visit_summary,
)
from bot.store.visits import VisitRow


@dataclass(frozen=True, slots=True)
class Said:
    """A message within a visit, and what its turn made of it. `body_enc`: as the inbox keeps it."""

    id: int
    turn_id: UUID | None
    kind: str
    body_enc: bytes
    person_id: UUID
    entries: tuple[str, ...]
    route: str | None
    screening: dict[str, Any] | None
    received_at: datetime


@dataclass(frozen=True, slots=True)
class SummaryRow:
    visit_id: int
    person_id: UUID
    doctor: str  # external id
    state: str
    version: int
    body_enc: bytes


async def without(tx: Tx, limit: int) -> list[int]:
    """Visits that were begun and have ended and have no summary yet."""
    made = select(visit_summary.c.visit_id).where(visit_summary.c.visit_id == visit.c.id)
    query = select(visit.c.id).where(visit.c.state == "ended", visit.c.begun_at.is_not(None), ~made.exists())
    return list((await tx.execute(query.order_by(visit.c.id).limit(limit))).scalars())


async def settled(tx: Tx, of: VisitRow) -> bool:
    """Whether no turn of the contact is under way: what ended the visit is written whole."""
    query = select(turn.c.id).where(
        turn.c.contact_id == of.contact_id, turn.c.state.in_(["running", "retry"])
    )
    return (await tx.execute(query.limit(1))).first() is None


async def said_in(tx: Tx, of: VisitRow) -> list[Said]:
    """The contact's messages from the plan of the visit to its end in order, our own triggers included; of
    those without a turn the stops alone."""
    query = (
        select(
            inbox.c.id,
            inbox.c.turn_id,
            inbox.c.kind,
            inbox.c.body_enc,
            inbox.c.person_id,
            inbox.c.screening,
            inbox.c.received_at,
            turn.c.entries,
            turn.c.route,
        )
        .outerjoin(turn, turn.c.id == inbox.c.turn_id)
        .where(
            inbox.c.contact_id == of.contact_id,
            inbox.c.received_at >= of.planned_at,
            inbox.c.received_at <= of.ended_at,
            or_(turn.c.state == "done", inbox.c.screening.has_key("wish")),
        )
        .order_by(inbox.c.id)
    )
    rows = await tx.execute(query)
    return [
        Said(
            *(row.id, row.turn_id, row.kind, bytes(row.body_enc), row.person_id, tuple(row.entries or ())),
            *(row.route, row.screening, row.received_at),
        )
        for row in rows
    ]


async def answers_in(tx: Tx, turn_ids: Collection[UUID]) -> dict[UUID | None, list[tuple[UUID, bytes]]]:
    """What was said in these turns, (person, body as the outbox keeps it), by turn."""
    query = select(outbox.c.turn_id, outbox.c.person_id, outbox.c.body_enc).where(
        outbox.c.turn_id.in_(turn_ids), outbox.c.body_enc.is_not(None)
    )
    found: dict[UUID | None, list[tuple[UUID, bytes]]] = {}
    for row in await tx.execute(query.order_by(outbox.c.id)):
        if row.body_enc:
            found.setdefault(row.turn_id, []).append((row.person_id, bytes(row.body_enc)))
    return found


async def to_phrase(tx: Tx, since: datetime, now: datetime, limit: int) -> list[int]:
    """Drafts that the assistant was not asked about yet and nobody has touched; from now on it was."""
    drafts = (
        select(visit_summary.c.visit_id)
        .where(
            visit_summary.c.state == "draft",
            visit_summary.c.version == 1,
            visit_summary.c.phrased_at.is_(None),
            visit_summary.c.made_at > since,
        )
        .order_by(visit_summary.c.visit_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    done = await tx.execute(
        update(visit_summary)
        .where(visit_summary.c.visit_id.in_(drafts))
        .values(phrased_at=now)
        .returning(visit_summary.c.visit_id)
    )
    return sorted(done.scalars())


async def requests_in(tx: Tx, of: VisitRow, until: datetime) -> list[tuple[int, str, datetime]]:
    """The tasks that were opened from its beginning on: id, kind, when. A rep hears of none that
    compliance has."""
    query = select(task.c.id, task.c.kind, task.c.opened_at).where(
        and_(
            task.c.contact_id == of.contact_id,
            task.c.opened_at >= of.begun_at,
            task.c.opened_at <= until,
            task.c.kind != "compliance",
        )
    )
    return [tuple(row) for row in await tx.execute(query.order_by(task.c.id))]


async def add(tx: Tx, of: VisitRow, person_id: UUID, body_enc: bytes, now: datetime) -> bool:
    """Whether there was none."""
    done = await tx.execute(
        insert(visit_summary)
        .values(
            visit_id=of.id,
            contact_id=of.contact_id,
            person_id=person_id,
            state="draft",
            body_enc=body_enc,
            made_at=now,
        )
        .on_conflict_do_nothing()
        .returning(visit_summary.c.visit_id)
    )
    if done.first() is None:
        return False
    new = Standing(of.id, of.contact_id, person_id, "draft", 1, body_enc)
    await keep(tx, SUMMARY, new, "draft", "", now)
    return True


async def summaries(tx: Tx, external_id: str | None = None) -> Sequence[SummaryRow]:
    """All of them, or a doctor's, the oldest first."""
    query: Any = (
        select(
            visit_summary.c.visit_id,
            visit_summary.c.person_id,
            doctor.c.external_id,
            visit_summary.c.state,
            visit_summary.c.version,
            visit_summary.c.body_enc,
        )
        .join(contact, contact.c.id == visit_summary.c.contact_id)
        .join(doctor, doctor.c.person_id == contact.c.person_id)
        .order_by(visit_summary.c.visit_id)
    )
    if external_id is not None:
        query = query.where(doctor.c.external_id == external_id)
    return [SummaryRow(*row) for row in await tx.execute(query)]
