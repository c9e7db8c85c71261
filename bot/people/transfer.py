"""A conversation goes from one colleague to another without the bot speaking in between."""

from __future__ import annotations

from datetime import datetime

from bot.evidence import note
from bot.model import Fault, MedrepError
from bot.people import hand_over, takeover
from bot.settings import Limits
from bot.staff import Role, colleague
from bot.store import contacting, hand_overs, takeovers
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.takeovers import Receiver, Takeover
from bot.store.vault import Vault
from bot.tasks import Kind, open_task


async def receivers(tx: Tx, contact: Contact, *, but: str) -> list[Receiver]:
    """Whom it may be given to."""
    return [one for one in await takeovers.receivers(tx, contact.id) if one.login != but]


async def transfer(
    tx: Tx, vault: Vault, contact: Contact, login: str, to: str, now: datetime, limits: Limits
) -> Takeover:
    """It is the colleague's `to` from now on, and so are the contact's requests for a person; one is opened
    where there is none, so that they are told. Whoever has it may, and a manager.

    Raises MedrepError(NOT_FOUND | CONFLICT: it is not theirs to give, or not for that colleague).
    """
    giver = await colleague(tx, login, takeover.ROLES)
    await contacting.lock_contacts(tx, [contact.id])
    held = (await takeovers.open_of(tx, [contact.id], lock=True)).get(contact.id)
    if held is None or held.last_at <= takeover.silence(now, limits):
        raise MedrepError(Fault.CONFLICT, "nobody has this conversation")
    if held.login != login and not takeover.may_end([Role(one) for one in giver.roles]):
        raise MedrepError(Fault.CONFLICT, f"{held.login} has taken this conversation over")
    receiver = next((one for one in await receivers(tx, contact, but=held.login) if one.login == to), None)
    if receiver is None:
        raise MedrepError(Fault.CONFLICT, f"{to} may not have this conversation")
    await takeovers.end(tx, held.id, now)
    number = await takeovers.add(tx, contact.id, receiver.id, now)
    if number is None:
        raise MedrepError(Fault.CONFLICT, "a colleague has just taken this conversation over")
    about = f"takeover:{number}"
    await note(tx, "takeover.transferred", now, about, contact, login=login, to=to, before=held.id)
    requests = await hand_overs.open_of(tx, contact.id)
    if not requests:
        due, key = hand_over.due_at(now, limits), f"transfer:{number}"
        opened = await open_task(tx, vault, Kind.HAND_OVER, now=now, contact=contact, key=key, due=due)
        requests = [opened[0]]
    role = receiver.role if receiver.role in (Role.MEDICAL, Role.PV) else Role.REP
    for task in requests:
        await hand_overs.transfer(tx, task, receiver.id, str(role))
    return Takeover(number, contact.id, contact.person_id, to, now, now)
