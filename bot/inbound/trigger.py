"""Speaking first: a turn that begins without words of the person, for a purpose and about a subject.

A trigger waits behind whatever the person has written, asks the policy before the engine is asked, and fails
in silence: what nobody asked for needs no excuse. All that its turn says carries its purpose and subject,
so the exit asks the policy for each message again, and expires with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from bot.clock import real_now
from bot.evidence import Evidence, about, note, note_all
from bot.model import PROACTIVE, Fault, InboxState, MedrepError
from bot.outbound.circumstances import Intent, read_circumstances
from bot.outbound.policy import PAUSE, Defer, Refuse
from bot.outbound.release import may_leave
from bot.runtime.loops import together_or_alone
from bot.runtime.services import Services
from bot.store import contacts, triggers
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.triggers import Ended, Trigger
from bot.store.turns import Claim
from bot.store.vault import Vault
from bot.tasks import Kind, open_task

TRIES = 4  # of a trigger that the engine fails
AGAIN = timedelta(minutes=1)  # after the engine failed it, or was away
EVERY = 1.0  # seconds
BATCH = 100


async def trigger(tx: Tx, vault: Vault, wanted: Trigger, now: datetime) -> int | None:
    """Let this turn begin; the trigger's id, or None when there was one with its key. `now` is business time.

    Raises MedrepError(BAD_INPUT: purpose).
    """
    if wanted.purpose not in PROACTIVE:
        raise MedrepError(Fault.BAD_INPUT, f"a trigger cannot be for {wanted.purpose}")
    added = await triggers.add(tx, vault, wanted, now, real_now())
    if added is None:
        return None
    number, sealed = added
    await note(
        tx,
        "trigger.queued",
        now,
        f"trigger:{number}",
        wanted.contact,
        body_enc=sealed,
        intent=wanted.intent,
        purpose=wanted.purpose.value,
        about=wanted.subject,
        expires_at=wanted.expires_at.isoformat(),
    )
    return number


async def held_back(tx: Tx, services: Services, claim: Claim, contact: Contact) -> bool:
    """Whether this turn does not begin now: then it is closed, and the trigger waits or has ended."""
    assert claim.purpose is not None and claim.expires_at is not None  # noqa: S101 - it is a trigger's
    now = services.clock.now()
    if claim.expires_at < now:
        await _ended(tx, services, claim, contact, InboxState.EXPIRED, "expired")
        return True
    if await triggers.words_wait(tx, contact.id):  # a worker died in it, and they wrote
        await triggers.close(tx, claim, InboxState.DEFERRED, "conversation", now, not_before=now)
        return True
    intent = Intent(contact.id, claim.purpose, claim.turn_id, claim.subject, begins=True)
    facts = await read_circumstances(tx, services, {contact.id: contact}, [intent])
    decision = may_leave(services, intent, facts[contact.id])
    if isinstance(decision, Refuse):
        await _ended(tx, services, claim, contact, InboxState.CANCELLED, decision.fault.value)
        return True
    if isinstance(decision, Defer):
        why, until = decision.why, decision.until
        await triggers.close(tx, claim, InboxState.DEFERRED, why, now, not_before=until)
        return True
    return False


async def failed(tx: Tx, services: Services, claim: Claim, error: MedrepError) -> None:
    """The engine did not make a turn of it. Nothing is said: it is tried again later, or ends with a task."""
    now, contact = services.clock.now(), await contacts.by_id(tx, claim.contact_id)
    if error.fault == Fault.CONFLICT:  # a form is in progress
        retry_at = now + PAUSE
        await triggers.close(tx, claim, InboxState.DEFERRED, "form in progress", now, not_before=retry_at)
        return
    counts = error.fault not in (Fault.ENGINE_DOWN, Fault.ERASED)
    if counts and max(claim.attempts, await triggers.failures(tx, claim) + 1) >= TRIES:
        await _ended(tx, services, claim, contact, InboxState.FAILED, error.fault.value)
        key = f"{Kind.FAILED_TURN}:{claim.turn_id}"
        detail = f"{claim.subject}: {error}"
        await open_task(
            tx, services.vault, Kind.FAILED_TURN, now=now, contact=contact, key=key, detail=detail
        )
        return
    reason, retry_at = error.fault.value, now + AGAIN
    await triggers.close(tx, claim, InboxState.DEFERRED, reason, now, not_before=retry_at, counts=counts)


async def _ended(
    tx: Tx, services: Services, claim: Claim, contact: Contact, state: InboxState, fault: str
) -> None:
    assert claim.purpose is not None  # noqa: S101 - for the type checker; it is a trigger's
    now, subject = services.clock.now(), claim.subject or ""
    number = await triggers.close(tx, claim, state, fault, now)
    ended = Ended(number, contact.person_id, contact.id, claim.purpose.value, subject, fault)
    await _end_of(ended, state, now).record(tx)


def _end_of(ended: Ended, state: InboxState, now: datetime) -> Evidence:
    subject, reason, topic = f"trigger:{ended.id}", ended.fault, ended.subject
    return about(
        "trigger.ended",
        now,
        subject,
        ended,
        state=state.value,
        fault=reason,
        purpose=ended.purpose,
        about=topic,
    )


async def tidy(services: Services) -> None:
    """Those whose time has come are tried; those that are past their expiry end. Many processes may do it."""
    now = services.clock.now()
    async with services.db.begin() as tx:
        await triggers.wake(tx, now)
        late = await triggers.late(tx, now, BATCH)
    await together_or_alone("triggers", late, partial(_expire, services, now))


async def _expire(services: Services, now: datetime, trigger_ids: Sequence[int]) -> None:
    async with services.db.begin() as tx:
        ended = await triggers.expire(tx, trigger_ids, now)
        await note_all(tx, [_end_of(one, InboxState.EXPIRED, now) for one in ended])
