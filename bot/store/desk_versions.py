"""The versions of what is reviewed, as a colleague reads them at the console: see `bot.store.desk`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from bot.model import ERASED_TEXT
from bot.store.database import Tx, hot
from bot.store.desk import opened
from bot.store.reviewed import Reviewed, standing
from bot.store.vault import Vault


@dataclass(frozen=True, slots=True)
class Version:
    """What it said at some time; `body` is empty where it was deleted. `name`: "" for the rules."""

    number: int
    kind: str
    name: str
    at: datetime
    body: dict[str, Any]


_VERSIONS = """
    SELECT version.number, version.kind, version.person_id, version.body_enc, version.at,
           coalesce(staff.name, version.login) AS name
    FROM {table} AS version LEFT JOIN staff ON staff.login = version.login
    WHERE version.{of} = %(of)s ORDER BY version.number
    """


async def versions(tx: Tx, vault: Vault, kind: Reviewed, number: int) -> list[Version]:
    """All of them, the first one first."""
    query = _VERSIONS.format(table=kind.of.table.name, of=kind.of.name)
    return [
        Version(
            *(row.number, row.kind, row.name, row.at),
            await body_of(tx, vault, row.person_id, row.body_enc, kind),
        )
        for row in await hot(tx, query, {"of": number})
    ]


async def newest(tx: Tx, vault: Vault, kind: Reviewed, number: int) -> dict[str, Any]:
    """What one says now; empty where it was deleted, or there is none."""
    found = await standing(tx, kind, number)
    return {} if found is None else await body_of(tx, vault, found.person_id, found.body_enc, kind)


async def body_of(tx: Tx, vault: Vault, owner: UUID, sealed: bytes, kind: Reviewed) -> dict[str, Any]:
    """Empty where it was deleted."""
    plain = await opened(tx, vault, owner, sealed, kind.place)
    body: dict[str, Any] = {} if plain == ERASED_TEXT else json.loads(plain)
    return body
