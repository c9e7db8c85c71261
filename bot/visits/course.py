"""The course of a visit: planned, begun, moved, ended, and what is noticed on the way.

What is asked in which order stands in `data/rules/visits.yml`; here is only what must outlive a conversation.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from bot.evidence import note
from bot.model import Fault, MedrepError, Purpose
from bot.people import consent
from bot.schedule.changes import cancel, set_timer
from bot.store import visits
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.timers import Action
from bot.store.visit_plans import PlanRow
from bot.store.visits import VisitRow

BEGIN, RESUME = "visit_begin", "visit_resume"  # the intents of the turns that we begin
GRACE = timedelta(hours=48)  # how long such a turn may wait: the platform's window is not longer


class Step(StrEnum):
    """What is asked in a visit; the order is the rules'."""

    PERMISSION = "permission"
    NEED = "need"
    REACTION = "reaction"
    NEXT = "next"


class Ending(StrEnum):
    COMPLETED = "completed"
    REFUSED = "refused"
    NO_ANSWER = "no_answer"  # nothing more came in the conversation, or nothing that answers
    NOTHING = "nothing"  # no approved message fits (any more)
    BUSY = "busy"  # put off again, with no time named
    STOPPED = "stopped"  # they want nothing of the kind
    ANNOYED = "annoyed"  # they scold or complain
    HANDED_OVER = "handed_over"  # they want a person, or a colleague took over
    LEFT = "left"  # they said goodbye
    WRONG_PERSON = "wrong_person"


def subject(visit_id: int) -> str:
    """How messages and timers name it."""
    return f"visit:{visit_id}"


async def plan_visit(
    tx: Tx,
    contact: Contact,
    plan: PlanRow,
    now: datetime,
    *,
    begins: datetime,
    forced: bool = False,
    by: str = "",
) -> int | None:
    """A visit whose first turn begins at `begins`, if what binds promotion lets it; None: they are in one.
    `by`: the colleague who wanted it."""
    visit_id = await visits.add(
        tx, plan.id, contact.person_id, contact.id, Step.PERMISSION, now, forced=forced, requested=False
    )
    if visit_id is None:
        return None
    await _timer(tx, contact, visit_id, BEGIN, begins, now)
    await note(
        tx,
        "visit.planned",
        now,
        subject(visit_id),
        contact,
        plan=plan.id,
        begins=begins.isoformat(),
        forced=forced,
        by=by,
    )
    return visit_id


async def begin_now(tx: Tx, contact: Contact, plan: PlanRow, now: datetime) -> int:
    """A colleague has a visit begin now; one that waits already is that one. Its id.

    Raises MedrepError(CONFLICT: they are in the middle of one).
    """
    if (visit_id := await plan_visit(tx, contact, plan, now, begins=now, forced=True)) is not None:
        return visit_id
    visit = await visits.open_of(tx, contact.person_id)
    if visit is None or visit.state == "under_way":
        raise MedrepError(Fault.CONFLICT, "the doctor is in the middle of a visit")
    if visit.timer_id is not None:
        await _void(tx, visit.timer_id, now)
    await visits.change(tx, visit.id, forced=True, contact_id=contact.id)
    await _timer(tx, contact, visit.id, BEGIN if visit.begun_at is None else RESUME, now, now)
    await note(tx, "visit.forced", now, subject(visit.id), contact)
    return visit.id


async def request_visit(tx: Tx, contact: Contact, plan: PlanRow, now: datetime) -> VisitRow | None:
    """The doctor asks for it: it begins now, after the permission. None: they are in one."""
    visit_id = await visits.add(
        tx, plan.id, contact.person_id, contact.id, Step.NEED, now, forced=False, requested=True
    )
    if visit_id is None:
        return None
    await note(tx, "visit.requested", now, subject(visit_id), contact, plan=plan.id)
    return await visits.by_id(tx, visit_id)


async def ask_step(
    tx: Tx,
    visit: VisitRow,
    contact: Contact,
    step: Step,
    turn_id: UUID,
    now: datetime,
    *,
    ours: bool = False,
) -> bool:
    """The question of a step is put; whether for the first time in this visit.

    `ours`: by the turn that was to begin or resume it; else that one is void, since they came first."""
    first = visit.step != step or visit.asked == 0
    asked = 1 if visit.step != step or visit.state != "under_way" else visit.asked + 1
    values = {"state": "under_way", "step": step.value, "asked": asked, "last_at": now, "moved_to": None}
    if visit.step != step:
        values["unclear"] = 0
    if visit.begun_at is None:
        values["begun_at"] = now
        await note(tx, "visit.begun", now, subject(visit.id), contact, plan=visit.plan_id)
    if visit.state != "under_way":  # the summary tells what was said from here on
        if visit.timer_id is not None and not ours:
            await _void(tx, visit.timer_id, now)
        await visits.add_fact(tx, visit, visits.GOES_ON, step.value, turn_id, now)
    await visits.change(tx, visit.id, **values)
    return first


async def notice(tx: Tx, visit: VisitRow, kind: str, value: str, turn_id: UUID, now: datetime) -> None:
    """Something that the summary will tell, shown by this turn."""
    await visits.add_fact(tx, visit, kind, value, turn_id, now)
    need = {"need": value} if kind == Step.NEED else {}
    await visits.change(tx, visit.id, last_at=now, unclear=0, **need)


async def unclear(tx: Tx, visit: VisitRow, turn_id: UUID, now: datetime) -> int:
    """An answer that said nothing; the how-manieth to this question."""
    await visits.add_fact(tx, visit, "unclear", visit.step, turn_id, now)
    await visits.change(tx, visit.id, unclear=visit.unclear + 1, last_at=now)
    return visit.unclear + 1


async def move(tx: Tx, visit: VisitRow, contact: Contact, to: datetime, turn_id: UUID, now: datetime) -> None:
    """It goes on at `to` where it stands; an earlier appointment is void."""
    if visit.timer_id is not None:
        await _void(tx, visit.timer_id, now)
    await visits.change(tx, visit.id, state="moved", moved_to=to, moves=visit.moves + 1, last_at=now)
    await _timer(tx, contact, visit.id, RESUME, to, now)
    await visits.add_fact(tx, visit, "moved", to.isoformat(), turn_id, now)
    await note(tx, "visit.moved", now, subject(visit.id), contact, to=to.isoformat())


async def end(
    tx: Tx,
    visit: VisitRow,
    contact: Contact,
    ending: Ending | str,
    now: datetime,
    turn_id: UUID | None = None,
) -> None:
    """It is over. What was to resume it does not. Without a turn it is shown by the last one in it."""
    before = await visits.end_one(tx, visit.id, str(ending), now)
    if before is None:
        return
    if before.timer_id is not None and before.state in ("waiting", "moved"):
        await _void(tx, before.timer_id, now)
    if turn_id is None and before.begun_at is not None:
        turn_id = await visits.last_turn(tx, before)
    if turn_id is not None:
        await visits.add_fact(tx, visit, visits.ENDED, str(ending), turn_id, now)
    await note(tx, "visit.ended", now, subject(visit.id), contact, ending=str(ending))


async def _timer(tx: Tx, contact: Contact, visit_id: int, intent: str, at: datetime, now: datetime) -> None:
    timer_id = await set_timer(
        tx,
        contact,
        Action.TRIGGER,
        intent,
        {"visit": visit_id},
        purpose=Purpose.PROMOTION,
        subject=subject(visit_id),
        starts_at=at,
        grace=GRACE,
        now=now,
    )
    await visits.change(tx, visit_id, timer_id=timer_id)


async def _void(tx: Tx, timer_id: int, now: datetime) -> None:
    try:
        await cancel(tx, timer_id, now)
    except MedrepError as error:
        if error.fault != Fault.NOT_FOUND:
            raise


async def open_visit(tx: Tx, contact: Contact, now: datetime) -> VisitRow | None:
    """The person's visit that has not ended, be it on another contact; locked. Who wants none of the kind any
    more is in none: it ends here. What they asked for after a stop is theirs until they stop again."""
    visit = await visits.open_of(tx, contact.person_id)
    if visit is None:
        return None
    spoken = await consent.of_person(tx, contact.person_id)
    if not visit.requested:
        agreed = any(one.purpose == Purpose.PROMOTION and one.holds for one in spoken)
        wanted = agreed and contact.stopped_at is None
    else:
        stops = [
            contact.stopped_at,
            *(one.withdrawn_at for one in spoken if one.purpose == Purpose.PROMOTION),
        ]
        wanted = not any(one is not None and one >= visit.planned_at for one in stops)
    if wanted:
        return visit
    await end(tx, visit, contact, Ending.STOPPED, now)
    return None


async def told(tx: Tx, visit: VisitRow, basis: str, turn_id: UUID, now: datetime) -> None:
    """The key message was told, by this basis."""
    await visits.change(tx, visit.id, key_message=basis, last_at=now)
    await visits.add_fact(tx, visit, "told", basis, turn_id, now)


async def ended_in(tx: Tx, turn_id: UUID) -> str:
    """How a visit ended in this turn; "": none did."""
    return await visits.ended_in(tx, turn_id)
