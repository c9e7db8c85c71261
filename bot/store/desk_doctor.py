"""What was done for one doctor and what waits for them, as a colleague reads it: see `bot.store.desk`."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from bot.model import ERASED_TEXT
from bot.store.database import Tx, hot
from bot.store.desk import opened
from bot.store.vault import Vault

SENT = "send:"  # subject of what a colleague has sent: send:ITEM@LOGIN


@dataclass(frozen=True, slots=True)
class Queued:
    """What we begin with a doctor and has not left: a message (`outbox`), or a turn that is to begin
    (`inbox`). `about`: its subject; `fault`: what stood in its way when it was last asked."""

    id: int
    where: str
    contact_id: int
    about: str
    purpose: str
    state: str
    fault: str
    text: str
    at: datetime
    until: datetime | None
    expires_at: datetime | None


_QUEUED = """
    SELECT id, 'outbox' AS place, contact_id, person_id, body_enc, subject, purpose, state, fault,
           created_at AS at, not_before, expires_at
    FROM outbox
    WHERE contact_id = ANY(CAST(%(contacts)s AS bigint[])) AND state IN ('waiting', 'held')
      AND purpose NOT IN ('reply', 'emergency')
    UNION ALL
    SELECT id, 'inbox', contact_id, person_id, NULL, subject, purpose, state, fault, received_at, not_before,
           expires_at
    FROM inbox
    WHERE contact_id = ANY(CAST(%(contacts)s AS bigint[])) AND kind = 'trigger'
      AND state IN ('waiting', 'deferred')
    ORDER BY at LIMIT 50
    """


async def queued(tx: Tx, vault: Vault, contact_ids: Collection[int]) -> list[Queued]:
    """The oldest first."""
    found = []
    for row in await hot(tx, _QUEUED, {"contacts": list(contact_ids)}):
        plain = await opened(tx, vault, row.person_id, row.body_enc, "outbox.body")
        said = plain if plain in ("", ERASED_TEXT) else _said(plain)
        found.append(
            Queued(
                *(row.id, row.place, row.contact_id, row.subject or "", row.purpose, row.state),
                *(row.fault or "", said, row.at, row.not_before, row.expires_at),
            )
        )
    return found


def _said(plain: str) -> str:
    body: dict[str, Any] = json.loads(plain)
    return "\n\n".join(part for part, _ in body["parts"])


@dataclass(frozen=True, slots=True)
class SentItem:
    """Approved content that a colleague has sent, by the id of its row."""

    id: int
    subject: str
    state: str
    at: datetime

    @property
    def item(self) -> str:
        return self.subject.removeprefix(SENT).rpartition("@")[0]


_SENT_ITEMS = """
    SELECT id, subject, state, created_at FROM outbox
    WHERE contact_id = ANY(CAST(%(contacts)s AS bigint[])) AND subject LIKE 'send:%%'
    ORDER BY id DESC LIMIT 200
    """


async def sent_items(tx: Tx, contact_ids: Collection[int]) -> list[SentItem]:
    """The newest first."""
    return [SentItem(*row) for row in await hot(tx, _SENT_ITEMS, {"contacts": list(contact_ids)})]


@dataclass(frozen=True, slots=True)
class MaterialUse:
    """A material that was sent, and what became of it."""

    material: str
    number: int
    sent_at: datetime
    opens: int
    seconds: int
    opened_at: datetime | None


_MATERIALS = """
    SELECT material_sent.material, material_sent.number, material_sent.sent_at,
           count(material_open.id) FILTER (WHERE NOT material_open.forwarded) AS opens,
           coalesce(sum(material_open.seconds) FILTER (WHERE NOT material_open.forwarded), 0) AS seconds,
           max(material_open.opened_at) FILTER (WHERE NOT material_open.forwarded) AS opened_at
    FROM material_sent LEFT JOIN material_open ON material_open.sent_id = material_sent.id
    WHERE material_sent.contact_id = ANY(CAST(%(contacts)s AS bigint[]))
    GROUP BY material_sent.id ORDER BY material_sent.id DESC LIMIT 50
    """


async def material_uses(tx: Tx, contact_ids: Collection[int]) -> list[MaterialUse]:
    """The newest first."""
    rows = await hot(tx, _MATERIALS, {"contacts": list(contact_ids)})
    return [
        MaterialUse(*(row.material, row.number, row.sent_at, int(row.opens), int(row.seconds), row.opened_at))
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class TakeoverSpan:
    """A colleague spoke with the doctor."""

    contact_id: int
    name: str
    started_at: datetime
    ended_at: datetime | None


_TAKEOVERS = """
    SELECT takeover.contact_id, staff.name, takeover.started_at, takeover.ended_at
    FROM takeover JOIN staff ON staff.id = takeover.staff_id
    WHERE takeover.contact_id = ANY(CAST(%(contacts)s AS bigint[]))
    ORDER BY takeover.id DESC LIMIT 30
    """


async def takeovers(tx: Tx, contact_ids: Collection[int]) -> list[TakeoverSpan]:
    """The newest first."""
    return [TakeoverSpan(*row) for row in await hot(tx, _TAKEOVERS, {"contacts": list(contact_ids)})]


_OWNER = "SELECT rep_id FROM doctor WHERE person_id = %(person)s"


async def rep_of(tx: Tx, person_id: UUID) -> UUID | None:
    rows = await hot(tx, _OWNER, {"person": person_id})
    return rows[0].rep_id if rows else None
