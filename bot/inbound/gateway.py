"""The gateway: what a connector calls. Accept first, then wait a little for the reply.

WeChat waits 5 s for an answer. While the engine is well and the backlog fits, the connection that brought
a message waits for its reply and carries it back (no quota is used); else the platform gets its bare
acknowledgement and the reply is pushed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta

from bot.clock import real_now
from bot.dialogue.engine_client import EngineClient
from bot.evidence import note_all
from bot.inbound.connections import Connection, Connections, Offer
from bot.inbound.receive import Arrived, Receiver
from bot.model import (
    Accepted,
    Account,
    Audience,
    Fault,
    Inbound,
    InboundKind,
    MedrepError,
    OutboxState,
    PassiveReply,
    Purpose,
)
from bot.outbound.settling import evidence_of
from bot.runtime import metrics
from bot.runtime.killpoints import reached
from bot.runtime.services import Services
from bot.store import contacts, inbox, outbox_claims, outbox_outcomes, passive
from bot.store.database import retried
from bot.store.outbox_outcomes import Outcome

PASSIVE_WAIT = timedelta(seconds=3)
LOOK = 1.0  # seconds
WAITERS = 40  # connections of one process that may wait at once
ANSWERED = frozenset({InboundKind.TEXT, InboundKind.CHOICE, InboundKind.MEDIA, InboundKind.EVENT})


class Gateway:
    """One per process."""

    def __init__(
        self,
        services: Services,
        engine: EngineClient,
        audiences: Mapping[Account, Audience],
        connections: Connections,
        *,
        passive_wait: timedelta = PASSIVE_WAIT,
    ) -> None:
        self._services = services
        self._engine = engine
        self._audiences = audiences
        self._connections = connections
        self._receiver = Receiver(services)
        self._passive_wait = passive_wait

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
        return accepted

    async def passive_reply(self, accepted: Accepted) -> PassiveReply | None:
        """The reply of this message, if it comes within about 3 s. May be cancelled at any moment."""
        assert isinstance(accepted, Arrived)  # noqa: S101 - for the type checker; we made it
        there = accepted.answered or accepted.duplicate  # a reply may be queued already
        if not (there or self._patient()):
            return None
        arrived = real_now()
        connection = Connection(accepted.inbox_id, accepted.until)
        self._connections.add(connection)
        if there:
            connection.ready.set()
        try:
            return await self._awaited(accepted, connection, arrived)
        finally:
            if (left := self._connections.remove(connection)) is not None:
                await asyncio.shield(self._not_carried(left))

    async def _awaited(
        self, accepted: Arrived, connection: Connection, arrived: datetime
    ) -> PassiveReply | None:
        while True:
            # The end of a turn is told once; one that was missed is found by looking each second.
            remaining = (arrived + self._passive_wait - real_now()).total_seconds()
            # Not wait_for, which in Python 3.11 can swallow a cancellation.
            with suppress(TimeoutError):
                async with asyncio.timeout(min(remaining, LOOK)):
                    await connection.ready.wait()
            connection.ready.clear()
            late = real_now() >= arrived + self._passive_wait
            if (given := connection.take()) is not None:
                return given
            if connection.reserved and not late:
                continue
            if (reply := await self._taken(accepted, arrived)) is not None:
                return reply
            if late or not self._patient():
                return None
            if await self._over(accepted) and not connection.promised:
                return await self._taken(accepted, arrived)

    async def notified(self, inbox_id: str) -> None:
        """The turn of this message ended (in whichever process): wake its connections."""
        self._connections.notified(int(inbox_id))

    async def passive_written(self, reply: PassiveReply, *, written: bool) -> None:
        """The connection took the reply, or broke: then a platform retry may, or it is pushed."""
        assert isinstance(reply, Offer)  # noqa: S101 - for the type checker; we made it
        offer = reply
        await retried(
            lambda: self._written(offer, written=written), self._connections.retry_wait.total_seconds() / 2
        )

    async def _written(self, offer: Offer, *, written: bool) -> None:
        row = offer.row
        if offer.shared and not written:
            return
        async with self._services.db.begin() as tx:
            if not written:
                # Help waits for no retry: it is pushed at once, at worst it is read twice.
                urgent = row.purpose == Purpose.EMERGENCY
                until = None if urgent else real_now() + self._connections.retry_wait
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
        return self._engine.available and len(self._connections) <= WAITERS

    async def _taken(self, accepted: Arrived, arrived: datetime) -> Offer | None:
        """As `_take`, but never half: the platform is told `success` when this wait is cancelled."""
        taking = asyncio.ensure_future(self._take(accepted, arrived))
        try:
            return await asyncio.shield(taking)
        except asyncio.CancelledError:
            if (offer := await taking) is not None:
                await self._not_carried(offer)
            raise

    async def _not_carried(self, offer: Offer) -> None:
        if not offer.shared:
            async with self._services.db.begin() as tx:
                await passive.push_instead(tx, offer.row)

    async def _take(self, accepted: Arrived, arrived: datetime) -> Offer | None:
        services, lease = self._services, self._connections.retry_wait
        async with services.db.begin() as tx:
            previous = arrived if accepted.duplicate else None
            until = accepted.until or arrived
            row = await passive.find(tx, accepted.inbox_id, until, previous, lease)
            if row is None:
                return None
            contact = (await contacts.by_ids(tx, [row.contact_id]))[row.contact_id]
            message = await self._connections.message(tx, services, row, contact)
            if message is None:
                if row.state == OutboxState.WAITING:
                    await passive.push_instead(tx, row)
                return None
            # The platform still holds the connection of which this one is a copy: pushing what that carries
            # would say it twice, and taking the row away would leave nobody to say that it was sent.
            shared = accepted.copy and row.state != OutboxState.WAITING
            taken = row if shared else await outbox_claims.take(tx, row, real_now(), lease)
        reached("passive.claimed")
        return Offer(row.id, message, taken, shared) if taken else None
