"""A colleague takes a conversation over: the bot is silent for the contact, and the colleague may write.

Red flags, adverse events and a stop are answered as always: that happens when a message is accepted, before
any turn. What we begin waits (`bot/outbound/policy.py`). A takeover ends by command, or by itself when its
colleague has written nothing for the time of `Limits.takeover_minutes`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from bot.clock import real_now
from bot.compliance import Finding, check_text
from bot.content import edition_in_force
from bot.evidence import note
from bot.knowledge import Product, names_product
from bot.model import Audience, Basis, BasisKind, Fault, MedrepError, Purpose, Reply
from bot.runtime.loops import together_or_alone
from bot.settings import Limits
from bot.staff import Registration, Role, colleague, today
from bot.store import contacting, doctors, outbox, staff, takeovers
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.outbox import Draft, Part
from bot.store.staff import StaffRow
from bot.store.takeovers import Takeover
from bot.store.vault import Vault

if TYPE_CHECKING:
    from bot.runtime.services import Services

ROLES = frozenset({Role.REP, Role.MANAGER, Role.MEDICAL, Role.PV})  # who may speak with people
OWN = "takeover:"  # subjects of what a colleague begins
LONGEST = 600  # characters of one message
EVERY = 5.0  # seconds
BATCH = 100


async def current(tx: Tx, contact_ids: Collection[int], now: datetime, limits: Limits) -> dict[int, Takeover]:
    """Of these contacts the takeovers that hold at `now` (business time), by contact."""
    found = await takeovers.open_of(tx, contact_ids)
    return {key: one for key, one in found.items() if one.last_at > silence(now, limits)}


async def start(tx: Tx, contact: Contact, login: str, now: datetime, limits: Limits) -> Takeover:
    """The conversation is this colleague's from now on; again, it is renewed.

    Raises MedrepError(NOT_FOUND | CONFLICT: another colleague has it, or this one may not).
    """
    starter = await colleague(tx, login, ROLES)
    await contacting.lock_contacts(tx, [contact.id])  # a turn that is about to open waits, and finds it
    found = (await takeovers.open_of(tx, [contact.id], lock=True)).get(contact.id)
    if found and found.last_at <= silence(now, limits):
        await _end(tx, found, now, by="silence")
        found = None
    if found and found.login != login:
        raise MedrepError(Fault.CONFLICT, f"{found.login} has taken this conversation over")
    if found:
        await takeovers.renew(tx, found.id, now)
        return found
    number = await takeovers.add(tx, contact.id, starter.id, now)
    if number is None:
        raise MedrepError(Fault.CONFLICT, "a colleague has just taken this conversation over")
    await note(tx, "takeover.started", now, f"takeover:{number}", contact, login=login)
    return Takeover(number, contact.id, contact.person_id, login, now, now)


async def end(tx: Tx, contact: Contact, login: str, now: datetime) -> bool:
    """The bot speaks again; whether there was a takeover. Any colleague who may take over may end one.

    Raises MedrepError(NOT_FOUND | CONFLICT).
    """
    await colleague(tx, login, ROLES)
    found = (await takeovers.open_of(tx, [contact.id], lock=True)).get(contact.id)
    if found is not None:
        await _end(tx, found, now, by=login)
    return found is not None


async def say(
    tx: Tx, vault: Vault, contact: Contact, login: str, text: str, now: datetime, limits: Limits
) -> int:
    """Queue what the colleague typed, to the letter; the outbox row.

    Raises MedrepError: CONFLICT (no takeover of theirs), BAD_INPUT, REFUSED_TEXT (one line a finding),
    NO_BASIS (a product, to a doctor who is not verified), UNREGISTERED, WINDOW_CLOSED, STOPPED, UNREACHABLE.
    """
    takeover = await held_by(tx, contact, login, now, limits)
    await _allowed(tx, contact, login, text, now)
    basis = Basis(BasisKind.PERSON, login, str(takeover.id))
    draft = Draft((Part(text, basis),), Purpose.REPLY)
    queued = await outbox.add(tx, vault, contact, draft, now=now, retry_at=real_now())
    row = queued.row
    facts = {"login": login, "takeover": takeover.id}
    await note(tx, takeovers.TYPED, now, f"outbox:{row.id}", contact, body_enc=row.body_enc, **facts)
    await takeovers.renew(tx, takeover.id, now)
    return row.id


async def send(
    tx: Tx, vault: Vault, contact: Contact, login: str, reply: Reply, now: datetime, limits: Limits
) -> int:
    """Queue approved words that the colleague picked; the outbox row. Its basis is what was approved.

    Raises MedrepError: as `say`, but for the text, which the exit compares with its basis.
    """
    takeover = await held_by(tx, contact, login, now, limits)
    await _may_leave(tx, contact, login, now)
    draft = replace(Draft.of(reply), author=login)
    row = (await outbox.add(tx, vault, contact, draft, now=now, retry_at=real_now())).row
    facts = {"login": login, "takeover": takeover.id, "basis": str(reply.basis)}
    await note(tx, "message.picked", now, f"outbox:{row.id}", contact, body_enc=row.body_enc, **facts)
    await takeovers.renew(tx, takeover.id, now)
    return row.id


async def held_by(tx: Tx, contact: Contact, login: str, now: datetime, limits: Limits) -> Takeover:
    """The conversation that this colleague has. Raises MedrepError(NOT_FOUND | CONFLICT)."""
    await colleague(tx, login, ROLES)
    found = (await current(tx, [contact.id], now, limits)).get(contact.id)
    if found is None or found.login != login:
        raise MedrepError(Fault.CONFLICT, f"{login} has not taken this conversation over")
    return found


async def obstacles(tx: Tx, contact: Contact, login: str, now: datetime) -> tuple[Fault, ...]:
    """Why nothing that this colleague types would leave now, whatever it says: UNREGISTERED, UNREACHABLE,
    WINDOW_CLOSED, STOPPED."""
    speaker = await colleague(tx, login)
    found = []
    if Role.REP in speaker.roles and await _expired(tx, speaker, now):
        found.append(Fault.UNREGISTERED)
    if contact.unreachable_at is not None:
        found.append(Fault.UNREACHABLE)
    elif not await contacting.open_windows(tx, [contact.id], now):
        found.append(Fault.WINDOW_CLOSED)
    if contact.stopped_at and not await contacting.wrote_since(tx, contact.id, contact.stopped_at):
        found.append(Fault.STOPPED)
    return tuple(found)


def subject(takeover_id: int) -> str:
    """What a message is about that the colleague who has the conversation begins."""
    return f"{OWN}{takeover_id}"


def may_end(roles: Collection[Role]) -> bool:
    """Whether somebody with these roles may give a colleague's conversation back to the bot."""
    return Role.MANAGER in roles


async def _expired(tx: Tx, speaker: StaffRow, now: datetime) -> bool:
    """Whether the registration (备案) of this rep has ended."""
    number, until = await staff.registration(tx, speaker.id)
    return bool(number) and Registration(number, until=until).expired(today(now))


_WHY = {
    Fault.UNREGISTERED: "the registration of this rep has ended",
    Fault.UNREACHABLE: "they have unfollowed or blocked the account",
    Fault.WINDOW_CLOSED: "the platform takes messages only after they have written",
    Fault.STOPPED: "they said stop and have not written since",
}


async def _allowed(tx: Tx, contact: Contact, login: str, text: str, now: datetime) -> None:
    if not text.strip() or len(text) > LONGEST:
        raise MedrepError(Fault.BAD_INPUT, f"a message is 1 to {LONGEST} characters")
    if findings := check_text(text, contact.audience):
        raise refusal(text, findings)
    await named_product(tx, contact, text)
    await _may_leave(tx, contact, login, now)


def refusal(text: str, findings: Sequence[Finding]) -> MedrepError:
    """What the rules found in a colleague's words, a line each."""
    lines = [f"{found.rule}: {text[slice(*found.span)]}: {found.why}" for found in findings]
    return MedrepError(Fault.REFUSED_TEXT, "\n".join(lines))


async def _may_leave(tx: Tx, contact: Contact, login: str, now: datetime) -> None:
    for fault in await obstacles(tx, contact, login, now):
        raise MedrepError(fault, _WHY[fault])


async def named_product(tx: Tx, contact: Contact, text: str) -> None:
    """As `product_needs_verified`, of the products in force; they are read where it may matter."""
    if contact.audience == Audience.DOCTOR and not await doctors.verified(tx, [contact.person_id]):
        edition = await edition_in_force(tx)
        await product_needs_verified(tx, contact, text, edition.content.products if edition else ())


async def product_needs_verified(tx: Tx, contact: Contact, text: str, products: tuple[Product, ...]) -> None:
    """To a doctor who is not verified a colleague writes of no product, as the bot does not.

    Raises MedrepError(NO_BASIS).
    """
    if contact.audience != Audience.DOCTOR or not names_product(text, products):
        return
    if not await doctors.verified(tx, [contact.person_id]):
        raise MedrepError(Fault.NO_BASIS, "product text needs a verified doctor")


async def off_label(services: Services, contact: Contact, text: str) -> tuple[Finding, ...]:
    """A use that no label approves, which the rules' words alone do not know: asked where there is an index,
    and by the exit of every message. Such an answer is written and reviewed as a request of medical."""
    now = services.clock.now()
    if not await asyncio.to_thread(services.published.off_label, text, contact.audience, now):
        return ()
    return (Finding("off_label", (0, 0), "说明书没有批准的用途：请转医学信息，由医学部书写、复核后答复"),)


async def tidy(services: Services) -> None:
    """Takeovers whose colleague has fallen silent end. Many processes may do it."""
    now = services.clock.now()
    async with services.db.begin() as tx:
        silent = await takeovers.silent(tx, silence(now, services.limits), BATCH)
    await together_or_alone("takeovers", silent, partial(_end_silent, services, now))


async def _end_silent(services: Services, now: datetime, takeover_ids: Sequence[int]) -> None:
    async with services.db.begin() as tx:
        for found in await takeovers.lock_silent(tx, takeover_ids, silence(now, services.limits)):
            await _end(tx, found, now, by="silence")


async def _end(tx: Tx, found: Takeover, now: datetime, *, by: str) -> None:
    await takeovers.end(tx, found.id, now)
    await note(tx, "takeover.ended", now, f"takeover:{found.id}", found, login=found.login, by=by)


def silence(now: datetime, limits: Limits) -> datetime:
    """A takeover in which nothing was written after this is over."""
    return now - timedelta(minutes=limits.takeover_minutes)
