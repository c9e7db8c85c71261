"""Setting, cancelling and moving timers, in the caller's transaction."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta

from bot.clock import CHINA
from bot.evidence import Owner, note
from bot.model import PROACTIVE, Fault, MedrepError, Purpose
from bot.schedule import recurrence
from bot.store import contacting, occurrences, outbox_outcomes, timers, triggers
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.occurrences import CANCELLED, Pending
from bot.store.timers import Action, Timer

ONCE = "FREQ=DAILY;COUNT=1"
CANCEL_REASON = "cancelled"
_ID = re.compile(r"[A-Za-z0-9_.:@-]{1,80}", re.ASCII)


async def set_timer(
    tx: Tx,
    contact: Contact,
    action: Action,
    name: str,
    refs: Mapping[str, int | str],
    *,
    purpose: Purpose,
    subject: str,
    starts_at: datetime,
    grace: timedelta,
    now: datetime,
    rrule: str | None = None,
    zone: str = CHINA.key,
) -> int:
    """A message to this contact, or a turn with them, once at `starts_at` or by a rule from then on; its id.

    MESSAGE: its text is made when it is sent, by the wording `name` (`bot.outbound.wording`) from `refs`.
    TRIGGER: a turn begins with intent `name`, and its actions are handed `refs`. References are ids. `zone`
    is the person's. What is late by more than `grace` is missed. Raises MedrepError(BAD_INPUT).
    """
    if action == Action.JOB or purpose not in PROACTIVE:
        raise MedrepError(Fault.BAD_INPUT, f"no timer of a person: {action}, {purpose}")
    recurrence.check(rrule or ONCE, zone, starts_at)
    made = Timer(
        contact_id=contact.id,
        person_id=contact.person_id,
        action=action.value,
        name=name,
        refs=_ids(refs),
        purpose=purpose.value,
        subject=subject,
        rrule=rrule,
        zone=zone,
        starts_at=starts_at,
        next_due=recurrence.first(rrule, zone, starts_at) if rrule else starts_at,
        grace=int(grace.total_seconds()),
    )
    timer_id = await timers.add(tx, made)
    await note(
        tx,
        "timer.set",
        now,
        f"timer:{timer_id}",
        contact,
        action=action.value,
        name=name,
        about=subject,
        rrule=rrule or "",
        zone=zone,
        starts_at=starts_at.isoformat(),
    )
    return timer_id


async def set_jobs(tx: Tx, rules: Mapping[str, str], now: datetime) -> None:
    """Functions of ours (those that `Timers` was given) run by these rules, at first now.

    What runs so already goes on as it is; jobs that are not named end. Raises MedrepError(BAD_INPUT).
    """
    for name, rrule in rules.items():
        recurrence.check(rrule, CHINA.key, now)
        made = Timer(
            contact_id=None,
            person_id=None,
            action=Action.JOB.value,
            name=name,
            refs={},
            purpose=None,
            subject="",
            rrule=rrule,
            zone=CHINA.key,
            starts_at=now,
            next_due=now,
            grace=0,
        )
        await timers.set_job(tx, made)
    for timer_id in await timers.jobs_but(tx, list(rules)):
        await cancel(tx, timer_id, now)


async def cancel(tx: Tx, timer_id: int, now: datetime, *, due: datetime | None = None) -> int:
    """No occurrence of the timer takes place any more, or only that of `due`; how many were pending.

    What is with the platform at this moment cannot be recalled, and ends by itself. Raises
    MedrepError(NOT_FOUND: no such timer, or nothing is due then).
    """
    timer = await _locked(tx, timer_id)
    pending = await occurrences.pending(tx, timer_id, timer.contact_id, due)
    stopped = [one for one in pending if await _cancelled(tx, one)]
    upcoming = timer.next_due is not None and due in (None, timer.next_due)
    if not pending and not upcoming and due is not None:
        raise MedrepError(Fault.NOT_FOUND, f"timer {timer_id} has nothing to cancel then")
    if due is None:
        await timers.change(tx, timer_id, next_due=None, slot_at=None)
    elif upcoming:
        await occurrences.record(tx, timer_id, timer.action, due, CANCELLED, CANCEL_REASON)
        await timers.change(tx, timer_id, next_due=_following(timer), slot_at=None)
    which, count = due.isoformat() if due else "all", len(stopped)
    await note(tx, "timer.cancelled", now, f"timer:{timer_id}", _owner(timer), due=which, pending=count)
    return len(stopped)


async def move(tx: Tx, timer_id: int, now: datetime, *, due: datetime, to: datetime) -> None:
    """The one occurrence of `due` takes place at `to` instead; those after it stay where they are.

    Raises MedrepError: NOT_FOUND (nothing is due then), BAD_INPUT (`to` is past), CONFLICT (the next one is
    not later than `to`, or it is with the platform already, or its turn or job has begun).
    """
    timer = await _locked(tx, timer_id)
    pending = await occurrences.pending(tx, timer_id, timer.contact_id, due)
    if not pending and timer.next_due != due:
        raise MedrepError(Fault.NOT_FOUND, f"timer {timer_id} has nothing due then")
    _ahead(to, now)
    following = timer.next_due if pending else _following(timer)
    if following is not None and to >= following:
        raise MedrepError(Fault.CONFLICT, "the next occurrence is due before that")
    if pending:
        await _defer(tx, pending[0], timer, to)
    else:
        await timers.change(tx, timer_id, next_due=to, slot_at=timer.slot)
    await _moved(tx, timer, "timer.moved", now, due, to)


async def move_series(tx: Tx, timer_id: int, now: datetime, *, to: datetime) -> None:
    """The series goes on from `to` instead of from its next due time; a COUNT keeps what is left of it.

    Parts that the rule names itself (BYHOUR, BYDAY) hold after `to` as before. Raises MedrepError: NOT_FOUND
    (it is over), BAD_INPUT (`to` is past).
    """
    timer = await _locked(tx, timer_id)
    if timer.slot is None or timer.next_due is None:
        raise MedrepError(Fault.NOT_FOUND, f"timer {timer_id} is over")
    _ahead(to, now)
    rule = timer.rrule and recurrence.restarted(timer.rrule, timer.zone, timer.starts_at, timer.slot, to)
    await timers.change(tx, timer_id, rrule=rule, starts_at=to, next_due=to, slot_at=None)
    await _moved(tx, timer, "timer.series_moved", now, timer.next_due, to)


async def _moved(tx: Tx, timer: Timer, kind: str, now: datetime, due: datetime, to: datetime) -> None:
    was, becomes = due.isoformat(), to.isoformat()
    await note(tx, kind, now, f"timer:{timer.id}", _owner(timer), due=was, to=becomes)


async def _locked(tx: Tx, timer_id: int) -> Timer:
    """The timer, with its contact locked first, as everybody locks."""
    contact_id = await timers.contact_of(tx, timer_id)
    if contact_id is not None:
        await contacting.lock_contacts(tx, [contact_id])
    return await timers.locked(tx, timer_id)


async def _cancelled(tx: Tx, one: Pending) -> bool:
    """Whether this pending occurrence does not take place any more."""
    if one.outbox_id is not None:
        return await outbox_outcomes.cancel(tx, one.outbox_id, CANCEL_REASON)
    if one.inbox_id is not None:  # its occurrence ends as its turn does
        before = await triggers.cancel_one(tx, one.inbox_id, CANCEL_REASON)
        return before or await outbox_outcomes.cancel_turn(tx, one.inbox_id, CANCEL_REASON)
    if one.running:
        return False
    await occurrences.end(tx, one.id, CANCELLED, CANCEL_REASON)
    return True


async def _defer(tx: Tx, one: Pending, timer: Timer, to: datetime) -> None:
    waits = one.outbox_id is not None and await outbox_outcomes.defer(
        tx, one.outbox_id, to, to + timedelta(seconds=timer.grace)
    )
    if not waits:
        raise MedrepError(Fault.CONFLICT, "it is under way")
    await occurrences.move(tx, one.id, to)


def _following(timer: Timer) -> datetime | None:
    """When the timer is due after its next occurrence."""
    if timer.rrule is None or timer.slot is None:
        return None
    return recurrence.after(timer.rrule, timer.zone, timer.starts_at, timer.slot)


def _ids(refs: Mapping[str, int | str]) -> Mapping[str, int | str]:
    """A row that waits for months holds no words: what it refers to is read when it is due."""
    for name, value in refs.items():
        if not isinstance(value, int) and not _ID.fullmatch(value):
            raise MedrepError(Fault.BAD_INPUT, f"reference {name!r} is not an id")
    return refs


def _ahead(to: datetime, now: datetime) -> None:
    if to <= now:
        raise MedrepError(Fault.BAD_INPUT, "that moment has passed")


def _owner(timer: Timer) -> Owner | None:
    return None if timer.person_id is None else Owner(timer.person_id, timer.contact_id)
