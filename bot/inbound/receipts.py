"""The platform's later word on something we sent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bot.model import Inbound
from bot.outbound.receipts import reported
from bot.store.database import Tx
from bot.store.receipts import DeliveryReport

LONGEST_STATUS = 60  # characters of a receipt's word that are kept
LONGEST_ID = 128  # characters; a WeChat id is a number, and more than 2.7 kB fits into no index


async def settle_receipts(tx: Tx, receipts: Sequence[Inbound], now: datetime) -> None:
    """Write each to the message that it is about; it is kept where that is not known yet."""
    reports = [report for receipt in receipts if (report := _report(receipt)) is not None]
    if reports:
        await reported(tx, reports, now)


def _report(receipt: Inbound) -> DeliveryReport | None:
    """None: it names no message of ours."""
    detail = receipt.detail
    platform_id, status = str(detail.get("platform_id", "")), str(detail.get("status", ""))
    if not 0 < len(platform_id) <= LONGEST_ID:
        return None
    return DeliveryReport(
        receipt.account, platform_id, bool(detail.get("delivered")), status[:LONGEST_STATUS]
    )
