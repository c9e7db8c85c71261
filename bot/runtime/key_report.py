"""This process says every few seconds which keys it has, so that no key is used that it lacks."""

from __future__ import annotations

import asyncio

import structlog

from bot.runtime.services import Services
from bot.store import key_holders
from bot.store.database import UNAVAILABLE

log = structlog.get_logger()
EVERY = 15.0  # seconds


async def report(services: Services) -> None:
    """Raises MedrepError(CONFIGURATION): the key folder lacks the current master key."""
    async with services.db.begin() as tx:
        await key_holders.report(tx, services.vault.keyring)


async def keep_reporting(services: Services) -> None:
    """Until cancelled. Raises MedrepError(CONFIGURATION): this process may not go on."""
    while True:
        try:
            await report(services)
        except UNAVAILABLE:
            log.warning("keys.not_reported", reason="database")
        await asyncio.sleep(EVERY)
