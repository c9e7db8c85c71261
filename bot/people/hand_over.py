"""Whoever asks for a person: who has the request, until when, and what happens when nobody takes it on.

The request is a task of kind hand_over. It is the doctor's rep's, else the manager's on duty, and due within
`Limits.claim_minutes` of working time. Until a colleague claims it the bot goes on answering; once one has
taken the conversation over it is silent (`takeover`). What nobody claims in time goes to the manager with a
time of its own, and the person is told so. All of it stands in rows: a restart changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

from bot.clock import real_now
from bot.dialogue.version import ON_DUTY
from bot.evidence import note
from bot.model import Audience, Purpose, Reply
from bot.people import quiet
from bot.runtime.loops import together_or_alone
from bot.schedule import Closed, Hours, after_working_time, closed, spoken_time
from bot.settings import Limits
from bot.staff import Role
from bot.store import contacting, contacts, hand_overs, outbox
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.hand_overs import Unclaimed
from bot.store.outbox import Draft
from bot.tasks import LONGEST, Kind, add_to_open, open_task

if TYPE_CHECKING:
    from bot.runtime.services import Services

EVERY = 5.0  # seconds
BATCH = 100


@dataclass(frozen=True, slots=True)
class Promise:
    """What they are told: whose it is (`ON_DUTY`: nobody is named), until when, and, out of hours, when
    somebody will be there."""

    owner: str
    due: datetime
    closed: Closed | None


def due_at(now: datetime, limits: Limits) -> datetime:
    """By when somebody is to have taken on what is asked for now."""
    return after_working_time(now, timedelta(minutes=limits.claim_minutes), _hours(limits))


def out_of_hours(now: datetime, limits: Limits) -> Closed | None:
    return closed(now, _hours(limits))


async def request(
    tx: Tx, services: Services, contact: Contact, words: str, now: datetime, *, key: UUID, soon: bool = True
) -> Promise:
    """They want a person. Asked again in time, it is the same request. `key`: of the turn they ask in;
    `soon` False: a wish that can wait for a working day, such as a call after a visit."""
    vault, limits = services.vault, services.limits
    kind, detail = Kind.HAND_OVER, words[:LONGEST]
    found = await add_to_open(tx, vault, kind, now=now, contact=contact, detail=detail)
    if found is None:
        due = due_at(now, limits) if soon else None
        name = f"{kind}:{key}"
        found = await open_task(tx, vault, kind, now=now, contact=contact, key=name, detail=detail, due=due)
        await _own(tx, contact, found[0])
    owner = await hand_overs.owner_of(tx, found[0])
    return Promise(owner.name if owner and owner.here else ON_DUTY, found[1], out_of_hours(now, limits))


async def waiting(tx: Tx, contact: Contact) -> str:
    """Who has their request: whoever has said so, else whom it is for; `ON_DUTY` where that is nobody."""
    found = await hand_overs.standing(tx, contact.id)
    return (found.claimed_by or found.owner if found else "") or ON_DUTY


async def _own(tx: Tx, contact: Contact, task_id: int) -> None:
    """A doctor without a rep, or whose rep has left, is the manager's on duty. Patients are the care team's:
    no manager reads their words."""
    owner = await hand_overs.owner_of(tx, task_id)
    if contact.audience != Audience.DOCTOR or (owner and owner.here):
        return
    manager = await hand_overs.manager_on_duty(tx, contact.person_id, real_now())
    if manager is not None:
        await hand_overs.give_to(tx, task_id, manager.id, Role.REP.value)


async def look_after(services: Services) -> None:
    """What nobody took on in time goes to a manager. Many processes may do it."""
    now = services.clock.now()
    async with services.db.begin() as tx:
        found = await hand_overs.unclaimed(tx, now, BATCH)
    await together_or_alone("hand_overs", found, partial(_pass_on, services, now))


async def _pass_on(services: Services, now: datetime, found: Sequence[Unclaimed]) -> None:
    async with services.db.begin() as tx:
        await contacting.lock_contacts(tx, sorted({one.contact_id for one in found}))
        for one in await hand_overs.lock_unclaimed(tx, [one.task for one in found], now):
            await _escalate(tx, services, one, now)


async def _escalate(tx: Tx, services: Services, one: Unclaimed, now: datetime) -> None:
    """The manager has it, the person is told honestly, and the bot speaks again."""
    contact = await contacts.by_id(tx, one.contact_id)
    manager, but = None, [one.owner_id] if one.owner_id else []
    if contact.audience == Audience.DOCTOR:
        manager = await hand_overs.manager_on_duty(tx, contact.person_id, real_now(), but)
    due = due_at(now, services.limits)
    await hand_overs.pass_on(tx, one.task, manager.id if manager else one.owner_id, now, due)
    facts: dict[str, Any] = {"kind": Kind.HAND_OVER.value, "due": due.isoformat()}
    to = manager.login if manager else ""
    await note(tx, "task.passed_on", now, f"task:{one.task}", contact, to=to, **facts)
    await quiet.speak(tx, contact, now)
    if contact.unreachable_at is not None or contact.stopped_at is not None:
        return  # who has said stop since hears nothing that we begin
    reply = _unclaimed(services, contact.audience, manager.name if manager else ON_DUTY, due)
    queued = await outbox.add(
        tx, services.vault, contact, Draft.of(reply), now=now, retry_at=real_now(), subject=f"task:{one.task}"
    )
    row = queued.row
    facts = {"about": f"task:{one.task}", "purpose": Purpose.REPLY.value}
    await note(tx, "reply.queued", now, f"outbox:{row.id}", contact, body_enc=row.body_enc, **facts)


def _unclaimed(services: Services, audience: Audience, owner: str, due: datetime) -> Reply:
    dialogue = services.published.dialogue
    # a version that was published before this text was there
    name = "utter_unclaimed" if dialogue.has("utter_unclaimed") else "utter_status_late"
    return dialogue.reply(name, audience, rep=owner, due=spoken_time(due))


def _hours(limits: Limits) -> Hours:
    return Hours(limits.work_from, limits.work_until)
