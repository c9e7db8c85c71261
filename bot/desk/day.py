"""My day: who waits, what is due, whom one looks after."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from bot import tasks
from bot.clock import CHINA
from bot.desk.meetings import ProgrammeLine, next_meetings
from bot.desk.reading import Desk
from bot.desk.requests import REQUEST_READERS, request_counts
from bot.desk.visiting import VISITORS
from bot.profiles import Suggestion, read_suggestions
from bot.staff import Role, Session
from bot.store import appointments, desk, desk_chats, desk_summaries
from bot.store import tasks as task_rows
from bot.store.appointments import AppointmentRow
from bot.store.database import Tx
from bot.store.desk import Counterpart, DoctorLine
from bot.store.desk_chats import ChatLine
from bot.store.desk_requests import RequestCounts
from bot.store.staff import StaffRow
from bot.store.tasks import TaskRow
from bot.visits import REVIEWERS

TASKS, DOCTORS, CHATS, SUGGESTED, DATES = 60, 60, 60, 20, 20
# Whoever reads the tasks by which somebody wants a person: to all others it would look as if nobody waited.
WAITED_FOR = frozenset({Role.REP, Role.MANAGER, Role.CARE, Role.AUDITOR})


@dataclass(frozen=True, slots=True)
class TaskLine:
    """A task, whom it concerns (None: nobody), whether it is overdue. `mine`: this colleague may do it."""

    row: TaskRow
    about: Counterpart | None
    overdue: bool
    mine: bool


@dataclass(frozen=True, slots=True)
class Day:
    """`waiting`: conversations in which somebody wants a person, the longest first. `more_tasks`: not all are
    shown. `dates`: times that they and doctors agreed on, from this morning on; `meetings`: the next, with
    their doctors who were invited. `suggested`: whom to see next, and why. `summaries`: how many
    this colleague has to review; `requests`: to medical information. None: that is not their work."""

    now: datetime
    waiting: tuple[tuple[ChatLine, Counterpart], ...] | None
    tasks: tuple[TaskLine, ...]
    more_tasks: bool
    doctors: tuple[DoctorLine, ...]
    dates: tuple[tuple[AppointmentRow, DoctorLine], ...] | None
    meetings: tuple[ProgrammeLine, ...] | None
    suggested: tuple[tuple[Suggestion, DoctorLine], ...] | None
    summaries: int | None
    requests: RequestCounts | None


async def day(reading: Desk, who: Session) -> Day:
    services, now = reading.services, reading.services.clock.now()
    async with reading.reading(who) as tx:
        found = await task_lines(reading, tx, who, TASKS + 1)
        lines = await desk_chats.waiting(tx, CHATS) if who.roles & WAITED_FOR else []
        people = await desk.counterparts(tx, services.vault, [line.contact_id for line in lines])
        summaries = await desk_summaries.waiting(tx) if who.roles & REVIEWERS else None
        readers = bool(who.roles & REQUEST_READERS)
        requests = await request_counts(reading, tx, who) if readers else None
        own = await desk.own_doctors(tx, services.vault, who.staff_id, DOCTORS)
        dates = meetings = suggested = None
        if who.roles & VISITORS:
            dates = await _dates(reading, tx, who, now)
            meetings = await next_meetings(reading, tx, now)
            suggested = await _suggested(reading, tx)
    waiting = [(line, people[line.contact_id]) for line in lines if line.contact_id in people]
    return Day(
        now=now,
        waiting=tuple(waiting) if who.roles & WAITED_FOR else None,
        tasks=tuple(found[:TASKS]),
        more_tasks=len(found) > TASKS,
        doctors=tuple(sorted(own, key=_longest_ago)),
        dates=dates,
        meetings=meetings,
        suggested=suggested,
        summaries=summaries,
        requests=requests,
    )


async def _dates(
    reading: Desk, tx: Tx, who: Session, now: datetime
) -> tuple[tuple[AppointmentRow, DoctorLine], ...]:
    """The next first; what has just begun stands until the day is over."""
    morning = now.astimezone(CHINA).replace(hour=0, minute=0, second=0, microsecond=0)
    found = await appointments.ahead(tx, who.staff_id, morning, DATES)
    listed = await _listed(reading, tx, {one.person_id for one in found})
    return tuple((one, listed[one.person_id]) for one in found if one.person_id in listed)


async def _suggested(reading: Desk, tx: Tx) -> tuple[tuple[Suggestion, DoctorLine], ...]:
    """The newest of those that are open; who is on no list yet stands among the tasks."""
    found = await read_suggestions(tx, reading.services.vault, limit=SUGGESTED)
    listed = await _listed(reading, tx, {one.person_id for one in found})
    return tuple((one, listed[one.person_id]) for one in found if one.person_id in listed)


async def _listed(reading: Desk, tx: Tx, people: set[UUID]) -> dict[UUID, DoctorLine]:
    if not people:
        return {}
    return {one.person_id: one for one in await desk.doctors_of(tx, reading.services.vault, people)}


def _longest_ago(line: DoctorLine) -> tuple[bool, datetime | None]:
    """Whom we have been in touch with, the longest ago first; then whom never."""
    last = max((moment for moment in (line.last_in, line.last_out) if moment), default=None)
    return last is None, last


async def task_lines(
    reading: Desk, tx: Tx, who: Session, limit: int, contact_ids: list[int] | None = None
) -> list[TaskLine]:
    """What waits for a person and this colleague may see, by due time."""
    services, now = reading.services, reading.services.clock.now()
    rows = await task_rows.next_due(tx, services.vault, limit, contact_ids)
    reader = StaffRow(who.staff_id, who.name, who.login, tuple(who.roles), who.team, False, None)
    rows = [row for row in rows if tasks.visible(row, reader) or _of_care(row, who)]
    concerned = {row.contact_id for row in rows if row.contact_id is not None}
    people = await desk.counterparts(tx, services.vault, concerned)
    return [
        TaskLine(row, people.get(row.contact_id or 0), row.due_at < now, tasks.may_handle(row, who.roles))
        for row in rows
    ]


def _of_care(row: TaskRow, who: Session) -> bool:
    """What nobody's rep has of a patient is for the care team; the database shows it to nobody else."""
    return Role.CARE in who.roles and row.owner_role == Role.REP and row.owner is None
