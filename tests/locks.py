"""Two transactions step by step: one is half-way when the other begins."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from sqlalchemy import text

from bot.store.database import Database


async def begun(db: Database, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """`work`, under way until it waits for a lock."""
    task = asyncio.create_task(work)
    waits = text(
        "SELECT FROM pg_locks JOIN pg_stat_activity USING (pid) "
        "WHERE NOT granted AND datname = current_database()"
    )
    async with asyncio.timeout(20):
        while True:
            async with db.begin() as tx:
                if (await tx.execute(waits)).first() is not None:
                    return task
            assert not task.done(), "it waits for nothing"
            await asyncio.sleep(0.01)
