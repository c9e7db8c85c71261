"""What is found in a colleague's words while they type: what would be refused, what they are warned of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

from bot.compliance import check_text
from bot.desk.reading import Desk
from bot.model import Audience, MedrepError
from bot.people.notes import LONGEST as LONGEST_NOTE
from bot.people.takeover import LONGEST, off_label, product_needs_verified
from bot.safety import screen
from bot.staff import Session
from bot.store import contacts, desk
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.text.folding import fold
from bot.text.patterns import Scanner, read_rules


@dataclass(frozen=True, slots=True)
class Flag:
    """`span` is [start, end) in the text; empty: the whole text is meant. `hard`: it would be refused."""

    rule: str
    span: tuple[int, int]
    why: str
    hard: bool


@cache
def _soft() -> tuple[Scanner, dict[str, str]]:
    rules = read_rules("compliance", "watching")["rules"]
    return Scanner({rule["id"]: rule["patterns"] for rule in rules}, {}), {r["id"]: r["why"] for r in rules}


async def watch(
    reading: Desk, who: Session, contact_id: int, text: str, *, sent: bool = True
) -> tuple[Flag, ...]:
    """What is found, by where it begins. Nothing is kept of it. `sent` False: a note, of which no product and
    no use is refused. Raises MedrepError(NOT_FOUND)."""
    text = text[: max(LONGEST, LONGEST_NOTE)]
    async with reading.reading(who) as tx:
        await desk.contact_card(tx, contact_id, reading.services.clock.now())
    async with reading.services.db.begin() as tx:
        contact = await contacts.by_id(tx, contact_id)
        found = list(flags(text, contact.audience))
        if sent and not await _may_be_named(reading, tx, contact, text):
            found.append(Flag("unverified", (0, 0), "医生还没有通过认证，不能谈产品。", True))
    if sent and all(one.rule != "off_label" for one in found):
        beyond = await off_label(reading.services, contact, text)
        found += [Flag(one.rule, one.span, one.why, True) for one in beyond]
    return tuple(sorted(found, key=lambda flag: flag.span))


async def _may_be_named(reading: Desk, tx: Tx, contact: Contact, text: str) -> bool:
    edition = await reading.in_force(tx)
    try:
        await product_needs_verified(tx, contact, text, edition.content.products if edition else ())
    except MedrepError:
        return False
    return True


_CASE = "像是不良反应：保存后自动转药物安全。"


def watched(text: str) -> tuple[Flag, ...]:
    """As `flags`, by where they begin, for words that are kept and not sent."""
    found = flags(text, Audience.DOCTOR)
    told = (replace(one, why=_CASE) if one.rule == "adverse_event" else one for one in found)
    return tuple(sorted(told, key=lambda flag: flag.span))


def soft_rules(*words: str) -> list[str]:
    """The rules that a colleague was warned of in these words, for the record."""
    return sorted({one.rule for text in words for one in flags(text, Audience.DOCTOR) if not one.hard})


def flags(text: str, audience: Audience) -> tuple[Flag, ...]:
    """What the words alone say."""
    hard = [Flag(found.rule, found.span, found.why, True) for found in check_text(text, audience)]
    scanner, why = _soft()
    folded = fold(text)
    soft = [
        Flag(rule, folded.span(start, end), why[rule], False)
        for rule, start, end in scanner.scan(folded.text)
    ]
    if screen(text, audience).adverse_event:
        soft.append(
            Flag("adverse_event", (0, 0), "像是不良反应。请先上报药物安全，不要在会话里作判断。", False)
        )
    return (*hard, *soft)
