"""Who was invited to which meeting, as a colleague reads it at the console: see `bot.store.desk`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from bot.store.database import Tx, hot
from bot.store.desk import opened
from bot.store.vault import Vault


@dataclass(frozen=True, slots=True)
class Invitee:
    """A doctor with their invitation to one meeting. `inviter` is empty where they put their name down
    without being asked."""

    meeting_id: str
    person_id: UUID
    doctor: str
    hospital: str
    department: str
    rep: str
    inviter: str
    state: str
    asked: int
    starts_at: datetime
    ends_at: datetime
    answered_at: datetime | None


# Who has said something stands before who has not.
_INVITEES = """
    WITH invited AS MATERIALIZED (
        SELECT *, row_number() OVER (PARTITION BY meeting_id ORDER BY array_position(
            ARRAY['accepted', 'unsure', 'asked', 'waiting', 'declined', 'expired', 'withdrawn'], state), id)
            AS place
        FROM meeting_invitation WHERE meeting_id = ANY(CAST(%(meetings)s AS text[]))
    )
    SELECT invited.meeting_id, invited.person_id, invited.state, invited.asked, invited.starts_at,
           invited.ends_at, invited.answered_at, doctor.name_enc, doctor.hospital, doctor.department,
           coalesce(rep.name, '') AS rep,
           CASE WHEN invited.invited_by = 'self' THEN '' ELSE coalesce(inviter.name, invited.invited_by) END
           AS inviter
    FROM invited JOIN doctor ON doctor.person_id = invited.person_id
         LEFT JOIN staff AS rep ON rep.id = doctor.rep_id
         LEFT JOIN staff AS inviter ON inviter.login = invited.invited_by
    WHERE invited.place <= %(limit)s ORDER BY invited.meeting_id, invited.place
    """


async def invitees(
    tx: Tx, vault: Vault, meeting_ids: Collection[str], limit: int
) -> dict[str, list[Invitee]]:
    """Of each of these meetings so many, who comes first."""
    rows = await hot(tx, _INVITEES, {"meetings": list(meeting_ids), "limit": limit})
    await vault.prepare(tx, [row.person_id for row in rows])
    found: defaultdict[str, list[Invitee]] = defaultdict(list)
    for row in rows:
        found[row.meeting_id].append(await _invitee(tx, vault, row))
    return dict(found)


async def _invitee(tx: Tx, vault: Vault, row: Any) -> Invitee:
    return Invitee(
        row.meeting_id,
        row.person_id,
        await opened(tx, vault, row.person_id, row.name_enc, "doctor.name"),
        row.hospital,
        row.department,
        row.rep,
        row.inviter,
        row.state,
        row.asked,
        row.starts_at,
        row.ends_at,
        row.answered_at,
    )
