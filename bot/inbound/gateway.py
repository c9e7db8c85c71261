"""The gateway: what a connector calls. Accept first, then wait a little for the reply.

WeChat waits 5 s for an answer. While the engine is well and the backlog fits, the connection that brought
a message waits for its reply and carries it back (no quota is used); else the platform gets its bare
acknowledgement and the reply is pushed.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.clock import real_now
from bot.dialogue.engine_client import EngineClient
from bot.evidence import note_all
from bot.inbound.receive import Receiver
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
    Purpose,
)
from bot.outbound.circumstances import read_circumstances
from bot.outbound.release import message_of, release
from bot.outbound.settling import evidence_of
from bot.runtime import metrics
from bot.runtime.killpoints import reached
from bot.runtime.services import Services
from bot.store import contacts, inbox, outbox, outbox_claims, outbox_outcomes, passive
from bot.store.database import retried
from bot.store.outbox import Outgoing
from bot.store.outbox_outcomes import Outcome

PASSIVE_WAIT = timedelta(seconds=3)
RETRY_WAIT = timedelta(seconds=20)  # WeChat's three retries are over by then
LOOK = 1.0  # seconds
WAITERS = 40  # connections of one process that may wait at once
ANSWERED = frozenset({InboundKind.TEXT, InboundKind.CHOICE, InboundKind.MEDIA, InboundKind.EVENT})


@dataclass(frozen=True, slots=True)
class Arrived(Accepted):
    """An accepted message on the connection that brought it, which waits until then (real time)."""

    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Offer(PassiveReply):
    """What a connection carries, and the row as it was taken for just this connection."""

    row: Outgoing


class Gateway:
    """One per process. `fits` says whether a message can be a passive reply on its account's channel."""

    def __init__(
        self,
        services: Services,
        engine: EngineClient,
        audiences: Mapping[Account, Audience],
        fits: Callable[[Account, Message], bool],
        *,
        passive_wait: timedelta = PASSIVE_WAIT,
        retry_wait: timedelta = RETRY_WAIT,
    ) -> None:
        self._services = services
        self._engine = engine
        self._audiences = audiences
        self._fits = fits
        self._receiver = Receiver(services)
        self._passive_wait = passive_wait
        self._retry_wait = retry_wait
        self._waiting: dict[int, set[asyncio.Event]] = defaultdict(set)
        self._unheard: deque[int] = deque(maxlen=1000)

    async def accept(self, inbound: Inbound, *, passive: bool) -> Accepted:
        """Durable when this returns."""
        audience = self._audiences.get(inbound.account)
        if audience is None:
            raise MedrepError(Fault.NOT_FOUND, f"no account {inbound.account}")
        carries = passive and inbound.kind in ANSWERED
        until = real_now() + self._passive_wait if carries else None
        accepted = await self._receiver.accept(inbound, audience, passive_until=until)
        if not accepted.duplicate:
            metrics.RECEIVED.labels(str(inbound.account), inbound.kind.value).inc()
        return Arrived(accepted.inbox_id, accepted.duplicate, until, answered=accepted.answered)

    async def passive_reply(self, accepted: Accepted) -> PassiveReply | None:
        """The reply of this message, if it comes within about 3 s. May be cancelled at any moment."""
        assert isinstance(accepted, Arrived)  # noqa: S101 - for the type checker; we made it
        if not (accepted.answered or accepted.duplicate or self._patient()):
            return None  # nothing can be there yet, and nothing will be in time
        arrived = real_now()
        ready = asyncio.Event()
        self._waiting[accepted.inbox_id].add(ready)
        if accepted.answered or accepted.duplicate or accepted.inbox_id in self._unheard:
            ready.set()  # else nothing can be there yet
        try:
            while True:
                # The end of a turn is told once; one that was missed is found by looking each second.
                remaining = (arrived + self._passive_wait - real_now()).total_seconds()
                # Not wait_for, which in Python 3.11 can swallow a cancellation.
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(remaining, LOOK)):
                        await ready.wait()
                ready.clear()
                reply = await self._taken(accepted, arrived)
                if reply is not None or real_now() >= arrived + self._passive_wait or not self._patient():
                    return reply
                if await self._over(accepted):
                    return await self._taken(accepted, arrived)
        finally:
            waiting = self._waiting[accepted.inbox_id]
            waiting.discard(ready)
            if not waiting:
                del self._waiting[accepted.inbox_id]

    async def notified(self, inbox_id: str) -> None:
        """The turn of this message ended (in whichever process): wake its connections."""
        number = int(inbox_id)
        if number not in self._waiting:
            self._unheard.append(number)  # its connection is about to wait, or in another process
        for ready in self._waiting.get(number, ()):
            ready.set()

    async def passive_written(self, reply: PassiveReply, *, written: bool) -> None:
        """The connection took the reply, or broke: then a platform retry may, or it is pushed."""
        assert isinstance(reply, Offer)  # noqa: S101 - for the type checker; we made it
        row = reply.row
        await retried(lambda: self._written(row, written=written), self._retry_wait.total_seconds() / 2)

    async def _written(self, row: Outgoing, *, written: bool) -> None:
        async with self._services.db.begin() as tx:
            if not written:
                # Help waits for no retry: it is pushed at once, at worst it is read twice.
                urgent = row.purpose == Purpose.EMERGENCY
                until = None if urgent else real_now() + self._retry_wait
                broken = Outcome(OutboxState.WAITING, fault="connection", passive_until=until)
                await outbox_outcomes.settle(tx, row, broken)
                return
            now = self._services.clock.now()
            if await outbox_outcomes.settle(tx, row, Outcome(OutboxState.SENT, sent_at=now)):
                await note_all(tx, [evidence_of(row, now, "passive")])
                metrics.SENT.labels(str(row.account), "passive").inc()
            reached("passive.before_commit")

    async def _over(self, accepted: Accepted) -> bool:
        async with self._services.db.begin() as tx:
            return await inbox.is_over(tx, accepted.inbox_id)

    def _patient(self) -> bool:
        """Whether waiting makes sense: the engine is well and the backlog fits."""
        return self._engine.available and len(self._waiting) <= WAITERS

    async def _taken(self, accepted: Arrived, arrived: datetime) -> PassiveReply | None:
        """As `_take`, but never half: the platform is told `success` when this wait is cancelled."""
        taking = asyncio.ensure_future(self._take(accepted, arrived))
        try:
            return await asyncio.shield(taking)
        except asyncio.CancelledError:
            if (reply := await taking) is not None:
                async with self._services.db.begin() as tx:
                    await passive.push_instead(tx, reply.outbox_id)
            raise

    async def _take(self, accepted: Arrived, arrived: datetime) -> PassiveReply | None:
        services, lease = self._services, self._retry_wait
        async with services.db.begin() as tx:
            previous = arrived if accepted.duplicate else None
            until = accepted.until or arrived
            found = await passive.find(tx, accepted.inbox_id, until, previous, lease)
            if found is None:
                return None
            outbox_id, fresh = found
            try:
                row = await outbox.read(tx, outbox_id)
                met = await contacts.by_ids(tx, [row.contact_id])
                facts = await read_circumstances(tx, services, met, [row])
                message = message_of(row, await release(tx, services, row, facts[row.contact_id]))
            except MedrepError:
                message = None
            if message is None or not self._fits(row.account, message):
                # The loop pushes it, or meets the same refusal and does what follows from that.
                if fresh:
                    await passive.push_instead(tx, outbox_id)
                return None
            taken = await outbox_claims.take(tx, row, real_now(), lease)
        reached("passive.claimed")
        return Offer(outbox_id, message, taken) if taken else None
