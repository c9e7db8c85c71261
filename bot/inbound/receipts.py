"""The platform's later word on something we sent."""

from __future__ import annotations

from datetime import datetime

from bot.evidence import note
from bot.model import Inbound, OutboxState
from bot.store import outbox_outcomes
from bot.store.database import Tx


async def settle_receipt(tx: Tx, receipt: Inbound, now: datetime) -> None:
    """Write it to the message it is about, if we know that."""
    platform_id = str(receipt.detail.get("platform_id", ""))
    state = OutboxState.DELIVERED if receipt.detail.get("delivered") else OutboxState.FAILED
    row = await outbox_outcomes.delivered(tx, receipt.account, platform_id, state) if platform_id else None
    if row is not None:
        await note(tx, "message.receipt", now, f"outbox:{row}", state=state.value)
