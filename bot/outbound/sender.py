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
from bot.outbound.departures import Connector, Departure, prepare
from bot.outbound.failures import Refusal, follow, unexpected
from bot.outbound.settling import Sent, Settling
from bot.outbound.tidying import Tidying
from bot.runtime import metrics
from bot.runtime.killpoints import reached
from bot.runtime.services import Services
from bot.store import outbox_claims
from bot.store.database import UNAVAILABLE, of_statement, retried
from bot.store.outbox import Outgoing

log = structlog.get_logger()

LEASE = timedelta(seconds=30)
TOGETHER = 40  # sends of one process at a time; as many become uncertain when it dies
BEGUN = 32  # of these, what we begin: reminders that hang never take the places of answers
# Seconds that a busy sender lets places become free, half of them at most: so it claims many rows at once,
# and claims and prepares some while others are with the platform.
GATHER = 0.04
POLL = 0.5
AT_ONCE = 2.0  # seconds; what has failed within them is tried once more
SOON = timedelta(seconds=1)  # after the database was away: when what was not handed over is tried again
STOPPING = 4.0  # seconds for the sends under way when the process ends


class Sender:
    """One per process. Any number of processes may run it: rows are claimed, in order per contact."""

    def __init__(
        self, services: Services, channels: Mapping[Account, Connector], *, lease: timedelta = LEASE
    ) -> None:
        self._services = services
        self._channels = channels
        self._lease = lease
        self._tidying = Tidying(services, channels)
        self._patience = lease.total_seconds() / 2  # seconds that writing an outcome is tried
        self._settling = Settling(services, self._patience)
        self._places: dict[int, bool] = {}  # rows under way; whether we begin it
        self._limited = False  # the last claim left rows behind for want of places
        self._batches: set[asyncio.Task[None]] = set()
        self._roomy = asyncio.Event()  # it is not busy
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
                    await self._start()
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
                    with suppress(TimeoutError):
                        async with asyncio.timeout(GATHER):
                            await self._roomy.wait()
        finally:
            if self._batches:
                await asyncio.wait(self._batches, timeout=STOPPING)

    def _busy(self) -> bool:
        return len(self._places) > BEGUN // 2

    async def notified(self, _: str) -> None:
        """Something may leave."""
        self.wake.set()

    async def tidy(self) -> None:
        """What expired, what a dead sender left behind, what waited for its hour."""
        await self._tidying.tidy()

    async def _start(self) -> None:
        """Begin to send what may leave now."""
        for account, batch in by_account(await self._claim()):
            task = asyncio.create_task(self._batch(account, batch))
            self._batches.add(task)
            task.add_done_callback(self._batches.discard)

    async def _claim(self) -> list[Outgoing]:
        free = TOGETHER - len(self._places)
        begun = max(min(free, BEGUN - sum(self._places.values())), 0)
        self._limited = True  # until we know better, whoever leaves meanwhile makes us look again
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
                begun=begun,
            )
        reached("outbox.claimed")
        for row in rows:
            self._places[row.id] = row.priority > 1
        if self._busy():
            self._roomy.clear()
        self._limited = len(rows) >= free or sum(row.priority > 1 for row in rows) >= begun
        return rows

    def _leave(self, row: Outgoing) -> None:
        """Its place is free for another, if one was left behind for want of a place."""
        if self._places.pop(row.id, None) is not None and self._limited:
            self.wake.set()
        if not self._busy():
            self._roomy.set()

    async def _batch(self, account: Account, rows: Sequence[Outgoing]) -> None:
        """Send claimed rows of one account."""
        channel = self._channels[account]
        try:
            await asyncio.gather(*await self._depart(channel, rows))
        except Exception:
            log.exception("outbox.bug", account=str(account))
        finally:
            for row in rows:
                self._leave(row)

    async def _depart(self, channel: Connector, rows: Sequence[Outgoing]) -> list[asyncio.Task[None]]:
        """Have these rows handed over; the sends that begin.

        Until then nothing has left: what goes wrong is tried again, and at last each row alone, so that one
        that cannot be prepared keeps no other back.
        """
        try:
            # Who waits for a token, or dies waiting, has certainly sent nothing.
            await channel.ready()
        except MedrepError as error:
            await self._refused([Refusal(row, error) for row in rows])
            return []
        except UNAVAILABLE:
            await self._give_back(rows)
            return []
        try:
            departures, refusals = await self._prepared(channel, rows)
        except Exception as error:
            if isinstance(error, UNAVAILABLE) and not of_statement(error):
                await self._give_back(rows)
                return []
            if len(rows) > 1:
                log.warning("outbox.one_by_one", reason=type(error).__name__, rows=len(rows))
                return [send for row in rows for send in await self._depart(channel, [row])]
            if not isinstance(error, UNAVAILABLE):
                log.exception("outbox.bug", row=rows[0].id)
            await self._refused([Refusal(rows[0], unexpected(error))])
            return []
        reached("outbox.before_send")
        sends = [asyncio.create_task(self._transmit(channel, departure)) for departure in departures]
        if refusals:
            await self._refused(refusals)
        return sends

    async def _prepared(
        self, channel: Connector, rows: Sequence[Outgoing]
    ) -> tuple[list[Departure], list[Refusal]]:
        began = time.monotonic()
        while True:
            try:
                async with self._services.db.begin() as tx:
                    return await prepare(tx, self._services, channel, rows, self._lease)
            except UNAVAILABLE:
                # A deadlock, or a connection that was cut: once more. What took long takes as long again.
                if time.monotonic() - began > AT_ONCE:
                    raise
                began -= AT_ONCE

    async def _give_back(self, rows: Sequence[Outgoing]) -> None:
        """The database was away before they were handed over: they need not wait for their lease."""
        log.warning("outbox.failed", rows=len(rows), reason="database")

        async def write() -> None:
            async with self._services.db.begin() as tx:
                await outbox_claims.give_back(tx, rows, real_now() + SOON)

        with suppress(*UNAVAILABLE):  # the lease has them
            await retried(write, self._patience)

    async def _transmit(self, channel: Connector, departure: Departure) -> None:
        """Send what was handed over, and record what became of it. What goes wrong with recording leaves the
        row to its lease: then it counts as uncertain."""
        row = departure.row
        try:
            if (refusal := await self._sent(channel, departure)) is not None:
                await self._refused([refusal])
        except UNAVAILABLE:
            log.warning("outbox.failed", row=row.id, reason="database")
        except MedrepError as error:
            log.warning("outbox.failed", row=row.id, reason=str(error.fault))
        except Exception:
            log.exception("outbox.bug", row=row.id)
        finally:
            self._leave(row)

    async def _sent(self, channel: Connector, departure: Departure) -> Refusal | None:
        row, sent, receipt = departure.row, 0, Receipt()
        try:
            if departure.via == "template":
                receipt = await self._in_time(_template(channel, departure))
            for piece in departure.pieces if departure.via == "active" else ():
                number = row.pieces_sent + sent
                if sent:
                    async with self._services.db.begin() as tx:
                        await outbox_claims.hand_over_piece(tx, row, real_now(), self._lease, pieces=number)
                send = channel.send(departure.address, piece, key=f"{row.id}-{number + 1}")
                receipt = await self._in_time(send)
                sent += 1
        except MedrepError as error:
            return Refusal(
                replace(row, pieces_sent=row.pieces_sent + sent),
                error,
                departure.opening,
                otherwise=departure.fields is not None and not row.pieces_sent and not sent,
                taken=departure.taken,
                unsent=0 if error.fault == Fault.AMBIGUOUS else len(departure.pieces) - sent,
            )
        reached("outbox.sent")
        await self._settling.sent(Sent(row, departure.via, receipt.platform_id or None))
        metrics.SENT.labels(str(row.account), departure.via).inc()
        return None

    async def _in_time(self, send: Awaitable[Receipt]) -> Receipt:
        """Within the lease: beyond it somebody else would take the row for abandoned."""
        try:
            async with asyncio.timeout(self._lease.total_seconds() * 0.8):
                return await send
        except TimeoutError:
            raise MedrepError(Fault.AMBIGUOUS, "no end of it") from None

    async def _refused(self, refusals: Sequence[Refusal]) -> None:
        """Write what these lead to, together; one of which that cannot be written is left to its lease."""

        async def write() -> None:
            async with self._services.db.begin() as tx:
                await follow(tx, self._services, refusals)

        try:
            await retried(write, self._patience)
        except UNAVAILABLE:
            log.warning("outbox.failed", rows=len(refusals), reason="database")
        except Exception as error:
            if len(refusals) > 1:
                for refusal in refusals:
                    await self._refused([refusal])
            elif isinstance(error, MedrepError):
                log.warning("outbox.failed", row=refusals[0].row.id, reason=str(error.fault))
            else:
                log.exception("outbox.bug", row=refusals[0].row.id)
        finally:
            for refusal in refusals:
                self._leave(refusal.row)


def _template(channel: Connector, departure: Departure) -> Awaitable[Receipt]:
    key, fields = f"outbox-{departure.row.id}", departure.fields or {}
    return channel.template(departure.address, departure.template, fields, client_msg_id=key)


def by_account(rows: Sequence[Outgoing]) -> list[tuple[Account, list[Outgoing]]]:
    """A batch is of one account: its channel has one token, and one circuit."""
    batches: dict[Account, list[Outgoing]] = defaultdict(list)
    for row in rows:
        batches[row.account].append(row)
    return list(batches.items())
