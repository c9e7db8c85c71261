"""NOTIFY from the database to the loops of this process.

Losing a wake-up only costs a poll interval. What else is told (a version published, the clock moved, a
person erased) is read again whenever the connection is new.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import psycopg
import structlog

from bot.base import Base
from bot.gateway import Gateway
from bot.inbox import Inbox
from bot.outbox import Outbox
from bot.store import business_clock, keys, messages, outgoing, published
from bot.store.database import UNAVAILABLE

log = structlog.get_logger()


class Wakeups:
    def __init__(self, base: Base, inbox: Inbox, outbox: Outbox, gateway: Gateway) -> None:
        self._base = base
        self._inbox = inbox
        self._outbox = outbox
        self._gateway = gateway

    async def run(self) -> None:
        """Listen until cancelled; a lost connection is opened again."""
        while True:
            try:
                await self._listen()
            except (psycopg.Error, *UNAVAILABLE):
                log.warning("wakeups.lost", reason="database")
                await asyncio.sleep(1.0)

    async def _listen(self) -> None:
        connection = await self._base.db.listen(
            messages.CHANNEL,
            messages.PASSIVE_CHANNEL,
            outgoing.SEND_CHANNEL,
            published.CHANNEL,
            business_clock.CHANNEL,
            keys.ERASED_CHANNEL,
            keys.ROTATED_CHANNEL,
        )
        async with connection:
            async with self._base.db.begin() as tx:
                self._base.clock.offset = timedelta(seconds=await business_clock.offset(tx))
            self._base.vault.forget_all()
            self._base.vault.keyring.reload()
            await self._base.published.load()
            async for notice in connection.notifies():
                await self._heard(notice.channel, notice.payload)

    async def _heard(self, channel: str, payload: str) -> None:
        if channel == messages.CHANNEL:
            async with self._inbox.wake:
                self._inbox.wake.notify_all()
        elif channel == messages.PASSIVE_CHANNEL:
            self._gateway.offered(int(payload))
        elif channel == outgoing.SEND_CHANNEL:
            self._outbox.wake.set()
        elif channel == published.CHANNEL:
            await self._base.published.load()
        elif channel == business_clock.CHANNEL:
            self._base.clock.offset = timedelta(seconds=int(payload))
        elif channel == keys.ERASED_CHANNEL:
            self._base.vault.forget(UUID(payload))
        elif channel == keys.ROTATED_CHANNEL:
            self._base.vault.keyring.reload()
