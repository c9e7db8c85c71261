"""The sender: claims what may leave, has it prepared, transmits it, and records what became of it."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import structlog

from bot.clock import real_now
from bot.model import Account, Fault, MedrepError, Receipt
from bot.outbound.departures import Channel, Departure, prepare
from bot.outbound.failures import WINDOW, follow
from bot.outbound.settling import Sent, Settling
from bot.outbound.tidying import Tidying
from bot.runtime import metrics
from bot.runtime.killpoints import reached
from bot.runtime.services import Services
from bot.store import contacts, outbox_claims, platform
from bot.store.database import UNAVAILABLE
from bot.store.outbox import Outgoing

log = structlog.get_logger()

LEASE = timedelta(seconds=30)
TOGETHER = 40  # sends of one process at a time; as many become uncertain when it dies
BEGUN = 32  # of these, what we begin: reminders that hang never take the places of answers
GATHER = 0.02  # seconds; a busy sender lets places become free, so that it claims many rows at once
POLL = 0.5
STOPPING = 4.0  # seconds for the sends under way when the process ends


class Sender:
    """One per process. Any number of processes may run it: rows are claimed, in order per contact."""

    def __init__(
        self, services: Services, channels: Mapping[Account, Channel], *, lease: timedelta = LEASE
    ) -> None:
        self._services = services
        self._channels = channels
        self._lease = lease
        self._tidying = Tidying(services, channels)
        self._settling = Settling(services, lease.total_seconds() / 2)
        self._places: dict[int, bool] = {}  # rows under way; whether we begin it
        self._batches: set[asyncio.Task[None]] = set()
        self.wake = asyncio.Event()

    async def run(self) -> None:
        """Push until cancelled, then finish what is with the platform.

        A slow send holds up nobody but its own contact.
        """
        tidied = 0.0
        try:
            while True:
                self.wake.clear()
                try:
                    if time.monotonic() - tidied >= POLL:
                        await self.tidy()
                        tidied = time.monotonic()
                    if await self._start() and not self._busy():
                        continue
                except UNAVAILABLE:
                    log.warning("outbox.failed", reason="database")
                    await asyncio.sleep(1.0)
                except Exception:
                    # A bug of ours, or a row that cannot be read, must not stop the loop.
                    log.exception("outbox.bug")
                    await asyncio.sleep(1.0)
                with suppress(TimeoutError):
                    async with asyncio.timeout(POLL):
                        await self.wake.wait()
                if self._busy():
                    await asyncio.sleep(GATHER)
        finally:
            if self._batches:
                await asyncio.wait(self._batches, timeout=STOPPING)

    def _busy(self) -> bool:
        return len(self._places) > BEGUN // 2

    async def notified(self, _: str) -> None:
        """Something may leave."""
        self.wake.set()

    async def push(self) -> int:
        """Claim and send one batch; how many rows that was."""
        async with self._services.db.begin() as tx:
            await outbox_claims.wake(tx, real_now(), self._services.clock.now(), TOGETHER)
        rows = await self._claim()
        await asyncio.gather(*(self._batch(account, batch) for account, batch in _by_account(rows)))
        return len(rows)

    async def tidy(self) -> None:
        """What expired, what a dead sender left behind, what waited for its hour."""
        await self._tidying.tidy()

    async def _start(self) -> int:
        """Begin to send what may leave now; how many rows that was."""
        rows = await self._claim()
        for account, batch in _by_account(rows):
            task = asyncio.create_task(self._batch(account, batch))
            self._batches.add(task)
            task.add_done_callback(self._batches.discard)
        return len(rows)

    async def _claim(self) -> list[Outgoing]:
        free = TOGETHER - len(self._places)
        begun = min(free, BEGUN - sum(self._places.values()))
        if free <= 0:
            return []
        services = self._services
        async with services.db.begin() as tx:
            rows = await outbox_claims.claim(
                tx,
                real_now(),
                services.clock.now(),
                self._lease,
                self._channels,
                free=free,
                begun=max(begun, 0),
            )
        reached("outbox.claimed")
        for row in rows:
            self._places[row.id] = row.priority > 1
        return rows

    def _leave(self, row: Outgoing) -> None:
        """Its place is free for another."""
        self._places.pop(row.id, None)
        self.wake.set()

    async def _batch(self, account: Account, rows: Sequence[Outgoing]) -> None:
        """Send claimed rows of one account."""
        try:
            await self._send_batch(self._channels[account], rows)
        except UNAVAILABLE:
            log.warning("outbox.failed", account=str(account), reason="database")
        except Exception:
            log.exception("outbox.bug", account=str(account))
        finally:
            for row in rows:
                self._leave(row)

    async def _send_batch(self, channel: Channel, rows: Sequence[Outgoing]) -> None:
        try:
            # Nothing is handed over yet: who waits for a token, or dies waiting, has certainly sent nothing.
            await channel.ready()
        except MedrepError as error:
            for row in rows:
                await self._guarded(row, self._refused(row, error))
            return
        async with self._services.db.begin() as tx:
            departures, refusals = await prepare(tx, self._services, channel, rows, self._lease)
        reached("outbox.before_send")
        sends = [
            asyncio.create_task(self._guarded(departure.row, self._transmit(channel, departure)))
            for departure in departures
        ]
        for refusal in refusals:
            await self._guarded(refusal.row, self._refused(refusal.row, refusal.error, refusal.opening))
        await asyncio.gather(*sends)

    async def _guarded(self, row: Outgoing, step: Awaitable[None]) -> None:
        """The last step of a row. What goes wrong here leaves it to its lease: then it waits again, or counts
        as uncertain."""
        try:
            await step
        except UNAVAILABLE:
            log.warning("outbox.failed", row=row.id, reason="database")
        except MedrepError as error:
            log.warning("outbox.failed", row=row.id, reason=str(error.fault))
        except Exception:
            log.exception("outbox.bug", row=row.id)
        finally:
            self._leave(row)

    async def _transmit(self, channel: Channel, departure: Departure) -> None:
        row, sent = departure.row, departure.row.pieces_sent
        whole = sent + len(departure.pieces)
        try:
            if departure.via == "template":
                receipt = await self._in_time(_template(channel, departure))
            for piece in departure.pieces if departure.via == "active" else ():
                if sent > row.pieces_sent:
                    async with self._services.db.begin() as tx:
                        await outbox_claims.hand_over_piece(tx, row, real_now(), self._lease, pieces=sent)
                send = channel.send(departure.address, piece, key=f"{row.id}-{sent + 1}")
                receipt = await self._in_time(send)
                sent += 1
        except MedrepError as error:
            of = whole if departure.via == "active" else 0
            otherwise = departure.fields is not None and sent == 0
            await self._refused(row, error, departure.opening, sent=sent, of=of, otherwise=otherwise)
            return
        reached("outbox.sent")
        await self._settling.sent(Sent(row, departure.via, receipt.platform_id or None))
        metrics.SENT.labels(str(row.account), departure.via).inc()

    async def _in_time(self, send: Awaitable[Receipt]) -> Receipt:
        """Within the lease: beyond it somebody else would take the row for abandoned."""
        try:
            async with asyncio.timeout(self._lease.total_seconds() * 0.8):
                return await send
        except TimeoutError:
            raise MedrepError(Fault.AMBIGUOUS, "no end of it") from None

    async def _refused(
        self,
        row: Outgoing,
        error: MedrepError,
        opening: int = 0,
        *,
        sent: int = 0,
        of: int = 0,
        otherwise: bool = False,
    ) -> None:
        """It did not leave, or only `sent` of its `of` pieces. `otherwise`: it can leave as a template."""
        async with self._services.db.begin() as tx:
            if error.fault in WINDOW:
                await contacts.lock(tx, row.contact_id)  # first of all: whoever writes locks in this order
            if of and error.fault != Fault.AMBIGUOUS:
                await platform.refund(tx, row.contact_id, self._services.clock.now(), of - sent)
                await outbox_claims.hand_over_piece(tx, row, real_now(), self._lease, pieces=sent)
                row = replace(row, pieces_sent=sent)
            await follow(tx, self._services, row, error, opening, otherwise=otherwise)


def _template(channel: Channel, departure: Departure) -> Awaitable[Receipt]:
    row, fields = departure.row, departure.fields or {}
    return channel.template(departure.address, row.purpose.value, fields, client_msg_id=f"outbox-{row.id}")


def _by_account(rows: Sequence[Outgoing]) -> list[tuple[Account, list[Outgoing]]]:
    batches: dict[Account, list[Outgoing]] = defaultdict(list)
    for row in rows:
        batches[row.account].append(row)
    return list(batches.items())
