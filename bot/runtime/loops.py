"""What a process does again and again beside its messages."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TypeVar

import structlog

from bot.model import Fault, MedrepError
from bot.store.database import UNAVAILABLE

log = structlog.get_logger()
Row = TypeVar("Row")


async def repeat(
    name: str, work: Callable[[], Awaitable[object]], every: float, wake: asyncio.Event | None = None
) -> None:
    """Do this work every so many seconds, or when woken, until cancelled.

    A database that is away, and a full disk, are told and waited for. A bug of ours is logged, and the work
    done again: to end the process would only start it again with the same row. Raises
    MedrepError(CONFIGURATION).
    """
    wake = wake or asyncio.Event()
    while True:
        wake.clear()
        try:
            await work()
        except (*UNAVAILABLE, OSError) as error:
            log.warning("loop.failed", loop=name, reason=type(error).__name__)
        except Exception as error:
            if isinstance(error, MedrepError) and error.fault == Fault.CONFIGURATION:
                raise
            log.exception("loop.bug", loop=name)
        with suppress(TimeoutError):
            # Not wait_for: that of Python 3.11 loses a cancellation that comes as the event is set.
            async with asyncio.timeout(every):
                await wake.wait()


async def together_or_alone(
    name: str, rows: Sequence[Row], work: Callable[[Sequence[Row]], Awaitable[None]]
) -> None:
    """Do this work for all rows at once; where that fails by a bug, for each by itself, so that one bad row
    holds up no other. `work` must be whole in one transaction."""
    if not rows:
        return
    try:
        await work(rows)
    except UNAVAILABLE:
        raise
    except Exception:
        log.exception("rows.bug", loop=name)
        if len(rows) > 1:
            for row in rows:
                await together_or_alone(name, [row], work)
