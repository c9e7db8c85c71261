"""Meetings as approved content: what stands against one, and which are in force at this moment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from datetime import datetime

from bot.compliance import check_meeting, check_text
from bot.content.editions import Item
from bot.knowledge import Content, Meeting, untimely
from bot.model import Audience
from bot.store import content as store
from bot.store.database import Tx

SECTION = "meetings"


def meeting_faults(content: Content, items: Set[Item], now: datetime) -> Iterator[str]:
    """What stands against the meetings among these items: when they are, and what they offer."""
    for meeting in content.meetings:
        if (SECTION, meeting.id) in items:
            for why in untimely(meeting, now):
                yield f"{SECTION} {meeting.id}: {why}"
            for text in meeting.words:
                for finding in (*check_text(text, Audience.DOCTOR), *check_meeting(text)):
                    yield f"{SECTION} {meeting.id}: {finding.rule}: {finding.why}"


def ahead(content: Content, now: datetime) -> Content:
    """Without the meetings that are over."""
    return _with(content, (one for one in content.meetings if one.ends_at > now))


def apart(content: Content) -> Content:
    """Without its meetings: they come and go, and make no other content of the rest."""
    return _with(content, ())


def _with(content: Content, meetings: Iterable[Meeting]) -> Content:
    sections = {name: getattr(content, name) for name in Content.model_fields}
    return Content(**{**sections, SECTION: tuple(meetings)})


@dataclass(frozen=True, slots=True)
class KnownMeeting:
    """A meeting as it was last announced. `in_force`: it is still."""

    meeting: Meeting
    in_force: bool


async def meetings_known(tx: Tx) -> tuple[KnownMeeting, ...]:
    """Of each meeting that was ever in force the wording that was last, the next first. The rows are asked,
    not the content that a process holds: what is withdrawn or moved is so from its commit on."""
    latest: dict[str, store.Revision] = {}
    for one in await store.announced(tx, SECTION):
        latest[one.item_id] = one
    known = [
        KnownMeeting(Meeting.model_validate(one.body), one.state == store.PUBLISHED)
        for one in latest.values()
    ]
    return tuple(sorted(known, key=lambda one: (one.meeting.starts_at, one.meeting.id)))


async def meetings_in_force(tx: Tx) -> tuple[Meeting, ...]:
    """The next first, those that are over included."""
    return tuple(one.meeting for one in await meetings_known(tx) if one.in_force)
