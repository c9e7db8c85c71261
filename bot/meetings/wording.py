"""The words of what is sent about a meeting, made when it is sent, from what is announced then."""

from __future__ import annotations

from datetime import datetime

from bot.content import meetings_known
from bot.meetings.programme import CALLED_OFF as TOPIC_CALLED_OFF
from bot.meetings.programme import MEETING, facts
from bot.meetings.reminders import CALLED_OFF, DAY, SOON
from bot.model import Fault, MedrepError, Purpose, Reply
from bot.runtime.services import Services
from bot.store import meetings as store
from bot.store.contacts import Contact
from bot.store.database import Tx

TEMPLATE = "meeting"  # of the account: carries these where the window is closed
_FIELD = 20  # characters that a platform's template takes
# What each response says of a meeting.
_SAYS = {
    DAY: (MEETING, "starts", "venue", "speaker"),
    SOON: (MEETING, "starts", "venue"),
    CALLED_OFF: (TOPIC_CALLED_OFF, "starts", "venue"),
}
_ALL = (MEETING, "starts", "ends", "venue")


async def worded(
    tx: Tx, services: Services, contact: Contact, name: str, invitation_id: int, now: datetime
) -> tuple[Reply, dict[str, str]]:
    """The reply, and what of it fills the template.

    Raises MedrepError(NO_BASIS): they do not come (any more), or the meeting is not as they were to be told.
    """
    row = await store.by_id(tx, invitation_id)
    known = [one for one in await meetings_known(tx) if row and one.meeting.id == row.meeting_id]
    if row is None or row.accepted_at is None or row.person_id != contact.person_id or not known:
        raise MedrepError(Fault.NO_BASIS, "nobody comes to such a meeting")
    meeting, called_off = known[0].meeting, name == CALLED_OFF
    if known[0].in_force == called_off:
        raise MedrepError(Fault.NO_BASIS, f"meeting {meeting.id} is {'' if called_off else 'not '}in force")
    if not called_off and (meeting.starts_at, meeting.venue) != (row.starts_at, row.venue):
        raise MedrepError(Fault.NO_BASIS, f"meeting {meeting.id} has been moved")
    if name in (DAY, SOON) and meeting.starts_at <= now:
        raise MedrepError(Fault.NO_BASIS, f"meeting {meeting.id} has begun")
    found = facts(meeting)
    values = {MEETING: meeting.topic, TOPIC_CALLED_OFF: meeting.topic, **found}
    said = {one: values[one] for one in _SAYS.get(name, _ALL)}
    reply = services.published.dialogue.reply(f"utter_{name}", contact.audience, Purpose.SERVICE, **said)
    words = {"title": meeting.topic, "time": found["starts"], "place": meeting.place or "线上参加"}
    return reply, {field: word[:_FIELD] for field, word in words.items() if word[:_FIELD] in reply.text}
