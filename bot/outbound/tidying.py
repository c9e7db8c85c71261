"""What is looked after at intervals: expired messages, dead senders, hours that come, unserved accounts."""

from __future__ import annotations

import time
from collections.abc import Collection
from datetime import timedelta

import structlog

from bot.clock import CHINA, real_now
from bot.evidence import note
from bot.model import Account, Fault, MedrepError, OutboxState
from bot.outbound.failures import TRIES_UNHEARD, Refusal, follow
from bot.runtime.services import Services
from bot.store import outbox_claims, outbox_outcomes
from bot.store.database import Tx
from bot.store.outbox import Outgoing
from bot.store.outbox_outcomes import Outcome
from bot.tasks import Kind, open_task

log = structlog.get_logger()

BATCH = 1000
MOST_CLAIMS = TRIES_UNHEARD + 20  # a row that ends no try is a bug of ours: others must get past it
UNSERVED = timedelta(minutes=10)  # after that somebody is told that no process has this account
EVERY = 60.0  # seconds; so often it is noted which accounts this process has


class Tidying:
    """One per sender. `accounts`: those it sends for."""

    def __init__(self, services: Services, accounts: Collection[Account]) -> None:
        self._services = services
        self._accounts = accounts
        self._noted = -EVERY

    async def tidy(self) -> None:
        services, now = self._services, self._services.clock.now()
        async with services.db.begin() as tx:
            await outbox_claims.wake(tx, real_now(), now, BATCH)
            late, missed = await outbox_outcomes.expired(tx, now, BATCH)
            if late:
                subject = f"outbox:{late[0]}"
                await note(tx, "messages.expired", now, subject, count=len(late), reminders=missed)
            for outbox_id in await outbox_outcomes.give_up(tx, real_now(), MOST_CLAIMS):
                log.error("outbox.given_up", row=outbox_id)
                await self._task(tx, f"outbox:{outbox_id}", f"outbox {outbox_id}")
            for row in await outbox_outcomes.abandoned(tx, real_now(), BATCH):
                await self._uncertain(tx, row)
            if time.monotonic() - self._noted >= EVERY:
                self._noted = time.monotonic()
                await self._unserved(tx)

    async def _uncertain(self, tx: Tx, row: Outgoing) -> None:
        """Its sender died while it may have been with the platform."""
        try:
            async with tx.begin_nested():
                died = MedrepError(Fault.AMBIGUOUS, "its sender died")
                await follow(tx, self._services, [Refusal(row, died)])
        except MedrepError as error:
            # The key of whom it was for cannot be had: the row ends all the same, and others go on.
            erased = error.fault == Fault.ERASED
            state = OutboxState.CANCELLED if erased else OutboxState.UNKNOWN
            await outbox_outcomes.settle(tx, row, Outcome(state, fault=str(error.fault)))
            if not erased:
                await self._task(tx, f"outbox:{row.id}", f"outbox {row.id}: {error.fault}")

    async def _unserved(self, tx: Tx) -> None:
        now = real_now()
        for account in await outbox_claims.unserved(tx, now - UNSERVED, now, self._accounts):
            day = now.astimezone(CHINA).date()
            await self._task(tx, f"{account}:unserved:{day}", f"{account}: no process serves it")

    async def _task(self, tx: Tx, key: str, detail: str) -> None:
        now, vault = self._services.clock.now(), self._services.vault
        await open_task(tx, vault, Kind.PLATFORM, now=now, key=f"{Kind.PLATFORM}:{key}", detail=detail)
