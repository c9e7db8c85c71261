"""Invitations of doctors to meetings. All times are business time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from bot.model import Purpose
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.tables import consent, meeting_invitation, person

SUBJECT = "meeting:"  # and the id of an invitation: what messages about it are about
_OF = meeting_invitation.c
_OPEN = _OF.ended_at.is_(None)
_UNANSWERED = ("waiting", "asked", "unsure")


@dataclass(frozen=True, slots=True)
class InvitationRow:
    """`starts_at`, `ends_at`, `venue`: of the meeting as the doctor was last told of it."""

    id: int
    meeting_id: str
    person_id: UUID
    contact_id: int
    invited_by: str
    state: str
    asked: int
    starts_at: datetime
    ends_at: datetime
    venue: str
    timers: tuple[int, ...]
    invited_at: datetime
    asked_at: datetime | None
    accepted_at: datetime | None
    answered_at: datetime | None
    ended_at: datetime | None

    @property
    def subject(self) -> str:
        return f"{SUBJECT}{self.id}"


_COLUMNS = [_OF[name] for name in InvitationRow.__slots__]


def _row(found: Any) -> InvitationRow:
    values = dict(zip(InvitationRow.__slots__, found, strict=True))
    return InvitationRow(**{**values, "timers": tuple(values["timers"])})


async def _read(tx: Tx, query: Select[Any]) -> list[InvitationRow]:
    return [_row(found) for found in await tx.execute(query)]


def _rows(*which: ColumnElement[bool]) -> Select[Any]:
    return select(*_COLUMNS).where(*which)


async def add(
    tx: Tx,
    of: Contact,
    meeting_id: str,
    when: tuple[datetime, datetime],
    venue: str,
    by: str,
    now: datetime,
) -> InvitationRow | None:
    """A new one that waits to be put to the doctor; None: there is one already."""
    values = {
        "meeting_id": meeting_id,
        "person_id": of.person_id,
        "contact_id": of.id,
        "invited_by": by,
        "state": "waiting",
        "starts_at": when[0],
        "ends_at": when[1],
        "venue": venue,
        "invited_at": now,
    }
    made = insert(meeting_invitation).values(**values).on_conflict_do_nothing().returning(*_COLUMNS)
    found = (await tx.execute(made)).first()
    return None if found is None else _row(found)


async def change(tx: Tx, invitation_id: int, **values: Any) -> InvitationRow:
    """The row as it is then."""
    done = update(meeting_invitation).where(_OF.id == invitation_id).values(**values).returning(*_COLUMNS)
    return _row((await tx.execute(done)).one())


async def to_meeting(tx: Tx, meeting_id: str, person_id: UUID) -> InvitationRow | None:
    """This person's; locked."""
    query = _rows(_OF.meeting_id == meeting_id, _OF.person_id == person_id).with_for_update()
    return next(iter(await _read(tx, query)), None)


async def by_id(tx: Tx, invitation_id: int, *, lock: bool = False) -> InvitationRow | None:
    query = _rows(_OF.id == invitation_id)
    return next(iter(await _read(tx, query.with_for_update() if lock else query)), None)


async def open_of(tx: Tx, person_id: UUID, now: datetime) -> list[InvitationRow]:
    """Those to meetings that are not over and of which they may speak, what was put to them last first;
    locked."""
    query = _rows(_OF.person_id == person_id, _OPEN, _OF.ends_at > now)
    return await _read(tx, query.order_by(_OF.asked_at.desc().nulls_last(), _OF.id).with_for_update())


async def last_asked(tx: Tx, person_id: UUID) -> InvitationRow | None:
    """What was put to them last, be it over or withdrawn."""
    query = _rows(_OF.person_id == person_id, _OF.asked_at.is_not(None))
    return next(iter(await _read(tx, query.order_by(_OF.asked_at.desc()).limit(1))), None)


async def of_person(tx: Tx, person_id: UUID, limit: int) -> list[InvitationRow]:
    """All of theirs, the latest meeting first."""
    return await _read(tx, _rows(_OF.person_id == person_id).order_by(_OF.starts_at.desc()).limit(limit))


async def counts(tx: Tx) -> dict[str, dict[str, int]]:
    """Of each meeting how many invitations stand how."""
    found: dict[str, dict[str, int]] = defaultdict(dict)
    query = select(_OF.meeting_id, _OF.state, func.count()).group_by(_OF.meeting_id, _OF.state)
    for meeting_id, state, number in await tx.execute(query):
        found[meeting_id][state] = number
    return dict(found)


async def wanted(tx: Tx, subjects: Collection[str]) -> frozenset[str]:
    """Of these subjects those of invitations that were accepted: they asked to be told of that meeting."""
    ids = [int(one.removeprefix(SUBJECT)) for one in subjects if one.startswith(SUBJECT)]
    if not ids:
        return frozenset()
    query = select(_OF.id).where(_OF.id == func.any(ids), _OF.accepted_at.is_not(None))
    return frozenset(f"{SUBJECT}{one}" for one in (await tx.execute(query)).scalars())


# ---------------------------------------------------------------- what is looked after


async def still(tx: Tx, found: InvitationRow) -> bool:
    """Whether it is as it was found, and nobody else holds it; locked. What somebody holds is found again."""
    query = _rows(_OF.id == found.id).with_for_update(skip_locked=True)
    return await _read(tx, query) == [found]


async def over(tx: Tx, now: datetime, limit: int) -> list[InvitationRow]:
    """Those that nobody answered before the meeting was over."""
    query = _rows(_OPEN, _OF.state.in_(_UNANSWERED), _OF.ends_at <= now)
    return await _read(tx, query.order_by(_OF.ends_at).limit(limit))


async def called_off(tx: Tx, in_force: Collection[str], now: datetime, limit: int) -> list[InvitationRow]:
    """Those to meetings ahead that are not among these any more."""
    query = _rows(_OPEN, _OF.ends_at > now, _OF.meeting_id.not_in(list(in_force)))
    return await _read(tx, query.order_by(_OF.id).limit(limit))


async def moved(
    tx: Tx, meetings: Mapping[str, tuple[datetime, datetime, str]], now: datetime, limit: int
) -> list[InvitationRow]:
    """Those to these meetings (start, end, venue as they are now) that say otherwise."""
    which = [
        and_(
            _OF.meeting_id == meeting_id,
            or_(_OF.starts_at != starts, _OF.ends_at != ends, _OF.venue != venue),
        )
        for meeting_id, (starts, ends, venue) in meetings.items()
    ]
    if not which:
        return []
    query = _rows(_OPEN, or_(_OF.ends_at > now, _OF.accepted_at.is_not(None)), or_(*which))
    return await _read(tx, query.order_by(_OF.id).limit(limit))


async def bare(tx: Tx, before: datetime, limit: int) -> list[InvitationRow]:
    """Those accepted to meetings that begin later than this, of which nothing is still to be sent."""
    query = _rows(_OPEN, _OF.state == "accepted", _OF.starts_at > before, func.cardinality(_OF.timers) == 0)
    return await _read(tx, query.order_by(_OF.id).limit(limit))


async def unwanted(tx: Tx, now: datetime, limit: int) -> list[InvitationRow]:
    """Those of people who seem to want nothing of the kind any more and of which something is still to be
    sent: whoever acts asks again under the lock."""
    stopped = exists().where(person.c.id == _OF.person_id, person.c.stopped_at.is_not(None))
    spoken = (consent.c.person_id == _OF.person_id, consent.c.purpose == Purpose.SERVICE.value)
    withdrawn = and_(exists().where(*spoken), ~exists().where(*spoken, consent.c.withdrawn_at.is_(None)))
    query = _rows(_OPEN, _OF.ends_at > now, func.cardinality(_OF.timers) > 0, or_(stopped, withdrawn))
    return await _read(tx, query.order_by(_OF.id).limit(limit))
