"""What a colleague does at the console: the right is asked of the database, then the room does it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from bot import tasks
from bot.compliance import Finding, check_text
from bot.desk.reading import Desk, Mark
from bot.evidence import note
from bot.model import Fault, MedrepError
from bot.outbound import inviting
from bot.outbound.policy import Defer, Refuse
from bot.people import notes, takeover
from bot.people import transfer as transferring
from bot.staff import Session
from bot.store import contacting, contacts, desk, desk_chats
from bot.store import tasks as task_rows
from bot.store.contacts import Contact
from bot.store.database import Tx


async def claim(reading: Desk, who: Session, contact_id: int, mark: Mark) -> None:
    """The conversation is this colleague's; hand-overs that wait are acknowledged by them.

    Raises MedrepError(NOT_FOUND | CONFLICT: it changed hands since it was shown, or they may not).
    """
    services, now = reading.services, reading.services.clock.now()
    await seen(reading, who, contact_id)
    async with services.db.begin() as tx:
        contact = await _locked(tx, contact_id)
        await _as_shown(tx, contact_id, mark, hands_alone=True)
        await takeover.start(tx, contact, who.login, now, services.limits)
        for row in await task_rows.next_due(tx, services.vault, 20, [contact_id]):
            if row.kind == tasks.Kind.HAND_OVER and row.state == "open" and tasks.may_handle(row, who.roles):
                with suppress(MedrepError):  # a colleague has just acknowledged it
                    await tasks.acknowledge(tx, services.vault, row.id, who.login, now)


async def hand_back(reading: Desk, who: Session, contact_id: int, mark: Mark) -> None:
    """The bot speaks again; the tasks stay. Whoever has it may, and a manager.

    Raises MedrepError(NOT_FOUND | CONFLICT).
    """
    services, now = reading.services, reading.services.clock.now()
    await seen(reading, who, contact_id)
    async with services.db.begin() as tx:
        contact = await _locked(tx, contact_id)
        await _as_shown(tx, contact_id, mark, hands_alone=True)
        held = (await takeover.current(tx, [contact_id], now, services.limits)).get(contact_id)
        if held is not None and held.login != who.login and not takeover.may_end(who.roles):
            raise MedrepError(Fault.CONFLICT, "a colleague has this conversation")
        await takeover.end(tx, contact, who.login, now)


async def reply(reading: Desk, who: Session, contact_id: int, text: str, mark: Mark) -> int:
    """Queue what the colleague typed; the outbox row. What was refused is on the record by its rules.

    Raises MedrepError: as `takeover.say`, NOT_FOUND, CONFLICT (something was said since it was shown).
    """
    services, now = reading.services, reading.services.clock.now()
    contact = await seen(reading, who, contact_id)
    findings = await takeover.off_label(services, contact, text)
    try:
        async with services.db.begin() as tx:
            await _locked(tx, contact_id)
            await _as_shown(tx, contact_id, mark)
            if findings:
                raise takeover.refusal(text, findings)
            return await takeover.say(tx, services.vault, contact, who.login, text, now, services.limits)
    except MedrepError as error:
        await _refused(reading, who, contact, "message.refused", text, error, findings)
        raise


async def transfer(reading: Desk, who: Session, contact_id: int, to: str, words: str, mark: Mark) -> None:
    """The conversation is another colleague's, with what they should know of it, if anything.

    Raises MedrepError: as `people.transfer` and `notes.write`.
    """
    services, now = reading.services, reading.services.clock.now()
    contact = await seen(reading, who, contact_id)
    try:
        async with services.db.begin() as tx:
            await locked_as_shown(tx, contact_id, mark, hands_alone=True)
            if words.strip():
                await notes.write(tx, services.vault, contact, who.login, words, now)
            await transferring.transfer(tx, services.vault, contact, who.login, to, now, services.limits)
    except MedrepError as error:
        await _refused(reading, who, contact, "note.refused", words, error)
        raise


async def call(reading: Desk, who: Session, contact_id: int, mark: Mark) -> None:
    """Ask them to write, by the platform's template, as its window is closed.

    Raises MedrepError(NOT_FOUND | CONFLICT | what the policy says now).
    """
    services, now = reading.services, reading.services.clock.now()
    await seen(reading, who, contact_id)
    async with services.db.begin() as tx:
        contact = await _locked(tx, contact_id)
        await _as_shown(tx, contact_id, mark)
        held = await takeover.held_by(tx, contact, who.login, now, services.limits)
        offer = await calling_offer(tx, reading, contact, held.id)
        if offer is None or offer.why:
            raise MedrepError(Fault.CONFLICT, "nothing of the kind may leave now")
        await inviting.call(tx, services, contact, who.login, now)


@dataclass(frozen=True, slots=True)
class CallingOffer:
    """The platform's template that asks the person to write. `why`: why it may not leave now, "" when it may;
    `until`: when it may, where that is known."""

    why: str
    until: datetime | None = None


async def calling_offer(tx: Tx, reading: Desk, contact: Contact, takeover_id: int) -> CallingOffer | None:
    """None: the window is open, or the person cannot be reached at all."""
    services, now = reading.services, reading.services.clock.now()
    if contact.unreachable_at is not None or await contacting.open_windows(tx, [contact.id], now):
        return None
    fields = reading.templates.get(str(contact.account))
    if fields is None or not fields <= inviting.FIELDS:
        return CallingOffer("no_template")
    decision = await inviting.may_call(tx, services, contact, takeover_id)
    if isinstance(decision, Refuse):
        return CallingOffer(decision.fault.value)
    if isinstance(decision, Defer):
        return CallingOffer(decision.why.replace(" ", "_"), decision.until)
    if await inviting.under_way(tx, contact, takeover_id):
        return CallingOffer("called")
    return CallingOffer("")


async def write_note(reading: Desk, who: Session, contact_id: int, words: str) -> None:
    """Raises MedrepError: as `notes.write`."""
    services, contact = reading.services, await seen(reading, who, contact_id)
    try:
        async with services.db.begin() as tx:
            await notes.write(tx, services.vault, contact, who.login, words, services.clock.now())
    except MedrepError as error:
        await _refused(reading, who, contact, "note.refused", words, error)
        raise


async def _refused(
    reading: Desk,
    who: Session,
    contact: Contact,
    kind: str,
    text: str,
    error: MedrepError,
    also: Sequence[Finding] = (),
) -> None:
    """What was refused is on the record by its rules, without the words. `also`: what more was found."""
    if error.fault not in (Fault.REFUSED_TEXT, Fault.NO_BASIS, Fault.UNREGISTERED):
        return
    now = reading.services.clock.now()
    rules = sorted({one.rule for one in (*check_text(text, contact.audience), *also)})
    facts = {"login": who.login, "why": error.fault, "rules": rules}
    async with reading.services.db.begin() as tx:
        await note(tx, kind, now, f"contact:{contact.id}", contact, body_enc=None, **facts)


async def acknowledge(reading: Desk, who: Session, task_id: int) -> None:
    """Raises MedrepError(NOT_FOUND | CONFLICT)."""
    await _task_seen(reading, who, task_id)
    services = reading.services
    async with services.db.begin() as tx:
        await tasks.acknowledge(tx, services.vault, task_id, who.login, services.clock.now())


async def close(reading: Desk, who: Session, task_id: int, remark: str) -> None:
    """Raises MedrepError(NOT_FOUND | CONFLICT)."""
    await _task_seen(reading, who, task_id)
    services = reading.services
    async with services.db.begin() as tx:
        await tasks.close(tx, services.vault, task_id, who.login, services.clock.now(), remark=remark.strip())


async def seen(reading: Desk, who: Session, contact_id: int) -> Contact:
    """The contact, if this colleague may see it. Raises MedrepError(NOT_FOUND)."""
    async with reading.reading(who) as tx:
        await desk.contact_card(tx, contact_id, reading.services.clock.now())
    async with reading.services.db.begin() as tx:
        return await contacts.by_id(tx, contact_id)


async def _task_seen(reading: Desk, who: Session, task_id: int) -> None:
    async with reading.reading(who) as tx:
        if not await task_rows.exists(tx, task_id):
            raise MedrepError(Fault.NOT_FOUND, "no such task")


async def locked_as_shown(tx: Tx, contact_id: int, mark: Mark, *, hands_alone: bool = False) -> None:
    """Raises MedrepError(CONFLICT)."""
    await _locked(tx, contact_id)
    await _as_shown(tx, contact_id, mark, hands_alone=hands_alone)


async def _locked(tx: Tx, contact_id: int) -> Contact:
    """Nothing comes in, and nobody takes it over, before this transaction ends."""
    await contacting.lock_contacts(tx, [contact_id])
    return await contacts.by_id(tx, contact_id)


async def _as_shown(tx: Tx, contact_id: int, mark: Mark, *, hands_alone: bool = False) -> None:
    """Raises MedrepError(CONFLICT): the conversation went on since the page was made."""
    received, sent, _, held = await desk_chats.state_of(tx, contact_id)
    if held != mark.takeover:
        raise MedrepError(Fault.CONFLICT, "it has changed hands")
    if not hands_alone and (received, sent) != (mark.received, mark.sent):
        raise MedrepError(Fault.CONFLICT, "something was said meanwhile")
