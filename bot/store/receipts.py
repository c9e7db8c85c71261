"""Receipts of a platform that come before the platform's id of the message is committed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, tuple_
from sqlalchemy.dialects.postgresql import insert

from bot.model import Account
from bot.store.advisory import wait_for_names
from bot.store.database import Tx
from bot.store.tables import early_receipt


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """The platform's later word on a message: whether it arrived, and what it said of that."""

    account: Account
    platform_id: str
    delivered: bool
    status: str


async def alone(tx: Tx, messages: Sequence[tuple[Account, str]]) -> None:
    """Nobody else settles or reports these messages before this transaction ends.

    Whoever comes second then sees what the first has written; without it each could look just before the
    other commits, and the receipt would be lost.
    """
    await wait_for_names(tx, (f"{account} {platform_id}" for account, platform_id in messages))


async def keep(tx: Tx, report: DeliveryReport, now: datetime) -> None:
    """Keep it until a message with this platform id is settled; the last word counts."""
    values = {"delivered": report.delivered, "status": report.status, "at": now}
    key = {"account": str(report.account), "platform_id": report.platform_id}
    statement = insert(early_receipt).values(**key, **values)
    await tx.execute(statement.on_conflict_do_update(index_elements=list(key), set_=values))


async def take(tx: Tx, messages: Sequence[tuple[Account, str]]) -> list[DeliveryReport]:
    """What was reported early on these messages."""
    names = {(str(account), platform_id): account for account, platform_id in messages}
    key = tuple_(early_receipt.c.account, early_receipt.c.platform_id)
    rows = await tx.execute(delete(early_receipt).where(key.in_(list(names))).returning(early_receipt))
    return [
        DeliveryReport(names[row.account, row.platform_id], row.platform_id, row.delivered, row.status)
        for row in rows
    ]
