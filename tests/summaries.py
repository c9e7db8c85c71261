"""Visits that have ended, with the draft of their summary, for tests that need no chat to get there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import text

from bot.clock import CHINA
from bot.runtime.services import Services
from bot.store import contact_keys, visit_plans, visit_summaries, visits
from bot.store.contacts import Contact
from bot.store.visit_plans import PlanRow

SAID = "主要还是担心肾功能不全的病人"
STATEMENTS = (
    "今天上午通过微信向医生发起AI拜访，主题：盐酸二甲双胍片。",
    f"问到关心的方面，医生答：「{SAID}」",
    "拜访按步骤结束。",
)


async def summarised(
    services: Services,
    contact: Contact,
    turns: Sequence[int] = (1,),
    texts: Sequence[str] = STATEMENTS,
    **parts: Any,
) -> int:
    """The id of a visit that has just ended; each sentence of its draft names these messages."""
    now = services.clock.now()
    plan = PlanRow("one", "metformin", "试", (), (), (), now.date(), now.date(), 30, 0)
    begun = now - timedelta(minutes=20)
    async with services.db.begin() as tx:
        await visit_plans.write_plan(tx, plan, "test", now)
        visit_id = await visits.add(
            tx, "one", contact.person_id, contact.id, "need", begun, forced=True, requested=False
        )
        assert visit_id is not None
        await tx.execute(
            text("UPDATE visit SET begun_at = :at WHERE id = :id"), {"at": begun, "id": visit_id}
        )
        visit = await visits.end_one(tx, visit_id, "completed", now)
        assert visit is not None
        body = {
            "label": "AI拜访",
            "time": begun.astimezone(CHINA).isoformat(timespec="seconds"),
            "channel": "微信",
            "topic": "盐酸二甲双胍片",
            "statements": [{"text": one, "turns": list(turns)} for one in texts],
            "questions": [],
            "attitude": "认可",
            "requests": [],
            "next_step": "无",
            **parts,
        }
        key = await contact_keys.key_of(tx, services.vault, contact)
        sealed = await services.vault.seal(
            tx, key, json.dumps(body, ensure_ascii=False), "visit_summary.body"
        )
        assert await visit_summaries.add(tx, visit, contact.person_id, sealed, now)
    return visit_id
