"""Receipts of a platform that come before the platform's id of the message is committed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, text
from sqlalchemy.dialects.postgresql import insert

from bot.model import Account
from bot.store.database import Tx
from bot.store.tables import early_receipt


@dataclass(frozen=True, slots=True)
class Report:
    """The platform's later word on a message: whether it arrived, and what it said of that."""

    account: Account
    platform_id: str
    delivered: bool
    status: str


async def alone(tx: Tx, account: Account, platform_id: str) -> None:
    """Nobody else settles or reports this message before this transaction ends.

    Whoever comes second then sees what the first has written; without it each could look just before the
    other commits, and the receipt would be lost.
    """
    await tx.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"{account} {platform_id}"}
    )


async def keep(tx: Tx, report: Report, now: datetime) -> None:
    """Keep it until a message with this platform id is settled; the last word counts."""
    values = {"delivered": report.delivered, "status": report.status, "at": now}
    key = {"account": str(report.account), "platform_id": report.platform_id}
    statement = insert(early_receipt).values(**key, **values)
    await tx.execute(statement.on_conflict_do_update(index_elements=list(key), set_=values))


async def take(tx: Tx, account: Account, platform_id: str) -> Report | None:
    """What was reported early on this message, if anything was."""
    gone = delete(early_receipt).where(
        early_receipt.c.account == str(account), early_receipt.c.platform_id == platform_id
    )
    row = (await tx.execute(gone.returning(early_receipt.c.delivered, early_receipt.c.status))).first()
    return None if row is None else Report(account, platform_id, row.delivered, row.status)
