"""The outbox: passive replies to connections that wait, and the loop that pushes everything else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from bot import metrics
from bot.base import Base
from bot.clock import CHINA, real_now
from bot.evidence import Evidence
from bot.exit import release
from bot.model import PROACTIVE, Account, Fault, MedrepError, Message, OutboxState, Purpose, Receipt
from bot.points import reached
from bot.store import contacts, outcomes, outgoing, platform
from bot.store.database import UNAVAILABLE, Tx, surely
from bot.store.outgoing import Draft, Outgoing
from bot.tasks import Kind, open_task

log = structlog.get_logger()

LEASE = timedelta(seconds=30)
TOGETHER = 16  # sends of one process at a time; as many become uncertain when it dies
POLL = 0.5
STOPPING = 4.0  # seconds for the sends under way when the process ends
TRIES = 3
TRIES_UNHEARD = 60  # with the longest pause between them, about half an hour
LONGEST_PAUSE = 30  # seconds
MOST_CLAIMS = TRIES_UNHEARD + 20  # a row that ends no try is a bug of ours: others must get past it
KEPT_FOR_SAFETY = 1  # pushes that only emergency and hand-over text may use


class Channel(Protocol):
    """What the loop needs of a connector."""

    def split(self, message: Message) -> tuple[Message, ...]: ...

    async def send(self, address: str, message: Message, *, key: str) -> Receipt: ...


# What a sending fault leads to, besides the word in the row.
_STATES = {
    Fault.AMBIGUOUS: OutboxState.UNKNOWN,
    Fault.WINDOW_CLOSED: OutboxState.HELD,
    Fault.COUNT_USED_UP: OutboxState.HELD,
    Fault.NO_BASIS: OutboxState.BLOCKED,
    Fault.REFUSED_TEXT: OutboxState.BLOCKED,
    Fault.STOPPED: OutboxState.CANCELLED,
    Fault.UNREACHABLE: OutboxState.CANCELLED,
    Fault.ERASED: OutboxState.CANCELLED,
}
_QUOTAS = {Fault.DAILY_QUOTA, Fault.MINUTE_QUOTA}
_ALARMS = {
    Fault.TOKEN,
    Fault.ADDRESS_NOT_ALLOWED,
    Fault.NO_PERMISSION,
    Fault.CONFIGURATION,
    Fault.DAILY_QUOTA,
}


class Outbox:
    """The sender. Any number of processes may run it: rows are claimed, in order per contact."""

    def __init__(self, base: Base, channels: Mapping[Account, Channel], *, lease: timedelta = LEASE) -> None:
        self._base = base
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
        base = self._base
        if limit <= 0:
            return ()
        async with base.db.begin() as tx:
            rows = await outgoing.claim(tx, real_now(), base.clock.now(), self._lease, limit)
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
        base = self._base
        async with base.db.begin() as tx:
            row = await self._read(tx, outbox_id)
            if row is None:
                return
            try:
                message = await release(tx, base, row)
                channel = self._channels.get(row.account)
                if channel is None:
                    raise MedrepError(Fault.CONFIGURATION, f"no account {row.account}")
                pieces = channel.split(message)[row.pieces_sent :]
                await self._spend(tx, row, len(pieces))
                address = await contacts.address(tx, base.vault, row.contact_id)
            except MedrepError as error:
                await self._failed(tx, row, error)
                return
            await outgoing.hand_over(tx, row, real_now(), self._lease, pieces=row.pieces_sent)
        reached("outbox.before_send")
        receipt, sent = Receipt(), row.pieces_sent
        try:
            for piece in pieces:
                if sent > row.pieces_sent:
                    async with base.db.begin() as tx:
                        await outgoing.hand_over(tx, row, real_now(), self._lease, pieces=sent)
                receipt = await channel.send(address, piece, key=f"{row.id}-{sent + 1}")
                sent += 1
        except MedrepError as error:
            async with base.db.begin() as tx:
                if error.fault != Fault.AMBIGUOUS:
                    left = row.pieces_sent + len(pieces) - sent
                    await platform.refund(tx, row.contact_id, base.clock.now(), left)
                    await outgoing.hand_over(tx, row, real_now(), self._lease, pieces=sent)
                await self._failed(tx, row, error)
            return
        reached("outbox.sent")
        await surely(lambda: self._sent(row, receipt), self._lease.total_seconds() / 2)
        metrics.SENT.labels(str(row.account), "active").inc()

    async def _sent(self, row: Outgoing, receipt: Receipt) -> None:
        async with self._base.db.begin() as tx:
            now, platform_id = self._base.clock.now(), receipt.platform_id or None
            if await outcomes.settle(tx, row, OutboxState.SENT, sent_at=now, platform_id=platform_id):
                await record_sent(tx, row, now, via="active")

    async def _spend(self, tx: Tx, row: Outgoing, count: int) -> None:
        """Take from the platform's allowance; safety may use the slot that is kept back."""
        keep = 0 if row.purpose == Purpose.EMERGENCY else KEPT_FOR_SAFETY
        allowed = await platform.spend(tx, row.contact_id, self._base.clock.now(), count=count, keep=keep)
        if allowed is None:
            raise MedrepError(Fault.WINDOW_CLOSED)
        if not allowed:
            raise MedrepError(Fault.COUNT_USED_UP)

    async def _read(self, tx: Tx, outbox_id: int) -> Outgoing | None:
        try:
            return await outgoing.read(tx, self._base.vault, outbox_id)
        except MedrepError as error:
            if error.fault != Fault.ERASED:
                raise  # a missing master key, say: the row waits for who mends it
            await outcomes.cancel_erased(tx, outbox_id)
            return None

    async def _failed(self, tx: Tx, row: Outgoing, error: MedrepError) -> None:
        base, fault, now = self._base, error.fault, self._base.clock.now()
        state, retry_at = _STATES.get(fault, OutboxState.FAILED), None
        # Without an errcode nothing has reached the platform: an outage is waited out.
        tries = TRIES if error.code is not None else TRIES_UNHEARD
        if fault == Fault.TRANSIENT and row.attempts < tries:
            pause = min(2**row.attempts, LONGEST_PAUSE)
            state, retry_at = OutboxState.WAITING, real_now() + timedelta(seconds=pause)
        elif fault in _QUOTAS:
            state, retry_at = OutboxState.WAITING, _quota_ends(fault)
            await platform.open_circuit(tx, row.account, retry_at, fault)
        counts = fault not in _QUOTAS
        if not await outcomes.settle(tx, row, state, fault=str(fault), retry_at=retry_at, counts=counts):
            return
        metrics.NOT_SENT.labels(str(row.account), str(fault)).inc()
        log.warning("outbox.not_sent", row=row.id, fault=str(fault), code=error.code, state=state.value)
        await Evidence(
            kind="message.not_sent",
            at=now,
            subject=f"outbox:{row.id}",
            facts={"fault": str(fault), "detail": error.detail, "code": error.code, "state": state.value},
            person_id=row.person_id,
            contact_id=row.contact_id,
        ).record(tx)
        await self._react(tx, row, error, state, now)
        if fault in _ALARMS:
            day = now.astimezone(CHINA).date()
            await open_task(
                tx,
                base.vault,
                Kind.PLATFORM,
                now=now,
                key=f"platform:{row.account}:{fault}:{day}",
                detail=f"{row.account} {fault} {error.code or ''}",
            )

    async def _react(
        self, tx: Tx, row: Outgoing, error: MedrepError, state: OutboxState, now: datetime
    ) -> None:
        base, whose = self._base, await contacts.by_id(tx, row.contact_id)
        if error.fault == Fault.COUNT_USED_UP and error.code is not None:
            await platform.exhaust(tx, row.contact_id)
        elif error.fault == Fault.WINDOW_CLOSED and error.code is not None:
            await platform.close_window(tx, row.contact_id, now)
        elif error.fault == Fault.UNREACHABLE and whose.unreachable_at is None:
            await contacts.mark(tx, whose.id, unreachable_at=now)
            await outcomes.cancel_open(tx, whose.id)
        kind = {
            OutboxState.UNKNOWN: Kind.UNCERTAIN_SEND,
            OutboxState.BLOCKED: Kind.BLOCKED_MESSAGE,
            OutboxState.FAILED: Kind.FAILED_TURN,
        }.get(state)
        if kind is not None and error.fault != Fault.ERASED:
            await open_task(
                tx, base.vault, kind, now=now, whose=whose, key=f"{kind}:outbox:{row.id}", detail=str(error)
            )
        waits = row.purpose not in PROACTIVE  # for an answer
        if state == OutboxState.BLOCKED and waits and "utter_failed" not in (row.basis or ""):
            await _say_so(tx, base, row, now)

    async def tidy(self) -> None:
        """What expired, and what a dead sender left behind."""
        base, now = self._base, self._base.clock.now()
        async with base.db.begin() as tx:
            late, missed = await outcomes.expired(tx, now, 100)
            if late:
                facts = {"count": len(late), "reminders": missed}
                await Evidence("messages.expired", now, f"outbox:{late[0]}", facts).record(tx)
            for outbox_id in await outcomes.give_up(tx, real_now(), MOST_CLAIMS):
                log.error("outbox.given_up", row=outbox_id)
                key = f"{Kind.PLATFORM}:outbox:{outbox_id}"
                await open_task(tx, base.vault, Kind.PLATFORM, now=now, key=key, detail=f"outbox {outbox_id}")
            for outbox_id in await outcomes.abandoned(tx, real_now(), 100):
                row = await self._read(tx, outbox_id)
                if row is not None:
                    await self._failed(tx, row, MedrepError(Fault.AMBIGUOUS, "its sender died"))


async def _say_so(tx: Tx, base: Base, row: Outgoing, now: datetime) -> None:
    """What was to be said is blocked; the person is told that a colleague will answer, never nothing."""
    whose = await contacts.by_id(tx, row.contact_id)
    reply = base.published.dialogue.reply("utter_failed", whose.audience)
    await outgoing.add(
        tx, base.vault, whose, Draft.of(reply), now=now, retry_at=real_now(), turn_id=row.turn_id
    )


async def record_sent(tx: Tx, row: Outgoing, now: datetime, *, via: str) -> None:
    """Evidence that it left: its basis and purpose; the text itself is in the row of the turn."""
    await Evidence(
        kind="message.sent",
        at=now,
        subject=f"outbox:{row.id}",
        facts={"via": via, "purpose": row.purpose.value, "basis": row.basis or f"response:{row.template}@"},
        person_id=row.person_id,
        contact_id=row.contact_id,
    ).record(tx)


def _quota_ends(fault: Fault) -> datetime:
    """When the platform counts anew (real time): the next minute, or midnight in China."""
    now = real_now()
    if fault == Fault.MINUTE_QUOTA:
        return now.replace(second=0, microsecond=0) + timedelta(minutes=1)
    tomorrow = now.astimezone(CHINA) + timedelta(days=1)
    return tomorrow.replace(hour=0, minute=0, second=5, microsecond=0)
