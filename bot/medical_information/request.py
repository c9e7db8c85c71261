"""A request to medical information, from the doctor's side: what was asked, how it is to be answered, how far
it is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from bot.clock import CHINA
from bot.evidence import note
from bot.medical_information.wish import WISHES, heard
from bot.model import Fault, MedrepError
from bot.schedule import after_working_days
from bot.store import contact_keys, medical_requests, task_alarms
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.vault import Vault
from bot.tasks import LONGEST, Kind, add_words, open_task

ASKED_AGAIN = timedelta(days=30)  # after which it is asked again how they want to be answered
REMEMBERED = timedelta(days=30)  # for so long 「有结果了吗」 may mean what was answered


class RequestState(StrEnum):
    OPEN = "open"  # nobody has written an answer
    DRAFT = "draft"
    IN_REVIEW = "in_review"
    APPROVED = "approved"  # on its way, or held until they write
    UNSENT = "unsent"  # approved, and its message did not leave
    ANSWERED = "answered"
    ERASED = "erased"


WRITABLE = frozenset({RequestState.OPEN, RequestState.DRAFT, RequestState.IN_REVIEW})
DECIDED = frozenset({RequestState.APPROVED, RequestState.UNSENT, RequestState.ANSWERED})


@dataclass(frozen=True, slots=True)
class Opened:
    """A request as it was taken down. `wish`: as heard in the question; `ask`: they are to be asked."""

    task_id: int
    due: datetime
    wish: str
    ask: bool


async def open_request(
    tx: Tx,
    vault: Vault,
    contact: Contact,
    now: datetime,
    turn_id: UUID,
    question: str,
    *,
    product: str,
    off_label: bool,
    mark: str = "",
) -> Opened:
    """A task of medical with this question word for word, one a turn; due in two working days. `mark`: what
    the task says before it."""
    key, kind = f"{Kind.MEDICAL_INFORMATION}:{turn_id}", Kind.MEDICAL_INFORMATION
    task_id, due = await open_task(
        tx, vault, kind, now=now, contact=contact, key=key, detail=f"{mark}{question[:LONGEST]}"
    )
    before = await medical_requests.last_wish(tx, contact.id, now - ASKED_AGAIN)
    said = heard(question)
    sealed = await sealed_for(tx, vault, contact, question[:LONGEST], "medical_request.question")
    await medical_requests.add(
        tx,
        task_id,
        contact.id,
        contact.person_id,
        sealed,
        product=product,
        wish=said or before or "",
        off_label=off_label,
    )
    return Opened(task_id, due, said, not said and before is None)


async def set_wish(tx: Tx, contact: Contact, wish: str, now: datetime) -> bool:
    """How they want the answer to what they wait for; whether they wait for one."""
    found = await medical_requests.newest(tx, contact.id, lock=True)
    if found is None or found.done or wish not in WISHES:
        return False
    await medical_requests.change(tx, found.task_id, wish=wish)
    await note(tx, "request.wish", now, f"task:{found.task_id}", contact, wish=wish)
    return True


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the contact's newest request is. `due`: as they were told last; when it was answered, then."""

    state: RequestState
    due: datetime
    taken: bool
    late: bool


async def standing_of(tx: Tx, contact: Contact, now: datetime) -> Standing | None:
    """None: there is none to speak of."""
    found = await medical_requests.newest(tx, contact.id)
    if found is None:
        return None
    state = RequestState(found.state)
    if state == RequestState.ANSWERED and found.answered_at is not None:
        recent = found.answered_at > now - REMEMBERED
        return (
            Standing(state, found.answered_at.astimezone(CHINA), taken=True, late=False) if recent else None
        )
    if found.done:
        return None
    due = max(found.due_at, found.promised_at or found.due_at).astimezone(CHINA)
    return Standing(state, due, found.owner is not None, due <= now and state not in DECIDED)


async def urge(tx: Tx, vault: Vault, contact: Contact, words: str, now: datetime) -> datetime | None:
    """The doctor asks for what is late: their words join the request, medical is told again, and when they
    will hear, which stays the overdue request's promise. None: there is no request."""
    found = await medical_requests.newest(tx, contact.id, lock=True)
    if found is None or found.done:
        return None
    promised = after_working_days(now, 1)
    await add_words(tx, vault, found.task_id, contact, words[:LONGEST], now)
    await task_alarms.tell_again(tx, found.task_id)
    await medical_requests.change(tx, found.task_id, promised_at=promised)
    return promised


async def sealed_for(tx: Tx, vault: Vault, contact: Contact, words: str, place: str) -> bytes:
    return await vault.seal(tx, await contact_keys.key_of(tx, vault, contact), words, place)


async def sealed_body(tx: Tx, vault: Vault, contact: Contact, body: dict[str, Any]) -> bytes:
    return await sealed_for(tx, vault, contact, json.dumps(body, ensure_ascii=False), "medical_step.body")


async def body_of(tx: Tx, vault: Vault, step: medical_requests.StepRow) -> dict[str, Any]:
    """What a step says. Raises MedrepError(ERASED)."""
    body: dict[str, Any] = json.loads(
        await vault.open_text(tx, step.person_id, bytes(step.body_enc), "medical_step.body")
    )
    return body


def refuse(why: str) -> MedrepError:
    return MedrepError(Fault.CONFLICT, why)
