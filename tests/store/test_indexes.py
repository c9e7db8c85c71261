"""What is looked up often is not searched row by row. Empty tables are: that is switched off."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import TextClause, text

from bot.clock import real_now
from bot.store import contacting, occurrences
from bot.store.database import Database, hot


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
    """F23: these indexes were missing."""
    async with database.begin() as tx:
        await tx.execute(text("SET LOCAL enable_seqscan = off"))
        await tx.execute(text("SET LOCAL enable_bitmapscan = off"))
        plan = "\n".join((await tx.execute(text(f"EXPLAIN {query}"))).scalars())
    assert index in plan
    assert "Sort" not in plan


@pytest.mark.parametrize(
    ("statement", "values", "indexes"),
    [
        (occurrences._NEXT, {"after": 0, "limit": 100}, ["ix_occurrence_waiting"]),
        (occurrences._ABANDONED, {"now": real_now()}, ["ix_occurrence_running"]),
        (occurrences._OF_TRIGGERS, {"ids": [1]}, ["ix_occurrence_begun"]),
        (occurrences._OF_MESSAGES, {"ids": [1]}, ["ix_occurrence_begun"]),
    ],
    ids=["waiting", "running", "of triggers", "of messages"],
)
async def test_a_plan_that_is_made_once_uses_partial_indexes(
    database: Database, statement: TextClause, values: dict[str, Any], indexes: list[str]
) -> None:
    """A prepared statement is planned without its values: the condition of the index must stand in it."""
    async with database.begin() as tx:
        for setting in ("enable_seqscan = off", "plan_cache_mode = force_generic_plan"):
            await tx.execute(text(f"SET LOCAL {setting}"))
        plan = "\n".join((await tx.execute(text(f"EXPLAIN {statement.text}"), values)).scalars())
    assert [index for index in indexes if index not in plan] == []


@pytest.mark.parametrize(
    ("statement", "index"),
    [(contacting._SENT, "ix_outbox_courtesy"), (contacting._CONVERSATIONS, "ix_turn_contact_started")],
    ids=["sent", "conversations"],
)
async def test_of_each_courtesy_message_what_is_recent_is_read(
    database: Database, statement: str, index: str
) -> None:
    """All that ever left was read."""
    async with database.begin() as tx:
        await tx.execute(text("SET LOCAL enable_seqscan = off"))
        await tx.execute(text("SET LOCAL plan_cache_mode = force_generic_plan"))
        values = {"people": [], "since": real_now(), "now": real_now()}
        plan = "\n".join(line for (line,) in await hot(tx, f"EXPLAIN {statement}", values))
    assert index in plan
