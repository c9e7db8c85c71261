"""`meetings`, `invite`: meetings, and inviting one doctor to one."""

from __future__ import annotations

import getpass
from datetime import datetime
from typing import Annotated, Any
from uuid import uuid4

import typer

from bot.clock import CHINA
from bot.commands.context import Context, context, run, say, say_json
from bot.commands.services import services_of
from bot.commands.visits import where_to_write
from bot.content import KnownMeeting, meetings_known
from bot.meetings import InvitationRow, invite
from bot.model import Fault, MedrepError, Purpose
from bot.outbound.circumstances import Intent, read_circumstances
from bot.outbound.policy import Defer, Refuse
from bot.outbound.release import may_leave
from bot.store import meetings as store
from bot.store.contacts import Contact
from bot.store.database import Tx

_NEVER = {
    Fault.STOPPED: "this doctor has stopped us",
    Fault.NO_CONSENT: "this doctor wants no word of meetings",
    Fault.UNREACHABLE: "this doctor does not follow the account any more",
}
_ASKED = ("asked", "accepted", "declined", "unsure")


def list_meetings() -> None:
    """Print the meetings that are or were in force, the next first, one JSON object a line."""
    for line in run(_list()):
        say_json(line)


async def _list() -> list[dict[str, Any]]:
    async with context() as home, home.db.begin() as tx:
        known, counts = await meetings_known(tx), await store.counts(tx)
        now = home.clock.now()
        return [_line(one, counts.get(one.meeting.id, {}), now) for one in known]


def _line(one: KnownMeeting, counts: dict[str, int], now: datetime) -> dict[str, Any]:
    meeting = one.meeting
    state = "upcoming" if meeting.starts_at > now else "under_way" if meeting.ends_at > now else "over"
    return {
        "id": meeting.id,
        "topic": meeting.topic,
        "starts_at": meeting.starts_at.astimezone(CHINA).isoformat(),
        "ends_at": meeting.ends_at.astimezone(CHINA).isoformat(),
        "place": meeting.place,
        "link": meeting.link,
        "product": meeting.product,
        "state": state if one.in_force else "withdrawn",
        "invited": sum(counts.values()),
        "accepted": counts.get("accepted", 0),
        "declined": counts.get("declined", 0),
    }


def invite_doctor(
    meeting_id: Annotated[str, typer.Argument(metavar="MEETING_ID")],
    external_id: Annotated[str, typer.Argument(metavar="EXTERNAL_ID")],
) -> None:
    """Invite a doctor to a meeting; print whether the question leaves now, or what it waits for.

    Consent, quiet hours, the weekly cap, a conversation and the platform's window bind it, and a stop.
    """
    say(run(_invite(meeting_id, external_id)))


async def _invite(meeting_id: str, external_id: str) -> str:
    async with context() as home, home.db.begin() as tx:
        contact, now = await where_to_write(tx, home, external_id), home.clock.now()
        waits = await _waits(tx, home, contact)
        row = await invite(tx, contact, meeting_id, getpass.getuser(), now)
        return _told(row, waits)


async def _waits(tx: Tx, home: Context, contact: Contact) -> Defer | None:
    """What keeps the question from leaving now. Raises MedrepError(CONFLICT): it never would."""
    intent = Intent(contact.id, Purpose.SERVICE, uuid4(), begins=True)
    services = await services_of(home)
    facts = await read_circumstances(tx, services, {contact.id: contact}, [intent])
    decision = may_leave(services, intent, facts[contact.id])
    if isinstance(decision, Refuse):
        raise MedrepError(Fault.CONFLICT, _NEVER.get(decision.fault, decision.why))
    return decision if isinstance(decision, Defer) else None


def _told(row: InvitationRow, waits: Defer | None) -> str:
    if waits is None:
        return f"invitation {row.id}: leaves now"
    until = f", asked again at {waits.until.astimezone(CHINA):%Y-%m-%d %H:%M}"
    return f"invitation {row.id}: waits ({waits.why}){'' if waits.why == 'window' else until}"
