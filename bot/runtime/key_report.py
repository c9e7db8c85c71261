"""This process says every few seconds which keys it has, so that no key is used that it lacks, and destroys
in its key folder what was destroyed elsewhere."""

from __future__ import annotations

import asyncio

import structlog

from bot.evidence import note
from bot.runtime.services import Services
from bot.store import key_holders
from bot.store.database import UNAVAILABLE

log = structlog.get_logger()
EVERY = 15.0  # seconds


async def report(services: Services) -> None:
    """Raises MedrepError(CONFIGURATION): the key folder lacks the current master key."""
    keyring = services.vault.keyring
    try:
        async with services.db.begin() as tx:
            destroyed = await key_holders.report(tx, keyring)
            if destroyed:
                await note(
                    tx, "keys.destroyed", services.clock.now(), f"folder:{keyring.place}", count=destroyed
                )
    except OSError as error:  # a full disk: nothing is reported, so whoever asks knows, and it is tried again
        log.error("keys.not_destroyed", reason=error.strerror)


async def keep_reporting(services: Services) -> None:
    """Until cancelled. Raises MedrepError(CONFIGURATION): this process may not go on."""
    while True:
        try:
            await report(services)
        except UNAVAILABLE:
            log.warning("keys.not_reported", reason="database")
        await asyncio.sleep(EVERY)
