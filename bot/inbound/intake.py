"""Messages that are just stored: all that wait together, in one transaction.

A transaction costs nearly the same for one message as for twenty. So one of them at a time is under way in a
process, with a short pause before the next, and it takes all that came in meanwhile; a message that comes
alone waits for nothing. What is urgent goes its own way (`bot.inbound.receive`) and waits for no neighbour.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from bot.inbound.arrival import Incoming, arrival
from bot.inbound.receipts import settle_receipts
from bot.model import Account, Fault, InboundKind, MedrepError
from bot.runtime.killpoints import reached
from bot.runtime.services import Services
from bot.store import arriving_contacts, inbox
from bot.store.contacts import Contact
from bot.store.database import UNAVAILABLE, of_statement
from bot.store.inbox import Arrival

log = structlog.get_logger()

# Seconds from the beginning of one transaction to that of the next, for each message it had: so nobody waits
# while little comes in, and the more comes the more share one.
PAUSE, LONGEST_PAUSE = 0.010, 0.025
TOGETHER = 100  # messages in one of them


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of a message; `inbox_id` is None when it was there before, and nothing changed."""

    inbox_id: int | None


@dataclass(frozen=True, slots=True)
class _Waiting:
    incoming: Incoming
    outcome: asyncio.Future[Stored | None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Intake:
    """One per process."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._queue: list[_Waiting] = []
        self._storing: asyncio.Task[None] | None = None
        self._next = 0.0  # when the next transaction may begin, in loop time

    async def store(self, incoming: Incoming) -> Stored | None:
        """Store it with its neighbours. None: it must go alone (its contact is being changed just now).

        Raises what the database raises. May be cancelled; it is then stored or not.
        """
        waiting = _Waiting(incoming)
        self._queue.append(waiting)
        if self._storing is None or self._storing.done():
            self._storing = asyncio.create_task(self._store_all())
        return await waiting.outcome

    async def _store_all(self) -> None:
        """Until nothing waits."""
        loop = asyncio.get_running_loop()
        while self._queue:
            if (pause := self._next - loop.time()) > 0:
                await asyncio.sleep(pause)
            if batch := self._take():
                self._next = loop.time() + min(PAUSE * len(batch), LONGEST_PAUSE)
                await self._store_batch(batch)

    def _take(self) -> list[_Waiting]:
        """The first message of each sender, up to TOGETHER. A second one of the same goes with the next
        transaction: so it is later, and may hurry the first. Nobody waits any more for what was cancelled."""
        batch: dict[tuple[Account, str], _Waiting] = {}
        left = []
        for waiting in self._queue:
            if waiting.outcome.done():
                continue
            sender = (waiting.incoming.inbound.account, waiting.incoming.inbound.address)
            if sender in batch or len(batch) == TOGETHER:
                left.append(waiting)
            else:
                batch[sender] = waiting
        self._queue = left
        return list(batch.values())

    async def _store_batch(self, batch: Sequence[_Waiting]) -> None:
        """Give each its outcome, whatever happens."""
        outcomes: dict[int, Stored] = {}
        messages = [waiting.incoming for waiting in batch]
        try:
            try:
                outcomes = await self._stored(messages, newcomers=True)
            except MedrepError:
                outcomes = await self._stored(messages, newcomers=False)
        except Exception as error:
            if isinstance(error, (*UNAVAILABLE, OSError)) and not of_statement(error):
                # No database. It would be away for each of them alone, too.
                for waiting in batch:
                    if not waiting.outcome.done():
                        waiting.outcome.set_exception(error)
                return
            # One that cannot be stored must not stand in the way of its neighbours: each goes alone. The type
            # alone is logged: a database error may quote the row.
            log.error("intake.failed", error=type(error).__name__, messages=len(batch))
        except BaseException:
            for waiting in batch:
                waiting.outcome.cancel()
            raise
        for place, waiting in enumerate(batch):
            if not waiting.outcome.done():
                waiting.outcome.set_result(outcomes.get(place))

    async def _stored(self, messages: Sequence[Incoming], *, newcomers: bool) -> dict[int, Stored]:
        """The outcomes by place; those without one must go alone.

        Raises MedrepError(CONFLICT), and nothing is stored: not together with `newcomers`.
        """
        services, vault = self._services, self._services.vault
        made: dict[int, Contact] = {}
        async with services.db.begin() as tx:
            senders = [(one.inbound.account, one.inbound.address) for one in messages]
            found = await arriving_contacts.lock_known(tx, vault, senders)
            if newcomers and len(found) < len(messages):
                left = {
                    place: (one.inbound.account, one.audience, one.inbound.address)
                    for place, one in enumerate(messages)
                    if place not in found
                }
                made = await arriving_contacts.add_newcomers(tx, vault, left, services.clock.now())
                found |= made
            await vault.prepare(tx, [contact.key_id for contact in found.values() if contact.key_id])
            arrivals: dict[int, Arrival] = {}
            for place, contact in sorted(found.items()):  # in the order in which they came
                with suppress(MedrepError):  # erased; it meets the same alone
                    arrivals[place] = await arrival(tx, vault, services.published, messages[place], contact)
            ids = await inbox.store(tx, list(arrivals.values()))
            if any(contact.id not in ids for contact in made.values()):
                # A replay, say of somebody who was erased, brings nobody back.
                for contact in made.values():
                    for key_id in (contact.person_id, contact.key_id):
                        vault.forget(key_id)
                raise MedrepError(Fault.CONFLICT, "a newcomer's message was here before")
            stored = [one.inbound for one in arrivals.values() if one.contact.id in ids]
            receipts = [one for one in stored if one.kind == InboundKind.RECEIPT]
            await settle_receipts(tx, receipts, services.clock.now())
            reached("accept.before_commit")
        reached("accept.committed")
        return {place: Stored(ids.get(one.contact.id)) for place, one in arrivals.items()}
