"""Platform tokens: one shared store, one process renews at a time."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from bot.clock import real_now
from bot.model import Account, Fault, MedrepError, TokenFetch
from bot.store import platform
from bot.store.database import UNAVAILABLE, Database, Tx
from bot.store.keys import Keyring

EARLY = timedelta(minutes=5)  # renew this long before it ends


@contextmanager
def _harmless() -> Iterator[None]:
    try:
        yield
    except UNAVAILABLE:
        raise MedrepError(Fault.TRANSIENT, "the token store is away") from None


class PlatformTokens:
    """Kept encrypted in the database."""

    def __init__(self, db: Database, keyring: Keyring) -> None:
        self._db = db
        self._keyring = keyring
        # At most one sender of this process holds a connection while the platform is asked: a platform
        # that hangs must not take the pool, which accepting messages needs.
        self._alone: defaultdict[Account, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def get(self, account: Account, fetch: TokenFetch) -> str:
        """The token, fetched by one process only when there is none that is good for 5 minutes.

        Raises what `fetch` raises, and MedrepError(TRANSIENT) when the database is away: nothing was sent.
        """
        with _harmless():
            return await self._get(account, fetch)

    async def refused(self, account: Account, token: str, fetch: TokenFetch) -> str:
        """The platform refused `token`: whoever comes first renews, the others get the new one.

        Raises as `get`.
        """
        with _harmless():
            return await self._replaced(account, token, fetch)

    async def _get(self, account: Account, fetch: TokenFetch) -> str:
        async with self._db.begin() as tx:
            token = await platform.token(tx, self._keyring, account, real_now() + EARLY)
        if token is not None:
            return token
        async with self._alone[account], self._db.begin() as tx:
            await platform.lock_token(tx, account)
            token = await platform.token(tx, self._keyring, account, real_now() + EARLY)
            return token or await self._renew(tx, account, fetch)

    async def _replaced(self, account: Account, token: str, fetch: TokenFetch) -> str:
        async with self._alone[account], self._db.begin() as tx:
            await platform.lock_token(tx, account)
            kept = await platform.token(tx, self._keyring, account, real_now())
            if kept is not None and kept != token:
                return kept
            return await self._renew(tx, account, fetch)

    async def _renew(self, tx: Tx, account: Account, fetch: TokenFetch) -> str:
        # The lock is held over this one call, on purpose: everybody else waits for its answer.
        token, seconds = await fetch()
        await platform.keep_token(tx, self._keyring, account, token, real_now() + timedelta(seconds=seconds))
        return token
