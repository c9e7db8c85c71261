"""What a process does again and again beside its messages."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from bot.store.database import UNAVAILABLE

log = structlog.get_logger()


async def repeat(
    name: str, work: Callable[[], Awaitable[object]], every: float, wake: asyncio.Event | None = None
) -> None:
    """Do this work every so many seconds, or when woken, until cancelled.

    A database that is away, and a full disk, are told and waited for; every other error ends it.
    """
    wake = wake or asyncio.Event()
    while True:
        wake.clear()
        try:
            await work()
        except (*UNAVAILABLE, OSError) as error:
            log.warning("loop.failed", loop=name, reason=type(error).__name__)
        with suppress(TimeoutError):
            await asyncio.wait_for(wake.wait(), every)
