"""The text of a reminder, made when it is sent: the room that owns it makes it from what its timer refers to.

A timer holds ids and no words, so what is sent says what is true now, and nothing about a person waits in
clear. The text is sealed with the outbox row as it is handed over, and with the evidence that it left.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from bot import meetings
from bot.model import Fault, MedrepError, Reply
from bot.runtime.services import Services
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.occurrences import Origin
from bot.store.outbox import Draft, Outgoing


@dataclass(frozen=True, slots=True)
class Wording:
    """What is said, and which words of it a platform's template may take, by the template's field names.
    `template`: the account's that is made for it; "": that of its purpose."""

    reply: Reply
    fields: dict[str, str] = field(default_factory=dict)
    template: str = ""


# Raises MedrepError where the ids lead nowhere.
Room = Callable[[Tx, Services, Contact, Origin], Awaitable[Wording]]


async def _response(_: Tx, services: Services, contact: Contact, origin: Origin) -> Wording:
    """A response of the published dialogue that has no placeholder: refs {"response": its name}."""
    name = str(origin.refs.get("response", ""))
    return Wording(services.published.dialogue.reply(name, contact.audience))


async def _meeting(tx: Tx, services: Services, contact: Contact, origin: Origin) -> Wording:
    """What is sent about a meeting: refs {"invitation": its id}."""
    number, now = int(origin.refs.get("invitation", 0)), services.clock.now()
    reply, fields = await meetings.worded(tx, services, contact, origin.name, number, now)
    return Wording(reply, fields, meetings.TEMPLATE)


# The name of a timer of action `message` -> who makes its text.
ROOMS: dict[str, Room] = {"response": _response, **dict.fromkeys(meetings.WORDED, _meeting)}


async def worded(tx: Tx, services: Services, row: Outgoing, contact: Contact) -> Draft:
    """The text of an occurrence's row. Raises MedrepError."""
    if row.origin is None:
        raise MedrepError(Fault.NO_BASIS, "its text is not made yet")
    room = ROOMS.get(row.origin.name)
    if room is None:
        raise MedrepError(Fault.NOT_FOUND, f"nobody makes the text of {row.origin.name!r}")
    wording = await room(tx, services, contact, row.origin)
    return replace(
        Draft.of(wording.reply), purpose=row.purpose, fields=wording.fields, template=wording.template
    )
