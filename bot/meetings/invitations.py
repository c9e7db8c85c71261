"""Inviting one doctor, and what they answer. The contact is locked by the caller."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from bot.content import KnownMeeting, fitting_meetings, meetings_in_force, meetings_known
from bot.evidence import Owner, note
from bot.knowledge import Meeting
from bot.meetings.answers import Answer
from bot.meetings.programme import upcoming
from bot.meetings.reminders import cancel_all, put, remind
from bot.model import Fault, MedrepError, Purpose
from bot.people import consent
from bot.store import contacting, doctors
from bot.store import meetings as store
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.meetings import InvitationRow

SELF = "self"  # who invited somebody that put their name down without being asked
LISTED = 20


@dataclass(frozen=True, slots=True)
class Offered:
    """A meeting that a doctor may be invited to, or was: `invitation`. `ahead`: it is in force and has not
    begun."""

    meeting: Meeting
    invitation: InvitationRow | None
    ahead: bool

    @property
    def invitable(self) -> bool:
        """Nobody has invited them, or what there was was withdrawn."""
        return self.ahead and (self.invitation is None or self.invitation.state == "withdrawn")


@dataclass(frozen=True, slots=True)
class Invited:
    """An invitation to a meeting that is ahead, as it is announced now."""

    row: InvitationRow
    meeting: Meeting


async def offered(
    tx: Tx, person_id: UUID, department: str, interests: Collection[str], now: datetime
) -> tuple[Offered, ...]:
    """The meetings ahead that fit this doctor, what they share an interest with first; then those that they
    are or were invited to besides, the latest first."""
    known = await meetings_known(tx)
    theirs = {one.meeting_id: one for one in await store.of_person(tx, person_id, LISTED)}
    ahead = [one.meeting for one in known if one.in_force and one.meeting.starts_at > now]
    fit = fitting_meetings(ahead, department, interests)
    others = [one.meeting for one in known if one.meeting.id in theirs and one.meeting not in fit]
    return tuple(Offered(one, theirs.get(one.id), one in ahead) for one in (*fit, *reversed(others)))


async def invite(tx: Tx, contact: Contact, meeting_id: str, by: str, now: datetime) -> InvitationRow:
    """The doctor is asked at the next moment that what binds us lets us; `by`: a login.

    Raises MedrepError: NOT_FOUND (no such meeting is in force), BAD_INPUT (it has begun), CONFLICT (they are
    not verified, or were invited before).
    """
    meeting = await _in_force(tx, meeting_id)
    if meeting.starts_at <= now:
        raise MedrepError(Fault.BAD_INPUT, f"meeting {meeting_id} has begun")
    row = await _put_down(tx, contact, meeting, by, now)
    await note(tx, "meeting.invited", now, row.subject, contact, meeting=meeting_id, by=by)
    return await store.change(tx, row.id, timers=[await put(tx, row, contact, now)])


async def join(tx: Tx, contact: Contact, meeting: Meeting, turn_id: UUID, now: datetime) -> InvitationRow:
    """They want to come to a meeting in force, whether or not they were invited to it."""
    row = await store.to_meeting(tx, meeting.id, contact.person_id)
    if row is None or row.ended_at is not None:
        row = await _put_down(tx, contact, meeting, SELF, now)
    return await answer(tx, row, contact, Answer.ACCEPTED, turn_id, now)


async def _in_force(tx: Tx, meeting_id: str) -> Meeting:
    for one in await meetings_in_force(tx):
        if one.id == meeting_id:
            return one
    raise MedrepError(Fault.NOT_FOUND, f"no meeting {meeting_id} is in force")


async def _put_down(tx: Tx, contact: Contact, meeting: Meeting, by: str, now: datetime) -> InvitationRow:
    if not await doctors.verified(tx, [contact.person_id]):
        raise MedrepError(Fault.CONFLICT, "this doctor is not verified")
    before = await store.to_meeting(tx, meeting.id, contact.person_id)
    when = (meeting.starts_at, meeting.ends_at)
    if before is None:
        made = await store.add(tx, contact, meeting.id, when, meeting.venue, by, now)
        if made is not None:
            return made
        before = await store.to_meeting(tx, meeting.id, contact.person_id)
    if before is None or before.state != "withdrawn":
        state = before.state if before else "waiting"
        raise MedrepError(Fault.CONFLICT, f"this doctor is already invited to it ({state})")
    # What was withdrawn may be said anew; of who was told otherwise nothing is left to be sent.
    anew = {"asked": 0, "asked_at": None, "accepted_at": None, "answered_at": None, "ended_at": None}
    return await store.change(
        tx,
        before.id,
        contact_id=contact.id,
        invited_by=by,
        invited_at=now,
        state="waiting",
        starts_at=meeting.starts_at,
        ends_at=meeting.ends_at,
        venue=meeting.venue,
        timers=[],
        **anew,
    )


async def withdraw(tx: Tx, row: InvitationRow, now: datetime, why: str) -> InvitationRow:
    """It is not put any more, nothing is sent about it, and an answer to it is none."""
    await cancel_all(tx, row, now)
    owner = Owner(row.person_id, row.contact_id)
    await note(tx, "meeting.withdrawn", now, row.subject, owner, meeting=row.meeting_id, reason=why)
    return await store.change(tx, row.id, state="withdrawn", ended_at=now, timers=[])


async def to_ask(tx: Tx, contact: Contact, now: datetime, invitation_id: int | None = None) -> Invited | None:
    """What the doctor has yet to answer: this one, or what was put to them last; locked. Who wants nothing of
    the kind any more has nothing to answer, and nobody has to a meeting that is over or called off."""
    if not await wants(tx, contact):
        return None
    for one in await spoken_of(tx, contact, now):
        if one.row.id == invitation_id or (invitation_id is None and one.row.state == "asked"):
            return one if one.row.state in ("waiting", "asked") else None
    return None


async def spoken_of(tx: Tx, contact: Contact, now: datetime) -> tuple[Invited, ...]:
    """Their invitations to meetings ahead, whatever they answered, the one put to them last first; locked,
    behind the contact, as everybody locks."""
    ahead = {one.id: one for one in await upcoming(tx, now)}
    if not ahead:
        return ()
    await contacting.lock_contacts(tx, [contact.id])
    rows = await store.open_of(tx, contact.person_id, now)
    return tuple(Invited(row, ahead[row.meeting_id]) for row in rows if row.meeting_id in ahead)


async def too_late(tx: Tx, person_id: UUID) -> KnownMeeting | None:
    """The meeting that was put to them last, whatever has become of it."""
    last = await store.last_asked(tx, person_id)
    if last is None:
        return None
    return next((one for one in await meetings_known(tx) if one.meeting.id == last.meeting_id), None)


async def wants(tx: Tx, contact: Contact) -> bool:
    """Whether they hear of meetings at all."""
    spoken = await consent.of_person(tx, contact.person_id)
    holds = any(one.purpose == Purpose.SERVICE and one.holds for one in spoken)
    return contact.stopped_at is None and holds


async def ask(tx: Tx, row: InvitationRow, now: datetime) -> int:
    """The question is put; how often it was before."""
    await store.change(tx, row.id, state="asked", asked=row.asked + 1, asked_at=row.asked_at or now)
    return row.asked


async def answer(
    tx: Tx, row: InvitationRow, contact: Contact, answered: Answer, turn_id: UUID, now: datetime
) -> InvitationRow:
    """What they said counts from now on, also where they had said otherwise; `contact` is where they said it,
    and where they are reminded."""
    if row.state == answered.value and row.contact_id == contact.id:
        return row
    await cancel_all(tx, row, now)
    accepted = answered == Answer.ACCEPTED
    timers = await remind(tx, row, contact, now) if accepted else []
    before, said = row.state, answered.value
    await note(
        tx,
        "meeting.answered",
        now,
        row.subject,
        contact,
        meeting=row.meeting_id,
        answered=said,
        before=before,
    )
    return await store.change(
        tx,
        row.id,
        state=answered.value,
        contact_id=contact.id,
        answered_at=now,
        accepted_at=now if accepted else None,
        turn_id=turn_id,
        timers=timers,
    )
