"""Visits that colleagues made themselves, as a colleague reads them at the console: see `bot.store.desk`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from bot.store.database import Tx, hot
from bot.store.desk import opened
from bot.store.desk_versions import body_of
from bot.store.reviewed import OWN_VISIT
from bot.store.vault import Vault


@dataclass(frozen=True, slots=True)
class OwnVisitLine:
    """One in a list: with whom, when, whose, and how far its review is. `body` is empty where it was
    deleted."""

    id: int
    person_id: UUID
    external_id: str
    doctor: str
    hospital: str
    department: str
    visited_at: datetime
    visitor: str
    state: str
    version: int
    approved_name: str
    approved_at: datetime | None
    body: dict[str, Any]


_LINES = """
    SELECT own.id, own.person_id, own.visited_at, own.state, own.version, own.body_enc, own.approved_at,
           doctor.external_id, doctor.name_enc, doctor.hospital, doctor.department,
           coalesce(visitor.name, own.visited_by) AS visitor,
           coalesce(approver.name, own.approved_by) AS approved_name
    FROM own_visit AS own LEFT JOIN doctor ON doctor.person_id = own.person_id
         LEFT JOIN staff AS visitor ON visitor.login = own.visited_by
         LEFT JOIN staff AS approver ON approver.login = own.approved_by
    WHERE {which} ORDER BY {order} LIMIT %(limit)s
    """
_OPEN = _LINES.format(which="own.state IN ('draft', 'in_review')", order="own.id")
_EVERY = _LINES.format(which="true", order="own.id DESC")
_OF_ONE = _LINES.format(which="own.id = %(of)s", order="own.id")
_OF_PERSON = _LINES.format(which="own.person_id = %(of)s", order="own.visited_at DESC, own.id DESC")


async def waiting(tx: Tx, vault: Vault, limit: int) -> list[OwnVisitLine]:
    """Those that nobody has approved, in the order in which they were logged."""
    return await _lines(tx, vault, await hot(tx, _OPEN, {"limit": limit}))


async def newest(tx: Tx, vault: Vault, limit: int) -> list[OwnVisitLine]:
    """All, those logged last first."""
    return await _lines(tx, vault, await hot(tx, _EVERY, {"limit": limit}))


async def of_person(tx: Tx, vault: Vault, person_id: UUID, limit: int) -> list[OwnVisitLine]:
    """Those to a doctor, the newest first."""
    return await _lines(tx, vault, await hot(tx, _OF_PERSON, {"of": person_id, "limit": limit}))


async def line_of(tx: Tx, vault: Vault, own_visit_id: int) -> OwnVisitLine | None:
    found = await _lines(tx, vault, await hot(tx, _OF_ONE, {"of": own_visit_id, "limit": 1}))
    return found[0] if found else None


async def _lines(tx: Tx, vault: Vault, rows: list[Any]) -> list[OwnVisitLine]:
    await vault.prepare(tx, [row.person_id for row in rows])
    return [
        OwnVisitLine(
            id=row.id,
            person_id=row.person_id,
            external_id=row.external_id or "",
            doctor=await opened(tx, vault, row.person_id, row.name_enc, "doctor.name"),
            hospital=row.hospital or "",
            department=row.department or "",
            visited_at=row.visited_at,
            visitor=row.visitor,
            state=row.state,
            version=row.version,
            approved_name=row.approved_name or "",
            approved_at=row.approved_at,
            body=await body_of(tx, vault, row.person_id, row.body_enc, OWN_VISIT),
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class HeldChat:
    """A conversation that a colleague had with a doctor."""

    takeover_id: int
    contact_id: int
    channel: str
    started_at: datetime
    ended_at: datetime


_CHATS = """
    SELECT takeover.id AS takeover_id, contact.id AS contact_id, contact.channel, takeover.started_at,
           coalesce(takeover.ended_at, takeover.last_at) AS ended_at
    FROM takeover JOIN contact ON contact.id = takeover.contact_id
    WHERE contact.person_id = %(person)s AND takeover.staff_id = %(staff)s
      AND takeover.started_at > %(since)s
      AND NOT EXISTS (SELECT FROM own_visit WHERE own_visit.takeover_id = takeover.id)
    ORDER BY takeover.id DESC LIMIT %(limit)s
    """


async def unlogged_chats(
    tx: Tx, person_id: UUID, staff_id: UUID, since: datetime, limit: int
) -> list[HeldChat]:
    """What this colleague spoke with the doctor since then and has logged as no visit, the newest first."""
    values = {"person": person_id, "staff": staff_id, "since": since, "limit": limit}
    rows = await hot(tx, _CHATS, values)
    return [HeldChat(*row) for row in rows]
