"""A doctor's page, and the list of doctors one may see."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from bot.desk.day import TaskLine, task_lines
from bot.desk.own_visits import CHATS, RECENT
from bot.desk.reading import Desk, masked
from bot.desk.visiting import Knowledge, knowledge_of
from bot.evidence import Owner, note
from bot.people.takeover import silence
from bot.staff import Session
from bot.store import desk, desk_chats, desk_own_visits, desk_summaries
from bot.store.desk import ContactCard, DoctorCard, DoctorLine, Notice
from bot.store.desk_chats import ChatMessage, Speaker
from bot.store.desk_own_visits import HeldChat, OwnVisitLine
from bot.store.desk_summaries import SummaryLine
from bot.visits import REVIEWERS

SHOWN, LISTED, SCANNED, VISITS = 60, 100, 5000, 20


@dataclass(frozen=True, slots=True)
class DoctorPage:
    """`speakers`: who has taken a conversation over, by contact; `summaries`: by visit. `own_visits`: of
    colleagues; `unlogged`: conversations of this one that are logged as none; None: they log none."""

    now: datetime
    card: DoctorCard
    contacts: tuple[ContactCard, ...]
    timeline: tuple[ChatMessage, ...]
    tasks: tuple[TaskLine, ...]
    notices: tuple[Notice, ...]
    speakers: dict[int, Speaker]
    known: Knowledge
    summaries: dict[int, SummaryLine]
    own_visits: tuple[OwnVisitLine, ...]
    unlogged: tuple[HeldChat, ...] | None


async def doctor(reading: Desk, who: Session, person_id: UUID) -> DoctorPage:
    """Raises MedrepError(NOT_FOUND): there is no such doctor, or not for this colleague."""
    services, now = reading.services, reading.services.clock.now()
    async with reading.reading(who) as tx:
        card = await desk.doctor_card(tx, services.vault, person_id)
        contacts = await desk.contacts_of(tx, person_id, now)
        ids = [contact.id for contact in contacts]
        timeline = await desk_chats.transcript(tx, services.vault, ids, SHOWN)
        open_tasks = await task_lines(reading, tx, who, SHOWN, ids)
        since = silence(now, services.limits)
        speakers = {one: await desk_chats.speaker_of(tx, one, since) for one in ids}
        notices = await desk.notices(tx, ids)
        known = await knowledge_of(reading, tx, who, card.external_id, person_id, now)
        visited = await desk_summaries.of_person(tx, services.vault, person_id, VISITS)
        own = await desk_own_visits.of_person(tx, services.vault, person_id, VISITS)
        held = None
        if who.roles & REVIEWERS:
            held = await desk_own_visits.unlogged_chats(tx, person_id, who.staff_id, now - RECENT, CHATS)
    async with services.db.begin() as tx:
        await note(tx, "doctor.read", now, f"person:{person_id}", Owner(person_id, None), login=who.login)
    return DoctorPage(
        now=now,
        card=card,
        contacts=tuple(contacts),
        timeline=tuple(masked(message, who) for message in timeline),
        tasks=tuple(open_tasks),
        notices=tuple(notices),
        speakers={one: speaker for one, speaker in speakers.items() if speaker},
        known=known,
        summaries={one.visit_id: one for one in visited},
        own_visits=tuple(own),
        unlogged=None if held is None else tuple(held),
    )


async def doctor_list(reading: Desk, who: Session, words: str) -> list[DoctorLine]:
    """Doctors whose name or hospital holds these words; without words the first of all."""
    async with reading.reading(who) as tx:
        return await desk.find_doctors(tx, reading.services.vault, words.strip()[:40], LISTED, SCANNED)
