"""Recording what has left: while one transaction is under way, the next collects."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

from bot.evidence import Evidence, about, note_all
from bot.model import OutboxState
from bot.outbound import receipts
from bot.runtime.services import Services
from bot.store import outbox_outcomes
from bot.store.database import retried
from bot.store.outbox import Outgoing
from bot.store.outbox_outcomes import Outcome


@dataclass(frozen=True, slots=True)
class Sent:
    row: Outgoing
    via: str  # active | template
    platform_id: str | None


class Settling:
    """The book of one sender."""

    def __init__(self, services: Services, seconds: float) -> None:
        """`seconds`: for so long it is tried again while the database is away."""
        self._services = services
        self._seconds = seconds
        self._waiting: list[Sent] = []
        self._one = asyncio.Lock()

    async def sent(self, sent: Sent) -> None:
        """Recorded when this returns, or given up after `seconds`: then its lease makes it uncertain."""
        self._waiting.append(sent)
        async with self._one:
            if sent not in self._waiting:
                return  # written with those before
            batch, self._waiting = self._waiting, []
            await retried(lambda: self._write(batch), self._seconds)

    async def _write(self, batch: list[Sent]) -> None:
        now = self._services.clock.now()
        async with self._services.db.begin() as tx:
            settled = await outbox_outcomes.settle_all(
                tx,
                [
                    (sent.row, Outcome(OutboxState.SENT, sent_at=now, platform_id=sent.platform_id))
                    for sent in batch
                ],
            )
            ours = [sent for sent in batch if sent.row.id in settled]
            await note_all(tx, [evidence_of(sent.row, now, sent.via) for sent in ours])
            numbers = [(sent.row.account, sent.platform_id) for sent in ours if sent.platform_id]
            await receipts.settled(tx, numbers, now)


def evidence_of(row: Outgoing, now: datetime, via: str) -> Evidence:
    """That it left: the basis of the text that was sent, its purpose, and the text itself, sealed.

    What a turn said is in the record since it was queued.
    """
    body = row.body_enc if row.turn_id is None else None
    facts = {"via": via, "purpose": row.purpose.value, "basis": row.basis or ""}
    return about("message.sent", now, f"outbox:{row.id}", row, body_enc=body, **facts)
