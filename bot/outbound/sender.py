"""The outbox: passive replies to connections that wait, and the loop that pushes everything else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from bot.clock import CHINA, real_now
from bot.evidence import note
from bot.model import Account, Fault, MedrepError, Message, OutboxState, Purpose, Receipt
from bot.outbound import receipts
from bot.outbound.failures import TRIES_UNHEARD, WINDOW, follow
from bot.outbound.release import release, template_values
from bot.outbound.wording import worded
from bot.runtime import metrics
from bot.runtime.killpoints import reached
from bot.runtime.services import Services
from bot.store import contacts, outbox, outbox_outcomes, platform
from bot.store.database import UNAVAILABLE, Tx, retried
from bot.store.outbox import Outgoing
from bot.store.outbox_outcomes import Outcome
from bot.tasks import Kind, open_task

log = structlog.get_logger()

LEASE = timedelta(seconds=30)
TOGETHER = 16  # sends of one process at a time; as many become uncertain when it dies
POLL = 0.5
UNSERVED = timedelta(minutes=10)  # after that somebody is told that no process has this account
STOPPING = 4.0  # seconds for the sends under way when the process ends
MOST_CLAIMS = TRIES_UNHEARD + 20  # a row that ends no try is a bug of ours: others must get past it
KEPT_FOR_SAFETY = 1  # pushes that only emergency text may use


class Channel(Protocol):
    """What the loop needs of a connector."""

    def split(self, message: Message, halved: int) -> tuple[Message, ...]: ...

    async def ready(self) -> None: ...

    async def send(self, address: str, message: Message, *, key: str) -> Receipt: ...

    def template_fields(self, template: str) -> frozenset[str] | None: ...

    async def template(
        self, address: str, template: str, fields: Mapping[str, str], *, client_msg_id: str
    ) -> Receipt: ...


class Sender:
    """The sender. Any number of processes may run it: rows are claimed, in order per contact."""

    def __init__(
        self, services: Services, channels: Mapping[Account, Channel], *, lease: timedelta = LEASE
    ) -> None:
        self._services = services
        self._channels = channels
        self._lease = lease
        self._under_way: set[asyncio.Task[None]] = set()
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
                    idle = await self._start() == 0
                except UNAVAILABLE:
                    log.warning("outbox.failed", reason="database")
                    await asyncio.sleep(1.0)
                    continue
                if idle:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(POLL):
                            await self.wake.wait()
        finally:
            if self._under_way:
                await asyncio.wait(self._under_way, timeout=STOPPING)

    async def notified(self, _: str) -> None:
        """Something may leave."""
        self.wake.set()

    async def _start(self) -> int:
        """Begin to send what may leave now; how many rows that was."""
        rows = await self._claim(TOGETHER - len(self._under_way))
        for row in rows:
            task = asyncio.create_task(self._guarded(row))
            self._under_way.add(task)
            task.add_done_callback(self._ended)
        return len(rows)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self.wake.set()

    async def push(self) -> int:
        """Claim and send one batch; how many rows that was."""
        rows = await self._claim(TOGETHER)
        await asyncio.gather(*(self._guarded(row) for row in rows))
        return len(rows)

    async def _claim(self, limit: int) -> tuple[int, ...]:
        services = self._services
        if limit <= 0:
            return ()
        async with services.db.begin() as tx:
            rows = await outbox.claim(
                tx, real_now(), services.clock.now(), self._lease, limit, self._channels
            )
        reached("outbox.claimed")
        return rows

    async def _guarded(self, outbox_id: int) -> None:
        """What goes wrong here leaves the row to its lease: it waits again, or counts as uncertain."""
        try:
            await self._push_one(outbox_id)
        except UNAVAILABLE:
            log.warning("outbox.failed", row=outbox_id, reason="database")
        except MedrepError as error:
            log.warning("outbox.failed", row=outbox_id, reason=str(error.fault))
        except Exception:
            log.exception("outbox.bug", row=outbox_id)

    async def _push_one(self, outbox_id: int) -> None:
        services, row, opening = self._services, None, 0
        channel: Channel | None = None
        try:
            async with services.db.begin() as tx:
                row = await self._read(tx, outbox_id)
            if row is None:
                return
            channel = self._channels[row.account]
            # Before it is handed over: who waits for a token, or dies waiting, has certainly sent nothing.
            await channel.ready()
            async with services.db.begin() as tx:
                row = await worded(tx, services, row)
                message = await release(tx, services, row)
                address = await contacts.address(tx, services.vault, row.contact_id)
                pieces = channel.split(message, row.halved)[row.pieces_sent :]
                opening = await platform.opening(tx, row.contact_id)
                await self._spend(tx, row, len(pieces))
                await outbox.hand_over(tx, row, real_now(), self._lease, pieces=row.pieces_sent)
        except MedrepError as error:
            if row is None:
                raise
            await self._refused(row, error, opening)
            if error.fault == Fault.WINDOW_CLOSED and channel is not None:
                await self._by_template(row, message, channel, address)
            return
        reached("outbox.before_send")
        receipt, sent = Receipt(), row.pieces_sent
        try:
            for piece in pieces:
                if sent > row.pieces_sent:
                    async with services.db.begin() as tx:
                        await outbox.hand_over(tx, row, real_now(), self._lease, pieces=sent)
                receipt = await self._send(channel, address, piece, key=f"{row.id}-{sent + 1}")
                sent += 1
        except MedrepError as error:
            await self._refused(row, error, opening, sent=sent, of=row.pieces_sent + len(pieces))
            if error.fault == Fault.WINDOW_CLOSED and sent == 0:
                await self._by_template(row, message, channel, address)
            return
        reached("outbox.sent")
        await retried(lambda: self._sent(row, receipt), self._lease.total_seconds() / 2)
        metrics.SENT.labels(str(row.account), "active").inc()

    async def _send(self, channel: Channel, address: str, piece: Message, *, key: str) -> Receipt:
        """One piece, within the lease: beyond it somebody else would take the row for abandoned."""
        try:
            async with asyncio.timeout(self._lease.total_seconds() * 0.8):
                return await channel.send(address, piece, key=key)
        except TimeoutError:
            raise MedrepError(Fault.AMBIGUOUS, "no end of it") from None

    async def _refused(
        self, row: Outgoing, error: MedrepError, opening: int = 0, *, sent: int = 0, of: int = 0
    ) -> None:
        """It did not leave, or only `sent` of its `of` pieces."""
        async with self._services.db.begin() as tx:
            if error.fault in WINDOW:
                await contacts.lock(tx, row.contact_id)  # first of all: whoever writes locks in this order
            if of and error.fault != Fault.AMBIGUOUS:
                await platform.refund(tx, row.contact_id, self._services.clock.now(), of - sent)
                await outbox.hand_over(tx, row, real_now(), self._lease, pieces=sent)
                row = replace(row, pieces_sent=sent)
            await follow(tx, self._services, row, error, opening)

    async def _by_template(self, row: Outgoing, message: Message, channel: Channel, address: str) -> None:
        """Outside the window the platform takes only its templates: a held reminder with one leaves so."""
        fields = channel.template_fields(row.purpose.value)
        if row.occurrence_id is None or fields is None:
            return
        values = template_values(message, row.fields, fields)
        if values is None:
            log.warning("outbox.template_unfilled", row=row.id, template=row.purpose.value)
            return
        async with self._services.db.begin() as tx:
            taken = await outbox.take(tx, row, real_now(), self._lease, via="template", held=True)
        if taken is None:
            return  # they wrote meanwhile, or said stop
        try:
            key = f"outbox-{row.id}"
            receipt = await channel.template(address, row.purpose.value, values, client_msg_id=key)
        except MedrepError as error:
            await self._refused(taken, error)
            return
        await retried(lambda: self._sent(taken, receipt, via="template"), self._lease.total_seconds() / 2)
        metrics.SENT.labels(str(row.account), "template").inc()

    async def _sent(self, row: Outgoing, receipt: Receipt, *, via: str = "active") -> None:
        async with self._services.db.begin() as tx:
            now, platform_id = self._services.clock.now(), receipt.platform_id or None
            outcome = Outcome(OutboxState.SENT, sent_at=now, platform_id=platform_id)
            if await outbox_outcomes.settle(tx, row, outcome):
                await record_sent(tx, row, now, via=via)
                if platform_id is not None:
                    await receipts.settled(tx, row.account, platform_id, now)

    async def _spend(self, tx: Tx, row: Outgoing, count: int) -> None:
        """Take from the platform's allowance; safety may use the slot that is kept back.

        Raises MedrepError(WINDOW_CLOSED | COUNT_USED_UP).
        """
        keep = 0 if row.purpose == Purpose.EMERGENCY else KEPT_FOR_SAFETY
        await platform.spend(tx, row.contact_id, self._services.clock.now(), count=count, keep=keep)

    async def _read(self, tx: Tx, outbox_id: int) -> Outgoing | None:
        try:
            return await outbox.read(tx, self._services.vault, outbox_id)
        except MedrepError as error:
            if error.fault != Fault.ERASED:
                raise  # a missing master key, say: the row waits for who mends it
            await outbox_outcomes.cancel_erased(tx, outbox_id)
            return None

    async def tidy(self) -> None:
        """What expired, and what a dead sender left behind."""
        services, now = self._services, self._services.clock.now()
        async with services.db.begin() as tx:
            late, missed = await outbox_outcomes.expired(tx, now, 100)
            if late:
                subject = f"outbox:{late[0]}"
                await note(tx, "messages.expired", now, subject, count=len(late), reminders=missed)
            for outbox_id in await outbox_outcomes.give_up(tx, real_now(), MOST_CLAIMS):
                log.error("outbox.given_up", row=outbox_id)
                key = f"{Kind.PLATFORM}:outbox:{outbox_id}"
                await open_task(
                    tx, services.vault, Kind.PLATFORM, now=now, key=key, detail=f"outbox {outbox_id}"
                )
            for account in await outbox.unserved(tx, real_now() - UNSERVED, self._channels):
                day = now.astimezone(CHINA).date()
                key, detail = f"platform:{account}:unserved:{day}", f"{account}: no process serves it"
                await open_task(tx, services.vault, Kind.PLATFORM, now=now, key=key, detail=detail)
            for outbox_id in await outbox_outcomes.abandoned(tx, real_now(), 100):
                row = await self._read(tx, outbox_id)
                if row is not None:
                    await follow(tx, services, row, MedrepError(Fault.AMBIGUOUS, "its sender died"))


async def record_sent(tx: Tx, row: Outgoing, now: datetime, *, via: str) -> None:
    """Evidence that it left: the basis of the text that was sent, and the text itself, sealed.

    What a turn said is in the record since it was queued.
    """
    body = row.sealed if row.turn_id is None else None
    subject, purpose = f"outbox:{row.id}", row.purpose.value
    basis = row.basis or ""
    await note(tx, "message.sent", now, subject, row, body_enc=body, via=via, purpose=purpose, basis=basis)
