"""What loops and rooms stand on: the database, the keys, the clock, and what is published."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bot.clock import Clock, real_now
from bot.settings import Limits
from bot.store import business_clock
from bot.store.database import Database
from bot.store.vault import Vault

if TYPE_CHECKING:  # commands have these parts too, and need neither content nor index
    from bot.dialogue.published import Published


@dataclass(frozen=True, slots=True)
class Services:
    """Handed to every loop and room that needs them."""

    db: Database
    vault: Vault
    clock: Clock
    published: Published
    home: Path
    limits: Limits = field(default_factory=Limits)
    public_url: str = "http://127.0.0.1:8080"  # base of every link that people get
    crm: bool = False  # whether a CRM is told of what is approved

    async def move_clock(self, moment: datetime) -> None:
        """Move business time, in all processes; it runs on from `moment`."""
        async with self.db.begin() as tx:
            await business_clock.move(tx, round((moment - real_now()).total_seconds()))
        self.clock.move_to(moment)
