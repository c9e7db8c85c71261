"""Which reports of adverse events have something in common."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from bot.store import advisory
from bot.store.database import Tx
from bot.store.tables import case_sign


async def sign(tx: Tx, task_ids: Iterable[int], signs: Iterable[bytes], now: datetime) -> None:
    """These reports have these signs. Until the transaction ends no others get any of them: two that come at
    once would not see each other."""
    signs = sorted(set(signs))
    await advisory.wait_for_names(tx, (f"case {one.hex()}" for one in signs))
    rows = [{"task_id": task_id, "sign": one, "told_at": now} for task_id in task_ids for one in signs]
    if rows:
        await tx.execute(insert(case_sign).on_conflict_do_nothing(), rows)


async def with_sign(tx: Tx, one: bytes, since: datetime) -> list[int]:
    """The tasks of the reports that have this sign, since then."""
    query = select(case_sign.c.task_id).where(case_sign.c.sign == one, case_sign.c.told_at >= since)
    return list((await tx.execute(query.order_by(case_sign.c.task_id))).scalars())
