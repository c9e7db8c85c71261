"""Everything that happened with a doctor, in order: messages, and what is none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.clock import CHINA
from bot.content import Edition
from bot.desk.meetings import MeetingLine
from bot.desk.visiting import VisitLine
from bot.schedule import named
from bot.store.appointments import AppointmentRow
from bot.store.desk import DoctorCard, Notice
from bot.store.desk_chats import ChatMessage
from bot.store.desk_doctor import MaterialUse, TakeoverSpan
from bot.store.desk_summaries import SummaryLine
from bot.store.doctors import Invitation

SHOWN = 120


@dataclass(frozen=True, slots=True)
class Entry:
    """A message, or what happened: `kind` names it (`data/console/words.yaml`, event), `detail` says more,
    `href` leads to where it stands."""

    at: datetime
    message: ChatMessage | None = None
    kind: str = ""
    detail: str = ""
    href: str = ""


def timeline(
    messages: Sequence[ChatMessage],
    card: DoctorCard,
    visits: Sequence[VisitLine],
    summaries: dict[int, SummaryLine],
    appointments: Sequence[AppointmentRow],
    meetings: Sequence[MeetingLine],
    uses: Sequence[MaterialUse],
    takeovers: Sequence[TakeoverSpan],
    notices: Sequence[Notice],
    invitation: Invitation | None,
    edition: Edition | None,
    now: datetime,
) -> tuple[Entry, ...]:
    """The newest, the oldest first."""
    found = [Entry(one.at, one) for one in messages]
    found += _of_visits(visits, summaries)
    found += _of_appointments(appointments, now)
    found += _of_meetings(meetings)
    found += [
        Entry(
            one.opened_at, None, "opened", title_of(edition, one.material), f"/console/content/{one.material}"
        )
        for one in uses
        if one.opened_at is not None
    ]
    found += _of_takeovers(takeovers)
    found += [Entry(one.opened_at, None, one.kind, f"#{one.id}") for one in notices]
    if card.verified_at is not None:
        found.append(Entry(card.verified_at, None, "verified"))
    if invitation is not None and invitation.issued_at is not None:
        found.append(Entry(invitation.issued_at, None, "invited", invitation.issued_by))
    return tuple(sorted(found, key=lambda one: one.at)[-SHOWN:])


def title_of(edition: Edition | None, item_id: str) -> str:
    """How content is called; its id, where it is in force no more."""
    if edition is None:
        return item_id
    material, message = edition.content.material.get(item_id), edition.content.key_message.get(item_id)
    return f"《{material.title}》" if material else message.point if message else item_id


def spoken(moment: datetime, now: datetime) -> str:
    return named(moment.astimezone(CHINA), now.astimezone(CHINA).date())


def _of_visits(visits: Sequence[VisitLine], summaries: dict[int, SummaryLine]) -> Iterator[Entry]:
    for line in visits:
        visit = line.visit
        href = f"/console/summaries/{visit.id}" if visit.id in summaries else ""
        if visit.begun_at is not None:
            yield Entry(visit.begun_at, None, "visit_begun", line.objective, href)
        if visit.ended_at is not None:
            yield Entry(visit.ended_at, None, f"visit_{visit.ending}", "", href)


def _of_appointments(appointments: Sequence[AppointmentRow], now: datetime) -> Iterator[Entry]:
    for one in appointments:
        detail = f"{one.rep}，{spoken(one.at, now)}"
        yield Entry(one.proposed_at, None, f"proposed_{one.kind}", detail)
        if one.ended_at is not None:
            other = f"，医生想改到{spoken(one.other_at, now)}" if one.other_at else ""
            yield Entry(one.ended_at, None, f"appointment_{one.state}", f"{detail}{other}")


def _of_meetings(meetings: Sequence[MeetingLine]) -> Iterator[Entry]:
    for one in meetings:
        row, topic = one.invitation, f"《{one.meeting.topic}》"
        if row is None:
            continue
        if not one.own:
            yield Entry(row.invited_at, None, "meeting_invited", topic)
        said = "accepted" if row.accepted_at else "unsure" if row.state == "expired" else row.state
        if row.answered_at is not None and said != "withdrawn":
            yield Entry(row.answered_at, None, f"meeting_{said}", topic)
        if row.ended_at is not None and (row.state == "withdrawn" or row.answered_at is None):
            ended = row.state if row.state == "withdrawn" else one.standing
            yield Entry(row.ended_at, None, f"meeting_{ended}", topic)


def _of_takeovers(takeovers: Sequence[TakeoverSpan]) -> Iterator[Entry]:
    for one in takeovers:
        href = f"/console/conversations/{one.contact_id}"
        yield Entry(one.started_at, None, "taken", one.name, href)
        if one.ended_at is not None:
            yield Entry(one.ended_at, None, "given_back", one.name, href)
