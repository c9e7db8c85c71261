"""A sender that a test moves on by hand."""

from __future__ import annotations

import asyncio

from bot.clock import real_now
from bot.outbound.sender import TOGETHER, Sender, by_account
from bot.store import outbox_claims


class Pushed(Sender):
    """It runs no loop; `push` is one round of it."""

    async def push(self) -> int:
        """Claim and send what may leave now; how many rows that was."""
        async with self._services.db.begin() as tx:
            await outbox_claims.wake(tx, real_now(), self._services.clock.now(), TOGETHER)
        rows = await self._claim()
        await asyncio.gather(*(self._batch(account, batch) for account, batch in by_account(rows)))
        return len(rows)
