"""Visits that colleagues made themselves (代表拜访), at the console: logged in five fields, and reviewed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from bot import visits
from bot.compliance import check_text
from bot.desk.reading import Desk, masked
from bot.desk.reviewing import ReviewStep, file_of, history, write
from bot.desk.watching import Flag, watched
from bot.evidence import Owner, note
from bot.knowledge import products_named
from bot.model import Audience, Channel, Fault, MedrepError
from bot.staff import Session
from bot.store import contacts, desk, desk_chats, desk_own_visits
from bot.store.database import Tx
from bot.store.desk import DoctorCard
from bot.store.desk_chats import ChatMessage
from bot.store.desk_own_visits import HeldChat, OwnVisitLine
from bot.store.desk_versions import versions
from bot.text.private import hide_numbers
from bot.visits import (
    LONGEST_FIELD,
    OPEN_STATES,
    OWN_VISIT,
    REVIEWERS,
    OwnVisitEntry,
    changed_fields,
)

LISTED, CHATS, SHOWN = 100, 3, 200
RECENT = timedelta(days=30)  # a conversation of before is logged as none
BEFORE = timedelta(minutes=30)  # what led to a takeover is part of it
FIELDS = ("visited_at", *LONGEST_FIELD)
_CHANNELS = {Channel.WECHAT: "微信", Channel.WECOM: "企业微信", Channel.WEBCHAT: "网页"}
_QUOTED = LONGEST_FIELD["discussed"] - 200  # leaves room to write


@dataclass(frozen=True, slots=True)
class OwnVisitPage:
    now: datetime
    line: OwnVisitLine
    history: tuple[ReviewStep, ...]
    may_edit: bool
    may_amend: bool


@dataclass(frozen=True, slots=True)
class OwnVisitForm:
    """A visit that is about to be logged. `chat`: the conversation that it is told from."""

    now: datetime
    card: DoctorCard
    entry: OwnVisitEntry
    chat: HeldChat | None


async def own_visits(reading: Desk, who: Session, *, every: bool) -> list[OwnVisitLine]:
    """Those that wait for approval, or all."""
    vault = reading.services.vault
    async with reading.reading(who) as tx:
        found = desk_own_visits.newest if every else desk_own_visits.waiting
        return await found(tx, vault, LISTED)


async def own_visit(reading: Desk, who: Session, own_visit_id: int) -> OwnVisitPage:
    """Raises MedrepError(NOT_FOUND): there is none, or not for this colleague."""
    services, now = reading.services, reading.services.clock.now()
    async with reading.reading(who) as tx:
        line = await _line(reading, tx, own_visit_id)
        kept = await versions(tx, services.vault, OWN_VISIT.store, own_visit_id)
    async with services.db.begin() as tx:
        owner = Owner(line.person_id)
        await note(tx, "own_visit.read", now, f"own_visit:{own_visit_id}", owner, login=who.login)
    may = bool(line.body) and bool(who.roles & REVIEWERS)
    is_open = line.state in OPEN_STATES
    steps = history(kept, partial(changed_fields, names=FIELDS))
    return OwnVisitPage(now, line, steps, may and is_open, may and not is_open)


async def _line(reading: Desk, tx: Tx, own_visit_id: int) -> OwnVisitLine:
    line = await desk_own_visits.line_of(tx, reading.services.vault, own_visit_id)
    if line is None:
        raise MedrepError(Fault.NOT_FOUND, "no such visit")
    return line


async def new_own_visit(
    reading: Desk, who: Session, person_id: UUID, takeover_id: int | None
) -> OwnVisitForm:
    """The five fields, as far as the chat that the colleague had with the doctor fills them.

    Raises MedrepError(NOT_FOUND): no such doctor, or no such conversation of theirs.
    """
    services, now = reading.services, reading.services.clock.now()
    async with reading.reading(who) as tx:
        card = await desk.doctor_card(tx, services.vault, person_id)
        if takeover_id is None:
            return OwnVisitForm(now, card, OwnVisitEntry(now, "", "", "", ""), None)
        chat = await _chat(tx, who, person_id, takeover_id, now)
        messages = await desk_chats.transcript(
            tx, services.vault, [chat.contact_id], SHOWN, chat.ended_at + timedelta(seconds=1)
        )
        edition = await reading.in_force(tx)
    said = [
        masked(one, who)
        for one in messages
        if one.at >= chat.started_at - BEFORE and (one.incoming or one.author == who.login)
    ]
    words = [one for one in said if _tellable(one)]
    products = edition.content.products if edition else ()
    named = {name for one in words for name in products_named(one.text, products)}
    topics = "、".join(one.name for one in products if one.id in named)
    place = f"{_CHANNELS.get(Channel(chat.channel), chat.channel)}（线上沟通）"
    told = "\n".join(f"{'医生' if one.incoming else '我'}：{hide_numbers(one.text)}" for one in words)
    entry = OwnVisitEntry(chat.started_at, place, topics[: LONGEST_FIELD["topics"]], told[:_QUOTED], "")
    return OwnVisitForm(now, card, entry, chat)


def _tellable(one: ChatMessage) -> bool:
    """What went elsewhere (medical information, a case, compliance) stands in no report of a visit."""
    return bool(one.text) and not one.withheld and not one.findings and not _refused(one.text)


def _refused(text: str) -> bool:
    return bool(check_text(text, Audience.DOCTOR))


async def _chat(tx: Tx, who: Session, person_id: UUID, takeover_id: int, now: datetime) -> HeldChat:
    chats = await desk_own_visits.unlogged_chats(tx, person_id, who.staff_id, now - RECENT, SHOWN)
    found = next((one for one in chats if one.takeover_id == takeover_id), None)
    if found is None:
        raise MedrepError(Fault.NOT_FOUND, "no such conversation, or it was logged already")
    return found


async def log_own_visit(
    reading: Desk, who: Session, person_id: UUID, entry: OwnVisitEntry, takeover_id: int | None
) -> int:
    """Its id. Raises MedrepError as `bot.visits.log_own_visit`."""
    services, now = reading.services, reading.services.clock.now()
    async with reading.reading(who) as tx:
        await desk.doctor_card(tx, services.vault, person_id)
        chat = await _chat(tx, who, person_id, takeover_id, now) if takeover_id is not None else None

    async def written(tx: Tx) -> int:
        told_in = None
        if chat is not None:
            told_in = chat.takeover_id, await contacts.by_id(tx, chat.contact_id)
        return await visits.log_own_visit(
            tx, services.vault, person_id, entry, who.login, now, told_in=told_in
        )

    return await write(reading, who, OWN_VISIT, None, Owner(person_id), _words(entry), written)


async def change_own_visit(
    reading: Desk, who: Session, own_visit_id: int, seen: int, entry: OwnVisitEntry, reason: str | None
) -> None:
    """An edit, or with a reason an amendment. Raises MedrepError as `bot.visits.edit_own_visit`."""
    services, now = reading.services, reading.services.clock.now()
    async with reading.reading(who) as tx:
        line = await _line(reading, tx, own_visit_id)

    async def written(tx: Tx) -> int:
        if reason is None:
            await visits.edit_own_visit(tx, services.vault, own_visit_id, seen, entry, who.login, now)
            return own_visit_id
        await visits.amend_own_visit(tx, services.vault, own_visit_id, seen, entry, reason, who.login, now)
        if services.crm:
            await visits.hand_on_own_visit(tx, services.vault, own_visit_id, now)
        return own_visit_id

    words = (*_words(entry), reason or "")
    await write(reading, who, OWN_VISIT, own_visit_id, Owner(line.person_id), words, written)


def _words(entry: OwnVisitEntry) -> tuple[str, ...]:
    return tuple(getattr(entry, name) for name in LONGEST_FIELD)


async def approve_own_visit(reading: Desk, who: Session, own_visit_id: int, seen: int) -> None:
    """Raises MedrepError(NOT_FOUND | CONFLICT)."""
    services, now = reading.services, reading.services.clock.now()
    async with reading.reading(who) as tx:
        await _line(reading, tx, own_visit_id)
    async with services.db.begin() as tx:
        await visits.approve_own_visit(tx, own_visit_id, seen, who.login, now)
        if services.crm:
            await visits.hand_on_own_visit(tx, services.vault, own_visit_id, now)


async def watch_own_visit(reading: Desk, who: Session, person_id: UUID, text: str) -> tuple[Flag, ...]:
    """What is found in words while they are typed. Raises MedrepError(NOT_FOUND)."""
    async with reading.reading(who) as tx:
        await desk.doctor_card(tx, reading.services.vault, person_id)
    return watched(text[: max(LONGEST_FIELD.values())])


async def own_visit_file(reading: Desk, who: Session, own_visit_id: int, kind: str) -> bytes:
    """The visit as a file, `kind` docx or json. Raises MedrepError(NOT_FOUND)."""
    async with reading.reading(who) as tx:
        line = await _line(reading, tx, own_visit_id)
    document = visits.document_of(line, line.body)
    return await file_of(reading, who, OWN_VISIT, document, Owner(line.person_id), kind)
