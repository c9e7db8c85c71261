"""The rows of one export, and how they are opened."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from bot.clock import CHINA
from bot.model import ERASED_TEXT, Fault, MedrepError
from bot.store import erasure
from bot.store.database import Tx
from bot.store.vault import Vault


class Rows:
    """Those of these people, inside one transaction."""

    def __init__(self, tx: Tx, vault: Vault, people: list[UUID]) -> None:
        self.tx = tx
        self.vault = vault
        self.people = people

    async def rows(self, table: Any) -> list[Any]:
        return await erasure.rows_of(self.tx, table, self.people)

    async def open(self, row: Any, sealed: bytes | None, place: str, key: UUID | None = None) -> str | None:
        """The clear text; None where there is none, and that it was deleted where it was."""
        if sealed is None:
            return None
        try:
            return await self.vault.open_text(self.tx, key or row.person_id, sealed, place)
        except MedrepError as error:
            if error.fault != Fault.ERASED:
                raise
            return ERASED_TEXT


def at(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(CHINA).isoformat()
