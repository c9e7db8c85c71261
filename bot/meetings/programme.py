"""Which meetings there are, and how their facts are said."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from bot.clock import CHINA
from bot.content import meetings_in_force, meetings_known
from bot.knowledge import Meeting
from bot.schedule import spoken_time
from bot.store.database import Tx

# Placeholders of the responses that speak of a meeting. `meeting` is the topic of one in force, `called_off`
# that of one which is so no more.
MEETING, CALLED_OFF = "meeting", "called_off"
FACTS = frozenset({MEETING, CALLED_OFF, "speaker", "host", "starts", "ends", "venue", "credit"})


async def upcoming(tx: Tx, now: datetime) -> tuple[Meeting, ...]:
    """Those in force that are not over, the next first."""
    return tuple(one for one in await meetings_in_force(tx) if one.ends_at > now)


def facts(meeting: Meeting) -> dict[str, str]:
    """What fills the placeholders of our responses."""
    starts, ends = meeting.starts_at.astimezone(CHINA), meeting.ends_at.astimezone(CHINA)
    return {
        MEETING: meeting.topic,
        "speaker": meeting.speaker,
        "host": meeting.host,
        "starts": spoken_time(starts),
        "ends": f"{ends:%H:%M}" if starts.date() == ends.date() else spoken_time(ends),
        "venue": meeting.venue,
        **({"credit": meeting.credit} if meeting.credit else {}),
    }


async def says(tx: Tx, values: Mapping[str, str]) -> bool:
    """Whether the facts of a text are those of one meeting, as it is announced at this moment."""
    named = {name: value for name, value in values.items() if name in FACTS}
    if CALLED_OFF in named:
        topic = named.pop(CALLED_OFF)
        known = [one.meeting for one in await meetings_known(tx) if not one.in_force]
        return any(named.items() <= facts(one).items() for one in known if one.topic == topic)
    found = await meetings_in_force(tx) if MEETING in named else ()
    return any(named.items() <= facts(one).items() for one in found)
