"""The offset of business time, shared by all processes."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select, update

from bot.clock import Clock
from bot.store import channels
from bot.store.database import Tx, notify
from bot.store.tables import clock_offset


async def offset(tx: Tx) -> int:
    """Seconds that business time is ahead of real time."""
    return int((await tx.execute(select(clock_offset.c.seconds))).scalar_one())


async def clock(tx: Tx) -> Clock:
    """Business time as it stands now."""
    return Clock(timedelta(seconds=await offset(tx)))


async def move(tx: Tx, seconds: int) -> None:
    """Move business time; every process is told."""
    await tx.execute(update(clock_offset).values(seconds=seconds))
    await notify(tx, channels.CLOCK, str(seconds))
