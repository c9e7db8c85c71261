"""What compliance looks into: hints at money, gifts or counting, and who may read of them."""

from __future__ import annotations

import re
from datetime import datetime

from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.vault import Vault
from bot.tasks.task import LONGEST, Kind, add_to_open, open_task
from bot.text.folding import fold
from bot.text.surnames import SURNAMES


async def suspect(tx: Tx, vault: Vault, contact: Contact, now: datetime, words: str) -> None:
    """A task with their words as written; further words of the same person join it while it is open."""
    detail = words[:LONGEST]
    if await add_to_open(tx, vault, Kind.COMPLIANCE, now=now, contact=contact, detail=detail) is None:
        await open_task(tx, vault, Kind.COMPLIANCE, now=now, contact=contact, detail=detail)


def names(words: str, colleague: str) -> bool:
    """Whether these words may speak of a colleague of this name, as people call them: 赵丁, 小赵, 趙代表,
    姓赵的, 丁姐, and Lily of Lily Chen."""
    called = fold(re.sub(r"[（(].*", "", colleague).strip()).text
    said = fold(words).text
    if any(re.search(rf"(?<![a-z]){part}(?![a-z])", said) for part in re.findall(r"[a-z]{2,}", called)):
        return True
    han = re.sub(r"[^\u3400-\u9fff]", "", called)
    if not han:
        return False
    family, given = _parted(han)
    ways = [han, rf"[小老阿]{family}", f"姓{family}", f"{family}{_TITLE}"]
    if len(family) > 1:
        ways.append(family)
    if len(given) > 1:
        ways.append(given)
    if given:
        ways += [f"[小阿]{given[-1]}", f"{given[-1]}{_TITLE}"]
    return bool(re.search("|".join(ways), said))


_TITLE = (
    "(?:医药代表|代表|经理|主管|主任|专员|老师|师傅|先生|女士|小姐|姐|哥|妹|某"
    "|总(?![的是在量会共结体])|工(?![作资人具业程]))"
)


def _parted(han: str) -> tuple[str, str]:
    """Surname and given name."""
    length = 2 if len(han) > 2 and han[:2] in SURNAMES else 1
    return han[:length], han[length:]
