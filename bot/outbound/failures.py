"""What a message that did not leave leads to: its state, the next try, the ledger, tasks."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from bot.clock import CHINA, real_now
from bot.evidence import note
from bot.model import PROACTIVE, Fault, MedrepError, OutboxState
from bot.runtime import metrics
from bot.runtime.services import Services
from bot.store import contacts, outbox, outbox_outcomes, platform
from bot.store.database import Tx
from bot.store.outbox import Draft, Outgoing
from bot.store.outbox_outcomes import Outcome
from bot.tasks import Kind, open_task

log = structlog.get_logger()

TRIES = 3
TRIES_UNHEARD = 60  # with the longest pause between them, about half an hour
LONGEST_PAUSE = 30  # seconds
PAUSE = timedelta(minutes=1)  # of an account that the platform turns away, until somebody has mended it
MOST_HALVED = 3
# For so long an answer that is held may still be of use when they write again; then it is out of place.
HELD = timedelta(hours=48)

# What the ledger or the platform says of this contact's window.
WINDOW = frozenset({Fault.WINDOW_CLOSED, Fault.COUNT_USED_UP})
# What stands in the way of everything on the account: its messages wait.
_ACCOUNT = frozenset(
    {Fault.DAILY_QUOTA, Fault.MINUTE_QUOTA, Fault.TOKEN, Fault.ADDRESS_NOT_ALLOWED, Fault.NO_PERMISSION}
)
_ALARMS = (_ACCOUNT - {Fault.MINUTE_QUOTA}) | {Fault.CONFIGURATION}
_STATES = {
    Fault.AMBIGUOUS: OutboxState.UNKNOWN,
    Fault.NO_BASIS: OutboxState.BLOCKED,
    Fault.REFUSED_TEXT: OutboxState.BLOCKED,
    Fault.STOPPED: OutboxState.CANCELLED,
    Fault.NO_CONSENT: OutboxState.CANCELLED,
    Fault.UNREACHABLE: OutboxState.CANCELLED,
    Fault.ERASED: OutboxState.CANCELLED,
}
_TASKS = {
    OutboxState.UNKNOWN: Kind.UNCERTAIN_SEND,
    OutboxState.BLOCKED: Kind.BLOCKED_MESSAGE,
    OutboxState.FAILED: Kind.FAILED_TURN,
}


async def follow(
    tx: Tx,
    services: Services,
    row: Outgoing,
    error: MedrepError,
    opening: int = 0,
    *,
    otherwise: bool = False,
) -> None:
    """Write what this refusal of a claimed row leads to; nothing, when somebody else has the row meanwhile.

    `opening`: the contact's `platform.opening` when the send began. For a fault of `WINDOW` the contact is
    locked: whoever writes at this moment either waits for us, or opened another window, and the row goes on.
    `otherwise`: where the window is closed the row can leave as a template, with the next claim.
    """
    fault, now = error.fault, services.clock.now()
    anew = fault in WINDOW and await platform.opening(tx, row.contact_id) != opening
    outcome = await _outcome(tx, services, row, error, anew or (otherwise and fault == Fault.WINDOW_CLOSED))
    if not await outbox_outcomes.settle(tx, row, replace(outcome, fault=str(fault))):
        return
    state = outcome.state
    metrics.NOT_SENT.labels(str(row.account), str(fault)).inc()
    if fault == Fault.NOT_NOW and row.fault == Fault.NOT_NOW:
        return  # it waits on; that it waits is recorded
    log.warning("outbox.not_sent", row=row.id, fault=str(fault), code=error.code, state=state.value)
    await note(
        tx,
        "message.not_sent",
        now,
        f"outbox:{row.id}",
        row,
        fault=str(fault),
        detail=error.detail,
        code=error.code,
        state=state.value,
    )
    if not anew:
        await _ledger(tx, row, error, now)
    await _tasks(tx, services, row, error, state, now)
    basis = row.basis or ""
    waits = row.purpose not in PROACTIVE and not basis.startswith("person:")  # for an answer of the bot
    if state == OutboxState.BLOCKED and waits and "utter_failed" not in basis:
        await _say_so(tx, services, row, now)


async def _outcome(tx: Tx, services: Services, row: Outgoing, error: MedrepError, goes_on: bool) -> Outcome:
    fault, now = error.fault, real_now()
    if error.until is not None:  # NOT_NOW
        return Outcome(OutboxState.WAITING, not_before=error.until, counts=False)
    if fault in WINDOW:
        if goes_on:
            return Outcome(OutboxState.WAITING, retry_at=now)
        return Outcome(OutboxState.HELD, expires_at=row.expires_at or services.clock.now() + HELD)
    if fault in _ACCOUNT:
        until = _account_rests(fault, now)
        await platform.open_circuit(tx, row.account, until, fault)
        return Outcome(OutboxState.WAITING, retry_at=until, counts=False)
    answered = error.code is not None  # by the platform; else nothing has reached it
    if fault == Fault.TOO_LONG and answered and not row.pieces_sent and row.halved < MOST_HALVED:
        return Outcome(OutboxState.WAITING, retry_at=now, halve=True)
    if fault == Fault.TRANSIENT and row.attempts < (TRIES if answered else TRIES_UNHEARD):  # waited out
        pause = min(2**row.attempts, LONGEST_PAUSE)
        return Outcome(OutboxState.WAITING, retry_at=now + timedelta(seconds=pause))
    return Outcome(_STATES.get(fault, OutboxState.FAILED))


async def _ledger(tx: Tx, row: Outgoing, error: MedrepError, now: datetime) -> None:
    """What the platform says counts more than what we reckoned."""
    if error.fault in WINDOW and error.code is not None:
        if error.fault == Fault.COUNT_USED_UP:
            await platform.exhaust(tx, row.contact_id)
        else:
            await platform.close_window(tx, row.contact_id, now)
    elif error.fault == Fault.UNREACHABLE:
        contact = await contacts.by_id(tx, row.contact_id)
        if contact.unreachable_at is None:
            await contacts.mark(tx, contact.id, unreachable_at=now)
            await outbox_outcomes.cancel_open(tx, contact.id)


async def _tasks(
    tx: Tx, services: Services, row: Outgoing, error: MedrepError, state: OutboxState, now: datetime
) -> None:
    kind, vault = _TASKS.get(state), services.vault
    if kind is not None:
        contact = await contacts.by_id(tx, row.contact_id)
        await open_task(
            tx, vault, kind, now=now, contact=contact, key=f"{kind}:outbox:{row.id}", detail=str(error)
        )
    if error.fault in _ALARMS:
        day = now.astimezone(CHINA).date()
        key = f"platform:{row.account}:{error.fault}:{day}"
        detail = f"{row.account} {error.fault} {error.code or ''}"
        await open_task(tx, vault, Kind.PLATFORM, now=now, key=key, detail=detail)


async def _say_so(tx: Tx, services: Services, row: Outgoing, now: datetime) -> None:
    """What was to be said is blocked; the person is told that a colleague will answer, never nothing."""
    contact = await contacts.by_id(tx, row.contact_id)
    reply = services.published.dialogue.reply("utter_failed", contact.audience)
    await outbox.add(
        tx, services.vault, contact, Draft.of(reply), now=now, retry_at=real_now(), turn_id=row.turn_id
    )


def _account_rests(fault: Fault, now: datetime) -> datetime:
    """Until when (real time): the platform's next minute, midnight in China, or until it is asked again."""
    if fault == Fault.MINUTE_QUOTA:
        return now.replace(second=0, microsecond=0) + timedelta(minutes=1)
    if fault == Fault.DAILY_QUOTA:
        tomorrow = now.astimezone(CHINA) + timedelta(days=1)
        return tomorrow.replace(hour=0, minute=0, second=5, microsecond=0)
    return now + PAUSE
