"""Meetings: which there are, who is invited and what they say, and inviting one doctor from their page.

What is said of a meeting is approved content; nothing here changes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from bot import meetings
from bot.content import meetings_known
from bot.desk.leaving import Leave, What, begin_writing
from bot.desk.reading import Desk
from bot.desk.sending import why_fits
from bot.evidence import Owner, note
from bot.knowledge import Meeting
from bot.meetings import InvitationRow
from bot.model import Fault, MedrepError
from bot.staff import Session
from bot.store import contacting, desk, desk_meetings
from bot.store import meetings as invitations
from bot.store.database import Tx
from bot.store.desk import DoctorCard
from bot.store.desk_meetings import Invitee

NEAREST, NAMED = 5, 6  # meetings of a day, and invitees of each that are named
PAST, INVITEES = 50, 300
RECALLABLE = frozenset({"waiting", "asked", "unsure"})
GONE = frozenset({"withdrawn"})  # of whom no answer is awaited


def standing_of(row: InvitationRow | Invitee, now: datetime) -> str:
    """How an invitation stands (`data/console/words.yaml`, invitation), also before it is looked after."""
    if row.state == "waiting" and row.starts_at <= now:
        return "unasked"
    if row.state == "asked" and row.ends_at <= now:
        return "expired"
    if row.state != "expired":
        return row.state
    return "unsure" if row.answered_at else "expired" if row.asked else "unasked"


@dataclass(frozen=True, slots=True)
class MeetingLine:
    """A meeting on a doctor's page. `fits`: why it suits them, "" for no reason of its own. `standing`: how
    the invitation stands, "" without one. `leave`: whether they may be invited now; None: they are not to
    be."""

    meeting: Meeting
    fits: str
    standing: str
    invitation: InvitationRow | None
    leave: Leave | None
    recallable: bool

    @property
    def own(self) -> bool:
        """They put their name down without being asked."""
        return self.invitation is not None and self.invitation.invited_by == meetings.SELF


async def meeting_lines(
    tx: Tx, card: DoctorCard, leave: Leave | None, now: datetime
) -> tuple[MeetingLine, ...]:
    """What they may be invited to, and what they are or were. `leave` None: this colleague invites nobody,
    and sees the latter alone."""
    found = await meetings.offered(tx, card.person_id, card.department, card.interests, now)
    lines = []
    for one in found:
        meeting, row = one.meeting, one.invitation
        if row is None and leave is None:
            continue
        fits = why_fits(meeting.interests, meeting.specialties, card.interests, card.department)
        standing = standing_of(row, now) if row is not None else ""
        may = leave.before(meeting.starts_at) if leave is not None and one.invitable else None
        recallable = leave is not None and row is not None and _recallable(row, now)
        lines.append(MeetingLine(meeting, fits, standing, row, may, recallable))
    return tuple(lines)


def _recallable(row: InvitationRow, now: datetime) -> bool:
    """Nobody counts on it yet."""
    return row.state in RECALLABLE and standing_of(row, now) in RECALLABLE and row.ends_at > now


async def invite_to(reading: Desk, who: Session, person_id: UUID, meeting_id: str) -> InvitationRow:
    """The doctor is asked in the chat as soon as that may leave.

    Raises MedrepError(NOT_FOUND | CONFLICT: not now, not this one, or they are invited).
    """
    services, now = reading.services, reading.services.clock.now()
    async with reading.reading(who) as tx:
        await desk.doctor_card(tx, services.vault, person_id)
        known = {one.meeting.id: one for one in await meetings_known(tx)}
    if meeting_id not in known:
        raise MedrepError(Fault.NOT_FOUND, "no such meeting")
    meeting = known[meeting_id].meeting
    if not known[meeting_id].in_force or meeting.starts_at <= now:
        raise MedrepError(Fault.CONFLICT, "会议已经开始、取消或撤下")
    async with services.db.begin() as tx:
        contact = await begin_writing(
            reading, tx, who, person_id, now, What.MEETING, before=meeting.starts_at
        )
        try:
            return await meetings.invite(tx, contact, meeting_id, who.login, now)
        except MedrepError as error:
            if error.fault != Fault.CONFLICT:
                raise
            raise MedrepError(Fault.CONFLICT, "这位医生已经在邀请名单里") from None


async def recall_invitation(reading: Desk, who: Session, person_id: UUID, invitation_id: int) -> None:
    """It is not put any more, and nobody waits for an answer to it.

    Raises MedrepError(NOT_FOUND | CONFLICT: they have said whether they come, or it is over).
    """
    services, now = reading.services, reading.services.clock.now()
    async with reading.reading(who) as tx:
        await desk.doctor_card(tx, services.vault, person_id)
        seen = await invitations.by_id(tx, invitation_id)
    if seen is None or seen.person_id != person_id:
        raise MedrepError(Fault.NOT_FOUND, "no such invitation")
    async with services.db.begin() as tx:
        await contacting.lock_contacts(tx, [seen.contact_id])
        row = await invitations.by_id(tx, invitation_id, lock=True)
        if row is None or not _recallable(row, now):
            why = "医生已经答复，请直接与医生联系" if row and row.answered_at else "这份邀请已经结束"
            raise MedrepError(Fault.CONFLICT, why)
        await meetings.withdraw(tx, row, now, "recalled")
        owner = Owner(row.person_id, row.contact_id)
        await note(tx, "meeting.recalled", now, row.subject, owner, login=who.login)


# ---------------------------------------------------------------- the programme


@dataclass(frozen=True, slots=True)
class ProgrammeLine:
    """A meeting, and how many whom the colleague sees were invited and said what. `named`: some of them, with
    how they stand; `more`: how many are not."""

    meeting: Meeting
    in_force: bool
    product: str
    counts: Mapping[str, int]
    named: tuple[tuple[Invitee, str], ...] = ()
    more: int = 0

    @property
    def invited(self) -> int:
        return sum(number for state, number in self.counts.items() if state not in GONE)

    @property
    def waiting(self) -> int:
        """Of how many no answer has come."""
        return sum(self.counts.get(state, 0) for state in ("waiting", "asked"))


@dataclass(frozen=True, slots=True)
class Programme:
    """Meetings that are ahead or under way, the next first; those that are over or called off, the last
    first."""

    ahead: tuple[ProgrammeLine, ...]
    past: tuple[ProgrammeLine, ...]


async def programme(reading: Desk, who: Session) -> Programme:
    now = reading.services.clock.now()
    async with reading.reading(who) as tx:
        lines = await _lines(reading, tx)
    ahead = [one for one in lines if _is_ahead(one, now)]
    past = [one for one in reversed(lines) if not _is_ahead(one, now)]
    return Programme(tuple(ahead), tuple(past[:PAST]))


async def meeting(reading: Desk, who: Session, meeting_id: str) -> ProgrammeLine:
    """With the invitees whom the colleague sees. Raises MedrepError(NOT_FOUND)."""
    now = reading.services.clock.now()
    async with reading.reading(who) as tx:
        found = [one for one in await _lines(reading, tx) if one.meeting.id == meeting_id]
        if not found:
            raise MedrepError(Fault.NOT_FOUND, "no such meeting")
        named = await _named(reading, tx, found, INVITEES)
    return _with(found[0], named.get(meeting_id, []), sum(found[0].counts.values()), now)


async def next_meetings(reading: Desk, tx: Tx, now: datetime) -> tuple[ProgrammeLine, ...]:
    """The nearest, with some of the doctors who were invited."""
    ahead = [one for one in await _lines(reading, tx) if _is_ahead(one, now)][:NEAREST]
    found = await _named(reading, tx, ahead, NAMED)
    lines = []
    for one in ahead:
        named = [invitee for invitee in found.get(one.meeting.id, []) if invitee.state not in GONE]
        lines.append(_with(one, named, one.invited, now))
    return tuple(lines)


def _is_ahead(line: ProgrammeLine, now: datetime) -> bool:
    return line.in_force and line.meeting.ends_at > now


async def _lines(reading: Desk, tx: Tx) -> list[ProgrammeLine]:
    known = await meetings_known(tx)
    counts = await invitations.counts(tx) if known else {}
    products = reading.edition.content.product if reading.edition is not None else {}
    lines = []
    for one in known:
        product = one.meeting.product or ""
        name = products[product].generic if product in products else product
        lines.append(ProgrammeLine(one.meeting, one.in_force, name, counts.get(one.meeting.id, {})))
    return lines


async def _named(
    reading: Desk, tx: Tx, lines: Sequence[ProgrammeLine], limit: int
) -> dict[str, list[Invitee]]:
    invited = [one.meeting.id for one in lines if one.counts]
    return await desk_meetings.invitees(tx, reading.services.vault, invited, limit) if invited else {}


def _with(line: ProgrammeLine, found: Sequence[Invitee], of: int, now: datetime) -> ProgrammeLine:
    named = tuple((one, standing_of(one, now)) for one in found)
    return replace(line, named=named, more=of - len(named))
