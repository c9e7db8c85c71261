"""A doctor's page, and the list of doctors one may see."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from bot.desk.day import TaskLine, task_lines
from bot.desk.inviting import InvitationOffer, invitation_offer
from bot.desk.leaving import Leave, What, would_leave
from bot.desk.meetings import MeetingLine, meeting_lines
from bot.desk.own_visits import CHATS, RECENT
from bot.desk.proposing import suggested
from bot.desk.reading import Desk, masked
from bot.desk.sending import Item, sendable
from bot.desk.timeline import Entry, timeline, title_of
from bot.desk.visiting import VISITORS, Knowledge, about, knowledge_of, reach, where_to_write
from bot.evidence import Owner, note
from bot.people.takeover import silence
from bot.staff import Session
from bot.store import appointments, desk, desk_chats, desk_doctor, desk_own_visits, desk_summaries
from bot.store.appointments import AppointmentRow
from bot.store.desk import ContactCard, DoctorCard, DoctorLine, Notice
from bot.store.desk_chats import Speaker
from bot.store.desk_doctor import Queued
from bot.store.desk_own_visits import HeldChat, OwnVisitLine
from bot.store.desk_summaries import SummaryLine
from bot.visits import REVIEWERS

SHOWN, LISTED, SCANNED, VISITS, DATES = 60, 100, 5000, 20, 10


@dataclass(frozen=True, slots=True)
class Dealings:
    """What a rep may do for this doctor. `leave`: whether material would leave now; `ask`: whether they would
    be asked now for a time, `first`: which one the form offers; `meet`: whether they would be asked now to
    come to a meeting."""

    leave: Leave
    ask: Leave
    meet: Leave
    first: str
    items: tuple[Item, ...]
    invitation: InvitationOffer


@dataclass(frozen=True, slots=True)
class DoctorPage:
    """`speakers`: who has taken a conversation over, by contact; `summaries`: by visit. `own_visits`: of
    colleagues; `unlogged`: conversations of this one that are logged as none; None: they log none.
    `meetings`: those they may be invited to, or are. `queued`: what waits to leave. `dealings` None: this
    colleague begins nothing with doctors."""

    now: datetime
    card: DoctorCard
    contacts: tuple[ContactCard, ...]
    timeline: tuple[Entry, ...]
    tasks: tuple[TaskLine, ...]
    notices: tuple[Notice, ...]
    speakers: dict[int, Speaker]
    known: Knowledge
    summaries: dict[int, SummaryLine]
    own_visits: tuple[OwnVisitLine, ...]
    unlogged: tuple[HeldChat, ...] | None
    appointments: tuple[AppointmentRow, ...]
    meetings: tuple[MeetingLine, ...]
    queued: tuple[Queued, ...]
    dealings: Dealings | None


async def doctor(reading: Desk, who: Session, person_id: UUID) -> DoctorPage:
    """Raises MedrepError(NOT_FOUND): there is no such doctor, or not for this colleague."""
    services, now = reading.services, reading.services.clock.now()
    async with reading.reading(who) as tx:
        card = await desk.doctor_card(tx, services.vault, person_id)
        contacts = await desk.contacts_of(tx, person_id, now)
        ids = [contact.id for contact in contacts]
        messages = await desk_chats.transcript(tx, services.vault, ids, SHOWN)
        open_tasks = await task_lines(reading, tx, who, SHOWN, ids)
        since = silence(now, services.limits)
        speakers = {one: await desk_chats.speaker_of(tx, one, since) for one in ids}
        notices = await desk.notices(tx, ids)
        begins = bool(who.roles & VISITORS)
        theirs = await about(tx, person_id, now) if begins else None
        contact = await where_to_write(tx, person_id, now) if begins else None
        at = None if contact is None else await reach(reading, tx, contact, theirs, now)
        known = await knowledge_of(reading, tx, card, at, now, begins=begins)
        visited = await desk_summaries.of_person(tx, services.vault, person_id, VISITS)
        own = await desk_own_visits.of_person(tx, services.vault, person_id, VISITS)
        held = None
        if who.roles & REVIEWERS:
            held = await desk_own_visits.unlogged_chats(tx, person_id, who.staff_id, now - RECENT, CHATS)
        summaries = {one.visit_id: one for one in visited}
        dates = await appointments.of_person(tx, person_id, now, DATES)
        sent = await desk_doctor.sent_items(tx, ids)
        invitation = await invitation_offer(tx, card, contacts, now)
        leaves = would_leave(reading, who, at, now) if begins else None
        meet = leaves[What.MEETING] if leaves is not None else None
        invited = await meeting_lines(tx, card, meet, now)
        happened = timeline(
            [masked(message, who) for message in messages],
            card,
            known.visits,
            summaries,
            dates,
            invited,
            await desk_doctor.material_uses(tx, ids),
            await desk_doctor.takeovers(tx, ids),
            notices,
            invitation.held,
            reading.edition,
            now,
        )
        queued = await desk_doctor.queued(tx, services.vault, ids)
        dealings = None
        if leaves is not None:
            items = sendable(reading, theirs, sent, now)
            dealings = Dealings(
                leaves[What.MATERIAL],
                leaves[What.TIME],
                leaves[What.MEETING],
                suggested(now),
                items,
                invitation,
            )
    async with services.db.begin() as tx:
        await note(tx, "doctor.read", now, f"person:{person_id}", Owner(person_id, None), login=who.login)
    return DoctorPage(
        now=now,
        card=card,
        contacts=tuple(contacts),
        timeline=happened,
        tasks=tuple(open_tasks),
        notices=tuple(notices),
        speakers={one: speaker for one, speaker in speakers.items() if speaker},
        known=known,
        own_visits=tuple(own),
        unlogged=None if held is None else tuple(held),
        summaries=summaries,
        appointments=tuple(dates),
        meetings=invited,
        queued=tuple(_shown(reading, one) for one in queued),
        dealings=dealings,
    )


def _shown(reading: Desk, one: Queued) -> Queued:
    """What a colleague has sent, by its title in place of its words."""
    if not one.about.startswith(desk_doctor.SENT):
        return one
    item = one.about.removeprefix(desk_doctor.SENT).rpartition("@")[0]
    return replace(one, text=title_of(reading.edition, item))


async def doctor_list(reading: Desk, who: Session, words: str) -> list[DoctorLine]:
    """Doctors whose name or hospital holds these words; without words the first of all."""
    async with reading.reading(who) as tx:
        return await desk.find_doctors(tx, reading.services.vault, words.strip()[:40], LISTED, SCANNED)
