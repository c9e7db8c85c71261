"""What doctors did with us, as it counts for their profile.

Left out, wherever it stands: turns that went to medical information or found no approved answer (an off-label
question among them), and turns with a message of safety, of compliance, or a wish to stop.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from bot.store.database import Tx, hot
from bot.store.tables import engagement, profile_event

# Actions that look a question up or hand it over: their turns count only where the question was answered.
_QUESTIONS = [
    *("action_answer", "action_fallback", "action_choose", "action_medical_information", "action_material"),
    *("action_adverse_event", "action_feedback", "action_more", "action_said", "action_benefit"),
]


@dataclass(frozen=True, slots=True)
class Written:
    """A message of theirs that counts; `entries`: what of the approved content answered it."""

    person_id: UUID
    contact_id: int
    message: int
    at: datetime
    entries: tuple[str, ...]


_WRITTEN = """
    SELECT contact.person_id, contact.id AS contact_id, inbox.id AS message, inbox.received_at AS at,
           CASE WHEN turn.route = 'answer' THEN turn.entries ELSE '{}' END AS entries
    FROM contact
    JOIN inbox ON inbox.contact_id = contact.id
    JOIN turn ON turn.id = inbox.turn_id
    WHERE contact.person_id = ANY(%(people)s) AND contact.audience = 'doctor'
      AND inbox.kind IN ('text', 'choice') AND inbox.state = 'done' AND inbox.received_at > %(since)s
      AND turn.route IS DISTINCT FROM 'medical_information'
      AND (turn.route = 'answer' OR NOT turn.actions && %(questions)s::text[])
      AND NOT EXISTS (
          SELECT FROM inbox AS beside WHERE beside.turn_id = turn.id AND beside.screening <> '{}')
    ORDER BY inbox.id
    """


async def written(tx: Tx, people: Collection[UUID], since: datetime) -> list[Written]:
    """The messages of these people since then that count, oldest first."""
    values = {"people": list(people), "since": since, "questions": _QUESTIONS}
    rows = await hot(tx, _WRITTEN, values)
    return [Written(row.person_id, row.contact_id, row.message, row.at, tuple(row.entries)) for row in rows]


@dataclass(frozen=True, slots=True)
class Event:
    id: int
    person_id: UUID
    contact_id: int | None
    kind: str
    product: str | None
    topic: str | None
    at: datetime


async def events(tx: Tx, people: Collection[UUID], since: datetime) -> list[Event]:
    """What these people opened and joined since then, oldest first."""
    columns = (profile_event.c[name] for name in Event.__dataclass_fields__)
    query = select(*columns).where(
        profile_event.c.person_id == func.any(list(people)), profile_event.c.at > since
    )
    return [Event(*row) for row in await tx.execute(query.order_by(profile_event.c.id))]


async def made_last(tx: Tx) -> datetime | None:
    """When a score was made last."""
    found: datetime | None = (await tx.execute(select(func.max(engagement.c.made_at)))).scalar()
    return found


_CONCERNED = """
    SELECT doctor.person_id
    FROM doctor
    WHERE doctor.verified_at IS NOT NULL AND doctor.person_id IN (
        SELECT contact.person_id FROM inbox JOIN contact ON contact.id = inbox.contact_id
        WHERE inbox.received_at > %(since)s
        UNION SELECT person_id FROM profile_event WHERE at > %(since)s
        UNION SELECT person_id FROM engagement WHERE made_at < %(stale)s AND points > 0)
    ORDER BY doctor.person_id
    """


async def concerned(tx: Tx, since: datetime, stale: datetime) -> list[UUID]:
    """Verified doctors who did something since then, or whose score is from before `stale` and may fade."""
    return [row.person_id for row in await hot(tx, _CONCERNED, {"since": since, "stale": stale})]


@dataclass(frozen=True, slots=True)
class ScoreRow:
    person_id: UUID
    points: int
    tier: str
    parts: list[dict[str, Any]]
    made_at: datetime


async def scores(tx: Tx, people: Collection[UUID]) -> dict[UUID, ScoreRow]:
    rows = await tx.execute(
        select(*(engagement.c[name] for name in ScoreRow.__dataclass_fields__)).where(
            engagement.c.person_id == func.any(list(people))
        )
    )
    return {row.person_id: ScoreRow(*row) for row in rows}


async def write_scores(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        added = insert(engagement).values(list(rows))
        changed = {
            name: added.excluded[name] for name in ("contact_id", "points", "tier", "parts", "made_at")
        }
        await tx.execute(added.on_conflict_do_update(index_elements=["person_id"], set_=changed))


async def mark_made(tx: Tx, people: Collection[UUID], now: datetime) -> None:
    """The scores of these people are of now."""
    await tx.execute(
        update(engagement).where(engagement.c.person_id == func.any(list(people))).values(made_at=now)
    )
