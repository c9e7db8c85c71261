"""What a message that did not leave leads to: its state, the next try, the ledger, tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from bot.clock import CHINA, real_now
from bot.evidence import Evidence, about, note_all
from bot.model import PROACTIVE, Fault, MedrepError, OutboxState
from bot.runtime import metrics
from bot.runtime.services import Services
from bot.store import contacting, contacts, outbox, outbox_outcomes, platform
from bot.store.database import UNAVAILABLE, Tx
from bot.store.outbox import Draft, Outgoing
from bot.store.outbox_outcomes import Outcome
from bot.store.platform import Taken
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
_WINDOW = frozenset({Fault.WINDOW_CLOSED, Fault.COUNT_USED_UP})
_OF_CONTACT = _WINDOW | {Fault.UNREACHABLE}  # what ends when they follow us again or write
# What stands in the way of everything on the account: its messages wait.
_ACCOUNT = frozenset(
    {Fault.DAILY_QUOTA, Fault.MINUTE_QUOTA, Fault.TOKEN, Fault.ADDRESS_NOT_ALLOWED, Fault.NO_PERMISSION}
)
_PASSING = frozenset({Fault.TRANSIENT, Fault.CONFIGURATION})  # a later try may go well
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
_ANSWER = "answer:"
_WRITTEN = ("person:", _ANSWER)  # the bases of what a colleague wrote
_TASKS = {
    OutboxState.UNKNOWN: Kind.UNCERTAIN_SEND,
    OutboxState.BLOCKED: Kind.BLOCKED_MESSAGE,
    OutboxState.FAILED: Kind.FAILED_TURN,
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A claimed row that does not leave, or not now; `row.pieces_sent` of its pieces have left."""

    row: Outgoing
    error: MedrepError
    opening: int = 0  # `platform.openings` of its contact when the send began
    otherwise: bool = False  # where the window is closed it can leave as a template, with the next claim
    taken: tuple[Taken, ...] = ()  # of the ledger, for this send
    unsent: int = 0  # so many of those pieces certainly did not leave


def unexpected(error: Exception) -> MedrepError:
    """An error with one row that was not foreseen: others hold what it needs (`of_statement`), or it is a bug
    of ours. Its words may be personal: only its name is kept."""
    if isinstance(error, MedrepError):
        return error
    fault = Fault.TRANSIENT if isinstance(error, UNAVAILABLE) else Fault.CONFIGURATION
    return MedrepError(fault, f"{type(error).__name__} before it was sent")


async def follow(tx: Tx, services: Services, refusals: Sequence[Refusal]) -> None:
    """Write what these refusals lead to; nothing for a row that somebody else has meanwhile.

    What a platform says of a person (`_OF_CONTACT`) may be out of date when it is written. So the contact is
    locked first: whoever writes at this moment either waits for us, or opened another window, and the row
    goes on.
    """
    now = services.clock.now()
    anew = await _written_since(tx, refusals)
    accounts = {(one.row.account, one.error.fault) for one in refusals if one.error.fault in _ACCOUNT}
    for account, fault in sorted(accounts, key=str):
        await platform.open_circuit(tx, account, _account_rests(fault, real_now()), fault)
    outcomes = {one.row.id: _outcome(services, one, one.row.id in anew) for one in refusals}
    settled = await outbox_outcomes.settle_all(tx, [(one.row, outcomes[one.row.id]) for one in refusals])
    followed = [one for one in refusals if one.row.id in settled]
    # One that waits on is recorded as waiting.
    told = [one for one in followed if not one.error.fault == one.row.fault == Fault.NOT_NOW]
    await note_all(tx, [_evidence(one, outcomes[one.row.id].state, now) for one in told])
    for one in followed:
        metrics.NOT_SENT.labels(str(one.row.account), str(one.error.fault)).inc()
        if one.unsent:
            await platform.refund(tx, one.row.contact_id, one.taken, one.unsent)
        if one.row.id not in anew:
            await _ledger(tx, one.row, one.error, now)
    await _alarms(tx, services, followed, now)
    for one in told:
        state = outcomes[one.row.id].state
        row, error, basis = one.row, one.error, one.row.basis or ""
        log.warning("outbox.not_sent", row=row.id, fault=str(error.fault), code=error.code, state=state.value)
        await _task(tx, services, one, state, now)
        waits = row.purpose not in PROACTIVE and not basis.startswith(_WRITTEN)  # for an answer of the bot
        if state == OutboxState.BLOCKED and waits and "utter_failed" not in basis:
            await _say_so(tx, services, row, now)


async def _written_since(tx: Tx, refusals: Sequence[Refusal]) -> frozenset[int]:
    """The rows whose person has opened a window since the send began."""
    concerned = [one for one in refusals if one.error.fault in _OF_CONTACT]
    if not concerned:
        return frozenset()
    contact_ids = {one.row.contact_id for one in concerned}
    await contacting.lock_contacts(tx, contact_ids)
    openings = await platform.openings(tx, contact_ids)
    return frozenset(one.row.id for one in concerned if openings[one.row.contact_id] != one.opening)


def _outcome(services: Services, refusal: Refusal, anew: bool) -> Outcome:
    row, fault = refusal.row, str(refusal.error.fault)
    return replace(_next(services, refusal, anew), fault=fault, pieces=row.pieces_sent)


def _next(services: Services, refusal: Refusal, anew: bool) -> Outcome:
    row, error, now = refusal.row, refusal.error, real_now()
    fault = error.fault
    if error.until is not None:  # NOT_NOW
        return Outcome(OutboxState.WAITING, not_before=error.until, counts=False)
    if anew or (fault == Fault.WINDOW_CLOSED and refusal.otherwise):
        return Outcome(OutboxState.WAITING, retry_at=now)
    if fault in _WINDOW:
        return Outcome(OutboxState.HELD, expires_at=row.expires_at or services.clock.now() + HELD)
    if fault in _ACCOUNT:
        return Outcome(OutboxState.WAITING, retry_at=_account_rests(fault, now), counts=False)
    answered = error.code is not None  # by the platform; else nothing has reached it
    if fault == Fault.TOO_LONG and answered and not row.pieces_sent and row.halved < MOST_HALVED:
        return Outcome(OutboxState.WAITING, retry_at=now, halve=True)
    if fault in _PASSING and row.attempts < (TRIES if answered else TRIES_UNHEARD):  # waited out
        pause = min(2**row.attempts, LONGEST_PAUSE)
        return Outcome(OutboxState.WAITING, retry_at=now + timedelta(seconds=pause))
    return Outcome(_STATES.get(fault, OutboxState.FAILED))


def _evidence(refusal: Refusal, state: OutboxState, now: datetime) -> Evidence:
    row, error = refusal.row, refusal.error
    return about(
        "message.not_sent",
        now,
        f"outbox:{row.id}",
        row,
        fault=str(error.fault),
        detail=error.detail,
        code=error.code,
        state=state.value,
    )


async def _ledger(tx: Tx, row: Outgoing, error: MedrepError, now: datetime) -> None:
    """What the platform says counts more than what we reckoned."""
    if error.fault in _WINDOW and error.code is not None:
        if error.fault == Fault.COUNT_USED_UP:
            await platform.exhaust(tx, row.contact_id)
        else:
            await platform.close_window(tx, row.contact_id, now)
    elif error.fault == Fault.UNREACHABLE:
        contact = await contacts.by_id(tx, row.contact_id)
        if contact.unreachable_at is None:
            await contacts.mark(tx, contact.id, unreachable_at=now)
            await outbox_outcomes.cancel_open(tx, contact.id)


async def _alarms(tx: Tx, services: Services, refusals: Sequence[Refusal], now: datetime) -> None:
    """One task a day for each account and fault that an operator has to mend."""
    day = now.astimezone(CHINA).date()
    found = [one for one in refusals if one.error.fault in _ALARMS]
    details = {
        f"platform:{one.row.account}:{one.error.fault}:{day}": f"{one.row.account} {one.error.fault} "
        f"{one.error.code or ''}"
        for one in found
    }
    for key, detail in sorted(details.items()):
        await open_task(tx, services.vault, Kind.PLATFORM, now=now, key=key, detail=detail)


async def _task(tx: Tx, services: Services, refusal: Refusal, state: OutboxState, now: datetime) -> None:
    if (refusal.row.basis or "").startswith(_ANSWER):
        return  # its request says so, to medical alone
    if (kind := _TASKS.get(state)) is not None:
        contact = await contacts.by_id(tx, refusal.row.contact_id)
        key, detail = f"{kind}:outbox:{refusal.row.id}", str(refusal.error)
        await open_task(tx, services.vault, kind, now=now, contact=contact, key=key, detail=detail)


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
