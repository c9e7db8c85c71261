"""May a message that we begin leave now? One pure function; the exit asks it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.model import PROACTIVE, Fault, Purpose
from bot.schedule import Hours
from bot.settings import Limits

WEEK = timedelta(days=7)
# After a conversation that is under way, a takeover, a closed window: when it is asked again.
PAUSE = timedelta(minutes=10)
COURTESY = frozenset({Purpose.SERVICE, Purpose.PROMOTION})  # what quiet hours, caps and a conversation bind


@dataclass(frozen=True, slots=True)
class Person:
    stopped: bool = False
    unreachable: bool = False


@dataclass(frozen=True, slots=True)
class Send:
    pass


@dataclass(frozen=True, slots=True)
class Defer:
    """Not before `until` (business time)."""

    until: datetime
    why: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """Never."""

    fault: Fault
    why: str


Decision = Send | Defer | Refuse


def decide(
    purpose: Purpose,
    person: Person,
    consents: frozenset[Purpose],
    limits: Limits,
    sent: tuple[datetime, ...],
    takeover: bool,
    live_conversation: bool,
    window: bool,
    now: datetime,
    *,
    forced: bool = False,
    begins: bool = False,
    awaiting: bool = False,
) -> Decision:
    """What binds a message of this purpose at `now` (business time).

    `consents`: the purposes that they agreed to. `limits`: quiet hours and the weekly cap. `sent`: when
    service and promotion left, at least those of the last seven days. `takeover`: a colleague speaks with
    them. `live_conversation`: a turn of theirs has just begun. `window`: the platform lets us write freely;
    else only its templates leave, and no turn `begins`, whose words none of them carries. `forced`: a
    colleague has it begin now, whatever the hour and the cap. `awaiting`: they asked for a person and nobody
    has spoken with them, so no visit begins meanwhile.
    Replies and emergencies are bound by nothing here but that the person can be reached.
    """
    if person.unreachable:
        return Refuse(Fault.UNREACHABLE, "not a follower")
    if purpose == Purpose.ANALYSIS:
        return Refuse(Fault.NO_CONSENT, "nothing is sent for analysis")
    if purpose not in PROACTIVE:
        return Send()
    if person.stopped:
        return Refuse(Fault.STOPPED, "they said stop")
    if purpose not in consents:
        return Refuse(Fault.NO_CONSENT, f"no consent for {purpose}")
    waits = []
    if takeover:
        waits.append(Defer(now + PAUSE, "takeover"))
    if purpose in COURTESY and not forced:
        if (until := Hours(limits.quiet_from, limits.quiet_until).until(now)) is not None:
            waits.append(Defer(until, "quiet hours"))
        if (until := _free_at(limits, sent, now)) is not None:
            waits.append(Defer(until, "weekly cap"))
        if live_conversation:
            waits.append(Defer(now + PAUSE, "conversation"))
    if purpose == Purpose.PROMOTION and awaiting and not forced:
        waits.append(Defer(now + PAUSE, "person"))
    if not window and (purpose == Purpose.PROMOTION or (begins and purpose in COURTESY)):
        waits.append(Defer(now + PAUSE, "window"))  # a platform's template may not advertise, nor ask
    return max(waits, key=lambda wait: wait.until, default=Send())


def _free_at(limits: Limits, sent: tuple[datetime, ...], now: datetime) -> datetime | None:
    """When the next of the week may leave; None: now."""
    recent = sorted(moment for moment in sent if moment > now - WEEK)
    return recent[-limits.weekly] + WEEK if len(recent) >= limits.weekly else None
