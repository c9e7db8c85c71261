"""The gateway: what a connector calls. Accept first, then wait a little for the reply.

WeChat waits 5 s for an answer. While the engine is well and the backlog fits, the connection that brought
a message waits for its reply and carries it back (no quota is used); else the platform gets its bare
acknowledgement and the reply is pushed.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from bot import metrics
from bot.accept import Door
from bot.base import Base
from bot.clock import real_now
from bot.dialogue import Engine
from bot.evidence import Evidence
from bot.exit import release
from bot.model import (
    Accepted,
    Account,
    Audience,
    Fault,
    Inbound,
    InboundKind,
    MedrepError,
    Message,
    OutboxState,
    PassiveReply,
)
from bot.outbox import record_sent
from bot.points import reached
from bot.store import messages, outgoing
from bot.store.outgoing import Outgoing

PASSIVE_WAIT = timedelta(seconds=3)
RETRY_WAIT = timedelta(seconds=20)  # WeChat's three retries are over by then
WAITERS = 40  # connections of one process that may wait at once
ANSWERED = frozenset({InboundKind.TEXT, InboundKind.CHOICE, InboundKind.MEDIA, InboundKind.EVENT})


class Gateway:
    """One per process. `fits` says whether a message can be a passive reply on its account's channel."""

    def __init__(
        self,
        base: Base,
        engine: Engine,
        audiences: Mapping[Account, Audience],
        fits: Callable[[Account, Message], bool],
    ) -> None:
        self._base = base
        self._engine = engine
        self._audiences = audiences
        self._fits = fits
        self._door = Door(base)
        self._waiting: dict[int, set[asyncio.Event]] = defaultdict(set)
        self._offered: dict[int, tuple[Outgoing, datetime]] = {}

    async def accept(self, inbound: Inbound, *, passive: bool) -> Accepted:
        """Durable when this returns."""
        audience = self._audiences.get(inbound.account)
        if audience is None:
            raise MedrepError(Fault.NOT_FOUND, f"no account {inbound.account}")
        carries = passive and inbound.kind in ANSWERED
        until = real_now() + PASSIVE_WAIT if carries else None
        accepted = await self._door.accept(inbound, audience, passive_until=until)
        if not accepted.duplicate:
            metrics.RECEIVED.labels(str(inbound.account), inbound.kind.value).inc()
        return accepted

    async def passive_reply(self, accepted: Accepted) -> PassiveReply | None:
        """The reply of this message, if it comes within about 3 s."""
        arrived = real_now()
        ready = asyncio.Event()
        self._waiting[accepted.inbox_id].add(ready)
        try:
            while True:
                ready.clear()
                reply = await self._take(accepted, arrived)
                remaining = (arrived + PASSIVE_WAIT - real_now()).total_seconds()
                if reply is not None or remaining <= 0 or not self._patient():
                    return reply
                if await self._over(accepted):
                    return await self._take(accepted, arrived)
                try:
                    await asyncio.wait_for(ready.wait(), remaining)
                except TimeoutError:
                    return await self._take(accepted, arrived)
        finally:
            waiting = self._waiting[accepted.inbox_id]
            waiting.discard(ready)
            if not waiting:
                del self._waiting[accepted.inbox_id]

    def offered(self, inbox_id: int) -> None:
        """A reply to this message was written (by whichever process): wake its connections."""
        for ready in self._waiting.get(inbox_id, ()):
            ready.set()

    async def passive_written(self, reply: PassiveReply, *, written: bool) -> None:
        """The connection took the reply, or broke: then a platform retry may, or it is pushed."""
        row, _ = self._offered.pop(reply.outbox_id)
        async with self._base.db.begin() as tx:
            if not written:
                await outgoing.settle(
                    tx, row, OutboxState.WAITING, fault="connection", passive_until=real_now() + RETRY_WAIT
                )
                return
            now = self._base.clock.now()
            if await outgoing.settle(tx, row, OutboxState.SENT, sent_at=now):
                await record_sent(tx, row, now, via="passive")
                metrics.SENT.labels(str(row.account), "passive").inc()
            reached("passive.before_commit")

    async def _over(self, accepted: Accepted) -> bool:
        async with self._base.db.begin() as tx:
            return await messages.is_over(tx, accepted.inbox_id)

    def _patient(self) -> bool:
        """Whether waiting makes sense: the engine is well and the backlog fits."""
        return self._engine.available and len(self._waiting) <= WAITERS

    async def _take(self, accepted: Accepted, arrived: datetime) -> PassiveReply | None:
        base = self._base
        async with base.db.begin() as tx:
            again = arrived if accepted.duplicate else None
            outbox_id = await outgoing.claim_passive(tx, accepted.inbox_id, real_now(), RETRY_WAIT, again)
            if outbox_id is None:
                return None
            try:
                row = await outgoing.read(tx, base.vault, outbox_id)
                message = await release(tx, base, row)
            except MedrepError as error:
                # The loop meets the same refusal and does what follows from it.
                await outgoing.push_instead(tx, outbox_id)
                await Evidence(
                    "message.refused", base.clock.now(), f"outbox:{outbox_id}", {"fault": str(error.fault)}
                ).record(tx)
                return None
            if not self._fits(row.account, message):
                await outgoing.push_instead(tx, outbox_id)
                return None
        reached("passive.claimed")
        self._offered[outbox_id] = (row, arrived)
        return PassiveReply(outbox_id, message)
