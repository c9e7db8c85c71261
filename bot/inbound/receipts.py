"""The platform's later word on something we sent."""

from __future__ import annotations

from datetime import datetime

from bot.model import Inbound
from bot.outbound.receipts import reported
from bot.store.database import Tx
from bot.store.receipts import Report

LONGEST_STATUS = 60  # characters of a receipt's word that are kept


async def settle_receipt(tx: Tx, receipt: Inbound, now: datetime) -> None:
    """Write it to the message it is about; it is kept where that is not known yet."""
    detail = receipt.detail
    if platform_id := str(detail.get("platform_id", "")):
        status = str(detail.get("status", ""))[:LONGEST_STATUS]
        await reported(tx, Report(receipt.account, platform_id, bool(detail.get("delivered")), status), now)
