"""Summaries of visits as a colleague reads them at the console: see `bot.store.desk`."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from bot.store.database import Tx, hot
from bot.store.desk import opened
from bot.store.vault import Vault


@dataclass(frozen=True, slots=True)
class SummaryLine:
    """A summary in the list: whose visit it tells of, and how far its review is."""

    visit_id: int
    contact_id: int
    person_id: UUID
    external_id: str
    doctor: str
    hospital: str
    department: str
    state: str
    version: int
    begun_at: datetime
    ended_at: datetime
    approved_name: str
    approved_at: datetime | None


_LINES = """
    SELECT summary.visit_id, summary.contact_id, contact.person_id, doctor.external_id, doctor.name_enc,
           doctor.hospital, doctor.department, summary.state, summary.version, visit.begun_at, visit.ended_at,
           coalesce(staff.name, summary.approved_by) AS approved_name, summary.approved_at
    FROM visit_summary AS summary JOIN visit ON visit.id = summary.visit_id
         JOIN contact ON contact.id = summary.contact_id
         LEFT JOIN doctor ON doctor.person_id = contact.person_id
         LEFT JOIN staff ON staff.login = summary.approved_by
    WHERE {which} ORDER BY {order} LIMIT %(limit)s
    """
# Each by an index of its own, so that a list costs what it shows.
_OPEN = _LINES.format(
    which="summary.state IN ('draft', 'in_review') AND summary.state = ANY(%(states)s)",
    order="summary.visit_id",
)
_DECIDED = _LINES.format(
    which="summary.approved_at IS NOT NULL AND summary.state = ANY(%(states)s)",
    order="summary.approved_at DESC",
)
_OF_ONE = _LINES.format(which="summary.visit_id = %(visit)s", order="summary.visit_id")
_OF_PERSON = _LINES.format(which="contact.person_id = %(person)s", order="summary.visit_id DESC")


async def in_states(tx: Tx, vault: Vault, states: Collection[str], limit: int) -> list[SummaryLine]:
    """Those in one of these states: who waits for a colleague first, in the order in which they are
    reviewed, then who was approved last."""
    rows = await hot(tx, _OPEN, {"states": list(states), "limit": limit})
    if len(rows) < limit:
        rows += await hot(tx, _DECIDED, {"states": list(states), "limit": limit - len(rows)})
    return await _lines(tx, vault, rows)


async def line_of(tx: Tx, vault: Vault, visit_id: int) -> SummaryLine | None:
    found = await _lines(tx, vault, await hot(tx, _OF_ONE, {"visit": visit_id, "limit": 1}))
    return found[0] if found else None


async def of_person(tx: Tx, vault: Vault, person_id: UUID, limit: int) -> list[SummaryLine]:
    """A doctor's, the newest first."""
    return await _lines(tx, vault, await hot(tx, _OF_PERSON, {"person": person_id, "limit": limit}))


async def _lines(tx: Tx, vault: Vault, rows: list[Any]) -> list[SummaryLine]:
    await vault.prepare(tx, [row.person_id for row in rows])
    return [
        SummaryLine(
            visit_id=row.visit_id,
            contact_id=row.contact_id,
            person_id=row.person_id,
            external_id=row.external_id or "",
            doctor=await opened(tx, vault, row.person_id, row.name_enc, "doctor.name"),
            hospital=row.hospital or "",
            department=row.department or "",
            state=row.state,
            version=row.version,
            begun_at=row.begun_at,
            ended_at=row.ended_at,
            approved_name=row.approved_name or "",
            approved_at=row.approved_at,
        )
        for row in rows
    ]


_WAITING = "SELECT count(*) AS waiting FROM visit_summary WHERE state IN ('draft', 'in_review')"


async def waiting(tx: Tx) -> int:
    """How many nobody has approved."""
    (row,) = await hot(tx, _WAITING, {})
    return int(row.waiting)


_NEXT = """
    SELECT visit_id FROM visit_summary WHERE state IN ('draft', 'in_review')
    ORDER BY visit_id <= %(after)s, visit_id LIMIT 1
    """


async def next_waiting(tx: Tx, after: int) -> int | None:
    """The one to review after this one; beyond the last the first again."""
    rows = await hot(tx, _NEXT, {"after": after})
    return rows[0].visit_id if rows else None


_SHOWING = """
    SELECT inbox.id AS shown, outbox.id AS answered
    FROM inbox LEFT JOIN outbox ON outbox.turn_id = inbox.turn_id
    WHERE inbox.id = ANY(CAST(%(ids)s AS bigint[])) ORDER BY outbox.id
    """


async def answers_to(tx: Tx, inbox_ids: Collection[int]) -> dict[int, list[int]]:
    """What left in the turn of each of these messages: outbox ids by inbox id."""
    found: dict[int, list[int]] = {}
    for row in await hot(tx, _SHOWING, {"ids": list(inbox_ids)}):
        found.setdefault(row.shown, []).extend([row.answered] if row.answered is not None else [])
    return found
