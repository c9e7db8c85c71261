"""What compliance looks into: hints at money, gifts or counting, and who may read of them."""

from __future__ import annotations

import re
from datetime import datetime

from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.vault import Vault
from bot.tasks.task import Kind, add_to_open, open_task

_LONGEST = 4000  # characters of their words that a colleague reads


async def suspect(tx: Tx, vault: Vault, contact: Contact, now: datetime, words: str) -> None:
    """A task with their words as written; further words of the same person join it while it is open."""
    detail = words[:_LONGEST]
    if await add_to_open(tx, vault, Kind.COMPLIANCE, now=now, contact=contact, detail=detail) is None:
        await open_task(tx, vault, Kind.COMPLIANCE, now=now, contact=contact, detail=detail)


def names(words: str, colleague: str) -> bool:
    """Whether these words may speak of a colleague of this name: 赵丁, 小赵, 老赵, 赵代表, 赵经理."""
    name = re.sub(r"[（(].*", "", colleague).strip()
    if not name:
        return False
    family = re.escape(name[0])
    called = rf"[小老阿]{family}|{family}(?:代表|经理|总|姐|哥|主管|某)"
    return name in words or bool(re.search(called, words))
