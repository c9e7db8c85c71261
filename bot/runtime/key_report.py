"""This process says every few seconds which keys it has, so that no key is used that it lacks, and destroys
in its key folder what was destroyed elsewhere."""

from __future__ import annotations

from datetime import datetime

import structlog

from bot.evidence import note
from bot.runtime.services import Services
from bot.store import key_holders
from bot.store.database import Tx
from bot.store.keyring import Keyring

log = structlog.get_logger()
EVERY = 15.0  # seconds


async def report_keys(tx: Tx, keyring: Keyring, now: datetime) -> None:
    """Raises MedrepError(CONFIGURATION): the key folder lacks the current master key."""
    destroyed = await key_holders.report(tx, keyring)
    if destroyed:
        await note(tx, "keys.destroyed", now, f"folder:{keyring.place}", count=destroyed)


async def report(services: Services) -> None:
    """As `report_keys`; a full disk is told, and whoever waits for the report sees that there is none."""
    try:
        async with services.db.begin() as tx:
            await report_keys(tx, services.vault.keyring, services.clock.now())
    except OSError as error:
        log.error("keys.not_destroyed", reason=error.strerror)
