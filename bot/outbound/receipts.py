"""What a platform reports later on a message it took: it arrived, or it failed after all.

A receipt may come before our own commit of the platform's id of the message: it is kept, and applied when
the send is settled.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bot.evidence import note
from bot.model import Account
from bot.store import outbox_outcomes, receipts
from bot.store.database import Tx
from bot.store.receipts import DeliveryReport


async def reported(tx: Tx, reports: Sequence[DeliveryReport], now: datetime) -> None:
    """These receipts have come, in this order."""
    # All at once, in the order in which everybody locks them.
    await receipts.alone(tx, [(report.account, report.platform_id) for report in reports])
    for report in reports:
        if not await _applied(tx, report, now):
            await receipts.keep(tx, report, now)


async def settled(tx: Tx, sent: Sequence[tuple[Account, str]], now: datetime) -> None:
    """Messages were settled as sent with these platform ids; their receipts may be there already."""
    if sent:
        await receipts.alone(tx, sent)
        for report in await receipts.take(tx, sent):
            await _applied(tx, report, now)


async def _applied(tx: Tx, report: DeliveryReport, now: datetime) -> bool:
    """Whether the message is known."""
    row = await outbox_outcomes.reported(tx, report)
    if row is None:
        return False
    outbox_id, state = row
    await note(tx, "message.receipt", now, f"outbox:{outbox_id}", state=state.value, status=report.status)
    return True
