"""Accepting a message: one transaction before anything is answered.

The message is stored (once, by its key), screened for safety, and its evidence written; what must be
said whatever happens next (a red flag, an adverse event, a stop) is queued in the same transaction, so
it leaves with the engine dead or hung.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import structlog

from bot.clock import real_now
from bot.inbound.arrival import QUIET, Incoming, arrival
from bot.inbound.intake import Intake, Stored
from bot.inbound.receipts import settle_receipts
from bot.model import (
    Accepted,
    Audience,
    Fault,
    Inbound,
    InboundKind,
    MedrepError,
    Purpose,
)
from bot.people import stop
from bot.privacy import unfollowed
from bot.runtime import metrics
from bot.runtime.killpoints import reached
from bot.runtime.services import Services
from bot.safety import emergency, own_words, screen
from bot.store import arriving_contacts, contacting, inbox, outbox
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.inbox import Arrival
from bot.store.outbox import Draft, Part
from bot.tasks import LONGEST, Kind, open_task, report_case, suspect

T = TypeVar("T")
log = structlog.get_logger()

# Messages that may be on their way into the inbox at once, in one process. Further ones are refused at once:
# whoever waits longer gets no answer in time, and makes everybody behind wait longer.
ROOM = 256
ROOM_FOR_EVENTS = ROOM // 2  # what says no word gives way first
ROOM_ALONE = 64  # of them, those that need a transaction of their own, which costs ten times as much,
ALONE = 12  # and of which so many are under way


@dataclass(frozen=True, slots=True)
class Arrived(Accepted):
    """An accepted message on the connection that brought it, which waits until then (real time).

    `copy`: an earlier connection with the same message is open still, for all that we know.
    """

    until: datetime | None = None
    copy: bool = False


class Receiver:
    """Where messages come in."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._intake = Intake(services)
        self._alone = asyncio.Semaphore(ALONE)
        self._under_way = self._under_way_alone = 0

    async def accept(
        self, inbound: Inbound, audience: Audience, *, passive_until: datetime | None
    ) -> Arrived:
        """Screen, store and commit. `passive_until` (real time): a connection can carry the reply.

        Raises MedrepError(BUSY): too much is on its way in. What the screening finds is never refused, nor is
        whoever unfollows.
        """
        services = self._services
        screening = (
            screen(inbound.text, audience, services.published.ours)
            if inbound.kind == InboundKind.TEXT
            else QUIET
        )
        key = inbox.key_of(services.vault, inbound)
        incoming = Incoming(inbound, audience, screening, key, services.clock.now(), passive_until)
        with self._room(incoming):
            stored = None if incoming.urgent else await self._intake.store(incoming)
            if stored is None:
                stored = await self._store_alone(incoming)
            if stored.inbox_id is None:
                async with services.db.begin() as tx:
                    found, earlier = await inbox.found_again(tx, inbound.account, key, passive_until)
                copy = earlier is not None and real_now() < earlier
                return Arrived(found, duplicate=True, until=passive_until, copy=copy)
        answered = screening != QUIET
        return Arrived(stored.inbox_id, duplicate=False, answered=answered, until=passive_until)

    @contextmanager
    def _room(self, incoming: Incoming) -> Iterator[None]:
        """Raises MedrepError(BUSY)."""
        silent = incoming.inbound.kind in (InboundKind.EVENT, InboundKind.RECEIPT)
        if not incoming.urgent and self._under_way >= (ROOM_FOR_EVENTS if silent else ROOM):
            raise _busy(incoming)
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1

    async def _store_alone(self, incoming: Incoming) -> Stored:
        """In a transaction of its own, with all that follows from it at once. Raises MedrepError(BUSY)."""
        if incoming.urgent:
            return await _whole(self._stored(incoming))
        if self._under_way_alone >= ROOM_ALONE:
            raise _busy(incoming)
        self._under_way_alone += 1
        try:
            async with self._alone:
                return await _whole(self._stored(incoming))
        finally:
            self._under_way_alone -= 1

    async def _stored(self, incoming: Incoming) -> Stored:
        services, inbound, now = self._services, incoming.inbound, incoming.received_at
        async with services.db.begin() as tx:
            contact = await arriving_contacts.find_or_add(
                tx,
                services.vault,
                inbound.account,
                incoming.audience,
                inbound.address,
                now,
                erasing=inbound.event == "unsubscribe",
            )
            if incoming.wishes:
                # Their person row is to change. The sender locks it before the windows, which `store` locks.
                await contacting.lock(tx, [contact.person_id])
            arrived = await arrival(tx, services.vault, services.published, incoming, contact)
            inbox_id = (await inbox.store(tx, [arrived])).get(contact.id)
            if inbox_id is None:
                await tx.rollback()  # a contact made for it, too: a replay brings back nobody who was erased
            elif inbound.kind == InboundKind.RECEIPT:
                await settle_receipts(tx, [inbound], now)
            elif inbound.event == "unsubscribe":
                await unfollowed(tx, services, contact, now)
            elif incoming.screening != QUIET:
                await self._safety(tx, arrived, incoming, inbox_id)
            reached("accept.before_commit")
        if inbox_id is None:
            for made in (contact.person_id, contact.key_id):
                services.vault.forget(made)
        else:
            reached("accept.committed")
        return Stored(inbox_id)

    async def _safety(self, tx: Tx, arrival: Arrival, incoming: Incoming, inbox_id: int) -> None:
        """What is said and done before any NLU and apart from the queue."""
        contact, now, screening = arrival.contact, arrival.received_at, incoming.screening
        names: list[tuple[str, Mapping[str, str]]] = []
        if screening.red_flag:
            names.append((self._emergency(screening.red_flag), {}))
            await self._task(tx, arrival, Kind.EMERGENCY, inbox_id)
        if screening.adverse_event:
            names += await self._case(tx, arrival, inbox_id, urgent=not screening.red_flag)
        if screening.money:
            names.append(("utter_no_benefit", {}))
            await suspect(tx, self._services.vault, contact, now, arrival.inbound.text)
        if screening.stop:
            names.append(("utter_stop", {}))
            await stop.stop(tx, contact, now)
        elif screening.only:
            ended = await stop.stop_kinds(tx, contact, screening.only, now)
            names.append(("utter_stop_kinds", {"kinds": stop.spoken(ended)}))
        elif screening.resume:
            names += await self._resume(tx, contact, screening.again, now)
        dialogue = self._services.published.dialogue
        urgent = screening.red_flag or screening.adverse_event
        draft = Draft(
            parts=tuple(
                Part(dialogue.text(name, contact.audience, **values), dialogue.basis(name))
                for name, values in names
                if dialogue.has(name)  # a version that was published before this text was there lacks it
            ),
            purpose=Purpose.EMERGENCY if urgent else Purpose.REPLY,
            unordered=True,
        )
        if not draft.parts:
            return
        passive = (inbox_id, incoming.passive_until) if incoming.passive_until else None
        await outbox.add(
            tx, self._services.vault, contact, draft, now=now, retry_at=real_now(), passive=passive
        )

    async def _resume(
        self, tx: Tx, contact: Contact, kinds: frozenset[Purpose], now: datetime
    ) -> list[tuple[str, Mapping[str, str]]]:
        named = stop.kinds_of(contact, kinds)
        if not (named and self._services.published.dialogue.has("utter_resume_kinds")):
            await stop.resume(tx, contact, now)
            return [("utter_resume", {})]
        again = await stop.resume_kinds(tx, contact, named, now)
        told = [("utter_resume_kinds", again), ("utter_resume_elsewhere", named - again)]
        return [(name, {"kinds": stop.spoken(ones)}) for name, ones in told if ones]

    def _emergency(self, category: str) -> str:
        name = emergency(category).response
        return name if self._services.published.dialogue.has(name) else "utter_emergency"

    async def _case(
        self, tx: Tx, arrival: Arrival, inbox_id: int, *, urgent: bool
    ) -> list[tuple[str, Mapping[str, str]]]:
        """What is said to a report. `urgent`: when to call for help is not said elsewhere."""
        saying = await report_case(
            tx,
            self._services.vault,
            now=arrival.received_at,
            contact=arrival.contact,
            key=f"{Kind.ADVERSE_EVENT}:inbox:{inbox_id}",
            words=arrival.inbound.text[:LONGEST],
            own=own_words(arrival.inbound.text, self._services.published.ours).text[:LONGEST],
        )
        has = self._services.published.dialogue.has  # an older version says it all in one text
        return [one for one in saying.responses if has(one[0]) and (urgent or not one[0].endswith("_urgent"))]

    async def _task(self, tx: Tx, arrival: Arrival, kind: Kind, inbox_id: int) -> None:
        await open_task(
            tx,
            self._services.vault,
            kind,
            now=arrival.received_at,
            contact=arrival.contact,
            key=f"{kind}:inbox:{inbox_id}",
            detail=arrival.inbound.text[:LONGEST],
        )


def _busy(incoming: Incoming) -> MedrepError:
    inbound = incoming.inbound
    metrics.SHED.labels(str(inbound.account), inbound.kind.value).inc()
    return MedrepError(Fault.BUSY)


async def _whole(work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns; a cancellation leaves it going on. In the middle of a statement it would close the
    connection, and under load the time goes into opening new ones."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.add_done_callback(_retrieved)
        raise


def _retrieved(task: asyncio.Task[Any]) -> None:
    """Whoever waited for it has gone."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.warning("accept.failed", error=type(error).__name__)
