"""A colleague would like to write and the platform's window is closed: its template asks the person to write.

It is a service message: consent, quiet hours, the weekly cap and a stop bind it. That a colleague has the
conversation does not: it is that colleague's own (`own`).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from bot.model import Fault, MedrepError, Purpose
from bot.outbound.circumstances import Intent, read_circumstances
from bot.outbound.policy import Decision
from bot.outbound.release import may_leave
from bot.outbound.wording import ROOMS, Wording
from bot.people import takeover
from bot.runtime.services import Services
from bot.schedule import spoken_time
from bot.schedule.changes import set_timer
from bot.store import staff, takeovers, timers
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.occurrences import Origin
from bot.store.timers import Action

RESPONSE, ROOM = "utter_colleague_calls", "colleague_calls"
# Words of the response, by the names that templates for service have for them.
TITLE, ASKS = "同事联系", "方便时请在这里回复一声"
FIELDS = frozenset({"rep", "time", "title", "status", "note"})
GRACE = timedelta(hours=12)
NOBODY = UUID(int=0)


async def may_call(tx: Tx, services: Services, contact: Contact, takeover_id: int) -> Decision:
    """What the policy says of it now."""
    intent = Intent(contact.id, Purpose.SERVICE, NOBODY, takeover.subject(takeover_id))
    facts = await read_circumstances(tx, services, {contact.id: contact}, [intent], lock=False)
    return may_leave(services, intent, facts[contact.id])


async def under_way(tx: Tx, contact: Contact, takeover_id: int) -> bool:
    """Whether it was asked already in this takeover."""
    return await timers.any_of(tx, contact.id, ROOM, takeover.subject(takeover_id))


async def call(tx: Tx, services: Services, contact: Contact, login: str, now: datetime) -> int:
    """Ask the person to write, by the platform's template; the timer.

    Raises MedrepError(NOT_FOUND | CONFLICT).
    """
    held = await takeover.held_by(tx, contact, login, now, services.limits)
    return await set_timer(
        tx,
        contact,
        Action.MESSAGE,
        ROOM,
        {"takeover": held.id},
        purpose=Purpose.SERVICE,
        subject=takeover.subject(held.id),
        starts_at=now,
        grace=GRACE,
        now=now,
    )


async def _wording(tx: Tx, services: Services, contact: Contact, origin: Origin) -> Wording:
    """Only while the colleague has the conversation."""
    held = (await takeovers.open_of(tx, [contact.id])).get(contact.id)
    if held is None or held.id != origin.refs.get("takeover"):
        raise MedrepError(Fault.NO_BASIS, "the colleague has this conversation no more")
    (colleague,) = await staff.read(tx, held.login)
    dialogue, when = services.published.dialogue, spoken_time(origin.due_at)
    reply = dialogue.reply(RESPONSE, contact.audience, Purpose.SERVICE, rep=colleague.name, when=when)
    words = {"rep": colleague.name, "time": when, "title": TITLE, "status": ASKS, "note": ASKS}
    return Wording(reply, words)


ROOMS[ROOM] = _wording
