"""NOTIFY from the database to the loops of this process.

A lost notification only costs a poll interval. What else is told (a version published, the clock moved, a
person erased) is read again whenever the connection is new.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from uuid import UUID

import psycopg
import structlog

from bot.runtime.services import Services
from bot.store import business_clock, channels
from bot.store.database import UNAVAILABLE

log = structlog.get_logger()

# Receives the payload of a notification.
Listener = Callable[[str], Awaitable[None]]


class Notifications:
    """The one listening connection of a process.

    `listeners`: what the loops want to hear, by channel. `keys_changed` is set when keys were destroyed or
    rotated, or may have been.
    """

    def __init__(
        self, services: Services, keys_changed: asyncio.Event, listeners: Mapping[str, Listener]
    ) -> None:
        self._services = services
        self._keys_changed = keys_changed
        self._listeners = {
            channels.PUBLISHED: self._published,
            channels.CLOCK: self._clock_moved,
            channels.ERASED: self._erased,
            channels.ROTATED: self._rotated,
            **listeners,
        }

    async def run(self) -> None:
        """Listen until cancelled; a lost connection is opened again."""
        while True:
            try:
                await self._listen()
            except (psycopg.Error, *UNAVAILABLE):
                log.warning("notifications.lost", reason="database")
                await asyncio.sleep(1.0)

    async def _listen(self) -> None:
        services = self._services
        async with await services.db.listen(*self._listeners) as connection:
            async with services.db.begin() as tx:
                services.clock.offset = timedelta(seconds=await business_clock.offset(tx))
            services.vault.forget_all()
            self._keys_changed.set()
            await services.published.load()
            async for notice in connection.notifies():
                await self._listeners[notice.channel](notice.payload)

    async def _published(self, _table: str) -> None:
        await self._services.published.load()

    async def _clock_moved(self, seconds: str) -> None:
        self._services.clock.offset = timedelta(seconds=int(seconds))

    async def _erased(self, key_id: str) -> None:
        self._services.vault.forget(UUID(key_id))
        self._keys_changed.set()

    async def _rotated(self, _: str) -> None:
        self._keys_changed.set()
