"""What is looked up by contact or by kind is not searched row by row."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from bot.store.database import Database


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("SELECT id FROM task WHERE contact_id = 1", "ix_task_contact_id"),
        (
            "SELECT id FROM evidence WHERE contact_id = 1 ORDER BY id DESC LIMIT 5",
            "ix_evidence_contact_id_id",
        ),
        ("SELECT id FROM evidence WHERE kind = 'x' ORDER BY at DESC LIMIT 5", "ix_evidence_kind_at"),
    ],
)
async def test_the_planner_uses_the_index(database: Database, query: str, index: str) -> None:
    """F23: these indexes were missing. Reading all of an empty table is cheaper, so that is off."""
    async with database.begin() as tx:
        await tx.execute(text("SET LOCAL enable_seqscan = off"))
        await tx.execute(text("SET LOCAL enable_bitmapscan = off"))
        plan = "\n".join((await tx.execute(text(f"EXPLAIN {query}"))).scalars())
    assert index in plan
    assert "Sort" not in plan
