"""Conversations: the list with its filters, and one of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from bot.desk.acting import CallingOffer, calling_offer
from bot.desk.approved import Phrase, phrases
from bot.desk.day import TaskLine, task_lines
from bot.desk.reading import Desk, Mark, masked, withheld_from
from bot.evidence import Owner, note
from bot.model import Fault
from bot.people import takeover
from bot.people import transfer as transferring
from bot.staff import Session
from bot.store import chat_notes, contacts, desk, desk_chats
from bot.store.chat_notes import ChatNote
from bot.store.database import Tx
from bot.store.desk import ContactCard, Counterpart, Notice
from bot.store.desk_chats import ChatLine, ChatMessage, LastWords, Speaker
from bot.store.takeovers import Receiver

LISTED, SCANNED, SHOWN, NOTES = 100, 2000, 80, 30
FILTERS = ("all", "waiting", "mine", "unanswered")


@dataclass(frozen=True, slots=True)
class ChatRow:
    """A conversation in the list, and what was written last; None: that is withheld from one."""

    line: ChatLine
    about: Counterpart
    words: LastWords | None


@dataclass(frozen=True, slots=True)
class Chat:
    """One conversation as it stands. `blocks`: why nothing may be typed into it now, empty when it may;
    `mark` goes along with whatever is sent from the page."""

    now: datetime
    contact: ContactCard
    about: Counterpart
    messages: tuple[ChatMessage, ...]
    earlier: datetime | None
    speaker: Speaker | None
    mine: bool
    may_claim: bool
    may_hand_back: bool
    blocks: tuple[Fault, ...]
    tasks: tuple[TaskLine, ...]
    notices: tuple[Notice, ...]
    notes: tuple[ChatNote, ...]
    may_note: bool
    receivers: tuple[Receiver, ...]  # whom it may be given to; nobody, where that is not for this colleague
    phrases: tuple[Phrase, ...]  # approved replies, where this colleague may send one
    products: tuple[tuple[str, str], ...]  # what stands in a blank for a product: (id, name)
    calling: CallingOffer | None  # the platform's template, where its window is closed
    mark: Mark


async def chats(reading: Desk, who: Session, which: str) -> list[ChatRow]:
    """Those of a filter."""
    async with reading.reading(who) as tx:
        lines = await fitting(tx, who, which)
        return await chat_rows(tx, reading, lines[:LISTED], who)


async def fitting(tx: Tx, who: Session, which: str) -> list[ChatLine]:
    """Conversations of a filter, of those that wrote last."""
    lines = await desk_chats.recent(tx, LISTED if which == "all" else SCANNED, SCANNED)
    return [line for line in lines if _fits(line, which, who)]


async def chat_rows(tx: Tx, reading: Desk, lines: list[ChatLine], who: Session) -> list[ChatRow]:
    """With whom they are, and what was written last as far as this colleague reads it."""
    vault, but = reading.services.vault, withheld_from(who)
    about = await desk.counterparts(tx, vault, [line.contact_id for line in lines])
    said = await desk_chats.words_of(tx, vault, [line.last_id for line in lines])
    readable = {key: one for key, one in said.items() if one.withheld not in but}
    return [
        ChatRow(line, about[line.contact_id], readable.get(line.last_id))
        for line in lines
        if line.contact_id in about
    ]


def _fits(line: ChatLine, which: str, who: Session) -> bool:
    match which:
        case "waiting":
            return line.waiting_since is not None
        case "mine":
            return line.taken_by == who.login
        case "unanswered":
            return line.unanswered
        case _:
            return True


def _readable(one: ChatNote, who: Session) -> ChatNote:
    """The note as this colleague may read it; one's own always."""
    if one.login != who.login and one.withheld in withheld_from(who):
        return replace(one, text="")
    return replace(one, withheld="")


async def chat(
    reading: Desk, who: Session, contact_id: int, *, before: datetime | None = None, opened: bool = True
) -> Chat:
    """`before`: what was said earlier. `opened`: it is noted who read it; a live update is not.

    Raises MedrepError(NOT_FOUND): there is no such contact, or not for this colleague.
    """
    services, now = reading.services, reading.services.clock.now()
    async with reading.reading(who) as tx:
        card = await desk.contact_card(tx, contact_id, now)
        about = (await desk.counterparts(tx, services.vault, [contact_id]))[contact_id]
        # How it stands before what is shown is read: what comes in between is never taken for seen.
        received, sent, _, held = await desk_chats.state_of(tx, contact_id)
        messages = await desk_chats.transcript(tx, services.vault, [contact_id], SHOWN, before)
        speaker = await desk_chats.speaker_of(tx, contact_id, takeover.silence(now, services.limits))
        open_tasks = await task_lines(reading, tx, who, SHOWN, [contact_id])
        notices = await desk.notices(tx, [contact_id])
        notes = await chat_notes.of_contact(tx, services.vault, contact_id, NOTES)
    speaks = bool(who.roles & takeover.ROLES)
    mine = speaker is not None and speaker.login == who.login
    may_hand_back = mine or (speaker is not None and takeover.may_end(who.roles))
    receivers: list[Receiver] = []
    async with services.db.begin() as tx:
        if opened:
            owner = Owner(about.person_id, contact_id)
            await note(tx, "conversation.read", now, f"contact:{contact_id}", owner, login=who.login)
        found = await contacts.by_id(tx, contact_id)
        blocks = await takeover.obstacles(tx, found, who.login, now)
        if speaker is not None and may_hand_back:
            receivers = await transferring.receivers(tx, found, but=speaker.login)
        edition = await reading.in_force(tx) if mine else None
        offer = await calling_offer(tx, reading, found, speaker.takeover) if speaker and mine else None
    return Chat(
        now=now,
        contact=card,
        about=about,
        messages=tuple(masked(message, who) for message in messages),
        earlier=messages[0].at if len(messages) == SHOWN else None,
        speaker=speaker,
        mine=mine,
        may_claim=speaks and speaker is None,
        may_hand_back=may_hand_back,
        blocks=blocks if speaks else (),
        tasks=tuple(open_tasks),
        notices=tuple(notices),
        notes=tuple(_readable(one, who) for one in notes),
        may_note=speaks,
        receivers=tuple(receivers),
        phrases=phrases(services.published.dialogue, found.audience) if mine else (),
        products=tuple((one.id, one.generic) for one in edition.content.products) if edition else (),
        calling=offer,
        mark=Mark(received, sent, held),
    )
