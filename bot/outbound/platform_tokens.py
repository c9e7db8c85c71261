"""Platform tokens: one shared store, one process asks at a time, and pauses that all processes keep.

A platform that gives no token is asked again after 1, 2, 4, … seconds, at most LONGEST_PAUSE. The pause
stands in the token's row, since every process would otherwise ask at its own pace; for the same time the
account's circuit is open, so that no message is claimed in vain. Nothing here is AMBIGUOUS: without a token
nothing was sent. (tenacity's pauses live in one process; there is nothing else here that it could do.)
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import structlog

from bot.clock import real_now
from bot.model import Account, Fault, MedrepError, TokenFetch
from bot.store import platform
from bot.store.database import UNAVAILABLE, Database, Tx
from bot.store.keyring import Keyring

log = structlog.get_logger()

EARLY = timedelta(minutes=5)  # renew this long before it ends, or in the middle of a shorter life
LONGEST_PAUSE = timedelta(seconds=30)
# In a row, about two minutes: then it is the account's fault TOKEN, which waits without counting tries and
# opens a task for operations.
MOST_FAILURES = 8


@contextmanager
def _harmless() -> Iterator[None]:
    try:
        yield
    except UNAVAILABLE:
        raise MedrepError(Fault.TRANSIENT, "the token store is away") from None


class PlatformTokens:
    """Kept encrypted in the database, and in the memory of each process."""

    def __init__(self, db: Database, keyring: Keyring) -> None:
        self._db = db
        self._keyring = keyring
        # A token that another process has replaced meanwhile is refused by the platform and then read anew.
        self._kept: dict[Account, tuple[str, datetime]] = {}
        # At most one sender of this process holds a connection while the platform is asked: a platform
        # that hangs must not take the pool, which accepting messages needs.
        self._alone: defaultdict[Account, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def get(self, account: Account, fetch: TokenFetch) -> str:
        """The token, fetched by one process only when there is none that is good for 5 minutes.

        Raises what `fetch` raised, also during the pause after it; TRANSIENT when the database is away.
        """
        return self._remembered(account, "") or await self._shared(account, fetch, "")

    async def refused(self, account: Account, token: str, fetch: TokenFetch) -> str:
        """The platform refused `token`: whoever comes first renews, the others get the new one.

        Raises as `get`.
        """
        return self._remembered(account, token) or await self._shared(account, fetch, token)

    def _remembered(self, account: Account, refused: str) -> str | None:
        token, until = self._kept.get(account, ("", None))
        return token if until is not None and token != refused and real_now() < until else None

    async def _shared(self, account: Account, fetch: TokenFetch, refused: str) -> str:
        with _harmless():
            async with self._alone[account], self._db.begin() as tx:
                await platform.lock_token(tx, account)
                stored = await platform.read_token(tx, self._keyring, account)
                if stored.value is not None and stored.value != refused and real_now() < stored.good_until:
                    self._kept[account] = (stored.value, stored.good_until)
                    return stored.value
                result = _resting(stored) or await self._asked(tx, account, fetch, stored.failures)
            # Raised after the commit: the pause is to be kept.
            if isinstance(result, MedrepError):
                raise result
            return result

    async def _asked(self, tx: Tx, account: Account, fetch: TokenFetch, failures: int) -> str | MedrepError:
        """Ask the platform. The lock is held over this one call: everybody else waits for its answer."""
        try:
            token, seconds = await fetch()
        except MedrepError as error:
            return await self._failed(tx, account, error, failures + 1)
        life = timedelta(seconds=seconds)
        good_until = real_now() + life - min(EARLY, life / 2)
        await platform.keep_token(tx, self._keyring, account, token, good_until)
        self._kept[account] = (token, good_until)
        if failures:
            log.info("token.renewed", account=str(account), failures=failures)
        return token

    async def _failed(self, tx: Tx, account: Account, error: MedrepError, failures: int) -> MedrepError:
        lasting = error.fault == Fault.TRANSIENT and failures >= MOST_FAILURES
        fault = Fault.TOKEN if lasting else error.fault
        pause = min(timedelta(seconds=2 ** min(failures - 1, 10)), LONGEST_PAUSE)
        until = real_now() + pause
        await platform.note_token_failure(tx, account, failures, until, fault)
        await platform.open_circuit(tx, account, until, fault)
        log.warning(
            "token.failed",
            account=str(account),
            fault=str(fault),
            detail=error.detail,
            failures=failures,
            again_in=pause.total_seconds(),
        )
        return MedrepError(fault, error.detail, code=error.code)


def _resting(stored: platform.StoredToken) -> MedrepError | None:
    """The error of the last failure, while its pause lasts."""
    if stored.fault is None or real_now() >= stored.ask_after:
        return None
    return MedrepError(Fault(stored.fault), "the platform gave no token; its pause is not over")
