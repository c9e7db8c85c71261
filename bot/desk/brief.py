"""Before a contact, on one screen: what was last, what is open, what was promised, what suits them. By rules
from rows; each line names where it stands. What went to medical information is its number alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from bot.desk.day import TaskLine, task_lines
from bot.desk.meetings import MeetingLine, meeting_lines
from bot.desk.reading import Desk, masked
from bot.desk.sending import WAITS, Item, sendable
from bot.desk.timeline import spoken
from bot.desk.visiting import about
from bot.evidence import Owner, note
from bot.staff import Session
from bot.store import appointments, desk, desk_chats, desk_doctor, desk_summaries
from bot.store.appointments import AppointmentRow
from bot.store.database import Tx
from bot.store.desk import DoctorCard, Notice
from bot.store.desk_chats import ChatMessage
from bot.store.desk_doctor import MaterialUse
from bot.store.desk_summaries import SummaryLine
from bot.store.desk_versions import newest
from bot.store.reviewed import SUMMARY
from bot.tasks import Kind

LAST, TASKS, ITEMS, WORDS = 4, 20, 5, 80
# What somebody was told that a colleague does until its due time.
_PROMISES = frozenset({Kind.HAND_OVER, Kind.MATERIAL, Kind.FEEDBACK, Kind.APPOINTMENT})


@dataclass(frozen=True, slots=True)
class BriefLine:
    """`kind` says what it is (`data/console/words.yaml`, brief); `source` what it rests on, at `href`."""

    kind: str
    text: str
    at: datetime | None
    source: str
    href: str


@dataclass(frozen=True, slots=True)
class Brief:
    now: datetime
    card: DoctorCard
    last: tuple[BriefLine, ...]
    open: tuple[BriefLine, ...]
    promised: tuple[BriefLine, ...]
    material: tuple[BriefLine, ...]


async def brief(reading: Desk, who: Session, person_id: UUID) -> Brief:
    """Raises MedrepError(NOT_FOUND): there is no such doctor, or not for this colleague."""
    services, now = reading.services, reading.services.clock.now()
    async with reading.reading(who) as tx:
        card = await desk.doctor_card(tx, services.vault, person_id)
        ids = [one.id for one in await desk.contacts_of(tx, person_id, now)]
        messages = [masked(one, who) for one in await _messages(reading, tx, ids)]
        tasks = await task_lines(reading, tx, who, TASKS, ids)
        notices = [one for one in await desk.notices(tx, ids) if one.state != "done"]
        summaries = await desk_summaries.of_person(tx, services.vault, person_id, 1)
        said = await newest(tx, services.vault, SUMMARY, summaries[0].visit_id) if summaries else {}
        dates = await appointments.of_person(tx, person_id, now, TASKS)
        invited = await meeting_lines(tx, card, None, now)
        sent = await desk_doctor.sent_items(tx, ids)
        uses = await desk_doctor.material_uses(tx, ids)
        items = sendable(reading, await about(tx, person_id, now), sent, now)
    async with services.db.begin() as tx:
        await note(tx, "brief.read", now, f"person:{person_id}", Owner(person_id, None), login=who.login)
    page = f"/console/doctors/{person_id}"
    return Brief(
        now,
        card,
        last=(*_last(messages, ids), *_visited(summaries)),
        open=(
            *_unanswered(messages, ids),
            *map(_task, tasks),
            *(_notice(one, page) for one in notices),
            *_invited(invited, ("waiting", "asked", "unsure"), page, now),
        ),
        promised=(
            *_promised(tasks, notices, summaries, said, dates, page, now),
            *_invited(invited, ("accepted",), page, now),
        ),
        material=tuple(_material(one, uses, now) for one in items[:ITEMS]),
    )


async def _messages(reading: Desk, tx: Tx, ids: Sequence[int]) -> list[ChatMessage]:
    return await desk_chats.transcript(tx, reading.services.vault, ids, 40)


def _where(one: ChatMessage, ids: Sequence[int]) -> str:
    # A doctor with several accounts has a page for each; their own page shows all of it.
    way = "in" if one.incoming else "out"
    return f"/console/conversations/{ids[0]}#{way}-{one.id}" if len(ids) == 1 else ""


def _words(one: ChatMessage) -> str:
    if one.withheld:
        return ""
    text = " ".join(one.text.split())
    return text if len(text) <= WORDS else f"{text[:WORDS]}…"


def _last(messages: Sequence[ChatMessage], ids: Sequence[int]) -> Iterator[BriefLine]:
    for one in [one for one in reversed(messages) if one.incoming or one.state in ("sent", "delivered")][
        :LAST
    ]:
        kind = "came" if one.incoming else "went" if one.author == "bot" else "typed"
        kind = f"withheld_{one.withheld}" if one.withheld else kind
        yield BriefLine(kind, _words(one), one.at, "message", _where(one, ids))


def _visited(summaries: Sequence[SummaryLine]) -> Iterator[BriefLine]:
    for one in summaries:
        yield BriefLine("visited", "", one.begun_at, "summary", f"/console/summaries/{one.visit_id}")


def _unanswered(messages: Sequence[ChatMessage], ids: Sequence[int]) -> Iterator[BriefLine]:
    last = messages[-1] if messages else None
    if last is not None and last.incoming:
        kind = f"withheld_{last.withheld}" if last.withheld else "unanswered"
        yield BriefLine(kind, _words(last), last.at, "message", _where(last, ids))


def _task(line: TaskLine) -> BriefLine:
    row = line.row
    detail = " ".join((row.detail or "").split())[:WORDS]
    return BriefLine(f"task_{row.kind}", detail, row.opened_at, "task", f"/console/#task-{row.id}")


def _notice(one: Notice, page: str) -> BriefLine:
    return BriefLine(f"task_{one.kind}", f"#{one.id}", one.opened_at, "request", f"{page}#open")


def _invited(
    invited: Sequence[MeetingLine], standings: Sequence[str], page: str, now: datetime
) -> Iterator[BriefLine]:
    """To meetings that are not over, and stand in one of these ways."""
    for one in invited:
        if one.standing in standings and one.meeting.ends_at > now:
            text = f"《{one.meeting.topic}》，{spoken(one.meeting.starts_at, now)}"
            yield BriefLine(f"meeting_{one.standing}", text, None, "meeting", f"{page}#meetings")


def _promised(
    tasks: Sequence[TaskLine],
    notices: Sequence[Notice],
    summaries: Sequence[SummaryLine],
    said: Mapping[str, Any],
    dates: Sequence[AppointmentRow],
    page: str,
    now: datetime,
) -> Iterator[BriefLine]:
    for line in tasks:
        if line.row.kind in _PROMISES:
            href = f"/console/#task-{line.row.id}"
            yield BriefLine(f"due_{line.row.kind}", f"{spoken(line.row.due_at, now)}前", None, "task", href)
    for one in notices:
        text = f"#{one.id}，{spoken(one.due_at, now)}前"
        yield BriefLine(f"due_{one.kind}", text, None, "request", f"{page}#open")
    for date in dates:
        if date.state in ("agreed", "other") and (date.other_at or date.at) > now:
            other = f"；医生想改到{spoken(date.other_at, now)}" if date.other_at else ""
            text = f"{date.rep}，{spoken(date.at, now)}{other}"
            yield BriefLine(f"{date.state}_{date.kind}", text, None, "appointment", f"{page}#time")
    if step := str(said.get("next_step", "")):
        href = f"/console/summaries/{summaries[0].visit_id}"
        yield BriefLine("next_step", step, None, "summary", href)


def _material(one: Item, uses: Sequence[MaterialUse], now: datetime) -> BriefLine:
    used = next((use for use in uses if use.material == one.id), None)
    told, state = "", one.last.state if one.last is not None else ""
    if state in WAITS:
        told = "等着发出"
    elif used is not None and (state in ("", "sent", "delivered") or used.opens):
        opened = f"打开{used.opens}次，读了{used.seconds}秒" if used.opens else "还没有打开"
        told = f"{spoken(used.sent_at, now)}发过，{opened}"
    elif one.last is not None and state in ("sent", "delivered"):
        told = f"{spoken(one.last.at, now)}发过"
    text = "；".join(part for part in (one.title, one.fits, told) if part)
    return BriefLine(one.kind, text, None, one.source, f"/console/content/{one.id}")
