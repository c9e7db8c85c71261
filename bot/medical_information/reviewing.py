"""A second colleague approves the answer, which sends it, or returns it; and what the exit asks of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from bot.clock import real_now
from bot.content import Edition, edition_in_force
from bot.evidence import note
from bot.medical_information.answering import (
    ANSWERERS,
    LONGEST_REASON,
    REVIEWERS,
    Held,
    hold,
    newest_answer,
    ready,
    step,
    watch,
)
from bot.medical_information.request import RequestState, body_of, refuse
from bot.medical_information.wording import Answer, answer_message, outdated
from bot.model import Basis, BasisKind, Fault, MedrepError, OutboxState, Purpose
from bot.store import contacts, medical_requests, outbox, task_alarms, tasks
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.outbox import Draft, Part
from bot.store.vault import Vault

if TYPE_CHECKING:
    from bot.runtime.services import Services

log = structlog.get_logger()
EVERY = 3.0  # seconds
BATCH = 50
HELD = timedelta(days=30)  # for so long an answer waits until they write
_LEFT = (OutboxState.SENT.value, OutboxState.DELIVERED.value)
_LOST = (
    *(OutboxState.BLOCKED.value, OutboxState.CANCELLED.value, OutboxState.FAILED.value),
    *(OutboxState.EXPIRED.value, OutboxState.UNKNOWN.value),
)


async def approve(tx: Tx, vault: Vault, task_id: int, seen: int, login: str, now: datetime) -> int:
    """The answer as it was shown is right, and leaves; the outbox row.

    Raises MedrepError: as `hold`, CONFLICT (who wrote any of it does not approve it), BAD_INPUT.
    """
    held = await hold(tx, task_id, seen, login, REVIEWERS, frozenset({RequestState.IN_REVIEW}))
    await _not_an_author(tx, held)
    answer = await newest_answer(tx, vault, held.row)
    edition = await edition_in_force(tx)
    if edition is None:
        raise MedrepError(Fault.NO_BASIS, "no content is in force")
    ready(answer, edition, now)
    text = answer_message(answer, off_label=held.row.off_label)
    watch(text)
    digest = vault.keyring.digest("answer", text)
    await step(tx, vault, held, "approved", {}, now, state=RequestState.APPROVED, answer_digest=digest)
    return await _queue(tx, vault, held, text, now)


async def send_again(tx: Tx, vault: Vault, task_id: int, seen: int, login: str, now: datetime) -> int:
    """What was approved and did not leave is tried once more. Raises MedrepError as `hold`."""
    held = await hold(tx, task_id, seen, login, ANSWERERS, frozenset({RequestState.UNSENT}))
    answer = await newest_answer(tx, vault, held.row)
    await step(tx, vault, held, "resent", {}, now, state=RequestState.APPROVED)
    return await _queue(tx, vault, held, answer_message(answer, off_label=held.row.off_label), now)


async def _queue(tx: Tx, vault: Vault, held: Held, text: str, now: datetime) -> int:
    basis = Basis(BasisKind.ANSWER, str(held.row.task_id), str(held.row.answer))
    draft = Draft((Part(text, basis),), Purpose.REPLY)
    queued = await outbox.add(
        tx, vault, held.contact, draft, now=now, retry_at=real_now(), expires_at=now + HELD
    )
    row = queued.row
    await medical_requests.change(tx, held.row.task_id, outbox_id=row.id)
    facts = {"login": held.login, "basis": str(basis)}
    await note(tx, "answer.queued", now, f"outbox:{row.id}", held.contact, body_enc=row.body_enc, **facts)
    return row.id


async def send_back(
    tx: Tx, vault: Vault, task_id: int, seen: int, reason: str, login: str, now: datetime
) -> None:
    """It is a draft again, for this reason. Raises MedrepError: as `approve`, REFUSED_TEXT."""
    held = await hold(tx, task_id, seen, login, REVIEWERS, frozenset({RequestState.IN_REVIEW}))
    await _not_an_author(tx, held)
    if not reason.strip() or len(reason) > LONGEST_REASON:
        raise MedrepError(Fault.BAD_INPUT, f"a reason is 1 to {LONGEST_REASON} characters")
    watch(reason)
    await step(tx, vault, held, "returned", {"reason": reason.strip()}, now, state=RequestState.DRAFT)


async def _not_an_author(tx: Tx, held: Held) -> None:
    authors = {one.login for one in await medical_requests.steps(tx, held.row.task_id, ["saved"])}
    if held.login in authors:
        raise refuse("who wrote an answer does not review it")


async def says(
    tx: Tx, vault: Vault, contact: Contact, basis: Basis, text: str, newest: Edition, now: datetime
) -> bool:
    """Whether the approved answer that this basis names says just this, to just this contact, under documents
    that may be quoted. Raises MedrepError(ERASED | NO_BASIS: a document of it may not)."""
    if not (basis.ref.isdigit() and basis.version.isdigit()):
        return False
    found = await medical_requests.approved(tx, int(basis.ref), int(basis.version))
    if found is None or found.contact_id != contact.id:
        return False
    steps = await medical_requests.steps(tx, int(basis.ref), ["saved", "approved"])
    authors = {one.login for one in steps if one.kind == "saved"}
    approvers = [one.login for one in steps if one.kind == "approved" and one.number > found.step.number]
    if not approvers or approvers[-1] in authors:
        return False
    answer = Answer.from_json(await body_of(tx, vault, found.step))
    if title := outdated(answer, newest.content, now):
        raise MedrepError(Fault.NO_BASIS, f"{title} was replaced, was withdrawn or has expired")
    said = answer_message(answer, off_label=found.off_label)
    return said == text and vault.keyring.digest("answer", text) == found.digest


async def settle(services: Services) -> None:
    """What has left is answered, and its task is done unless they wanted more than the chat; what has not is
    told to whoever answers it. Many processes may do it."""
    async with services.db.begin() as tx:
        due = await medical_requests.departures(tx, [*_LEFT, *_LOST], BATCH)
    for one in due:
        async with services.db.begin() as tx:
            await _settle(tx, one, services.clock.now())


async def _settle(tx: Tx, one: medical_requests.Departure, now: datetime) -> None:
    row = await medical_requests.locked(tx, one.task_id)
    if row is None or row.state != RequestState.APPROVED:
        return  # another process was quicker, or the person was erased
    contact, subject = await contacts.by_id(tx, one.contact_id), f"task:{one.task_id}"
    if one.state in _LEFT:
        at = one.sent_at or now
        await medical_requests.change(tx, one.task_id, state=RequestState.ANSWERED, answered_at=at)
        await note(tx, "request.answered", now, subject, contact)
        if row.wish not in ("phone", "written") and await tasks.close(
            tx, one.task_id, now, row.owner or "medical", "answered"
        ):
            kind = "medical_information"
            await note(tx, "task.closed", now, subject, contact, kind=kind, login=row.owner or "")
        return
    await medical_requests.change(tx, one.task_id, state=RequestState.UNSENT)
    await task_alarms.tell_again(tx, one.task_id)
    await note(tx, "request.unsent", now, subject, contact, fault=one.fault, state=one.state)
    log.warning("request.unsent", task=one.task_id, fault=one.fault, state=one.state)
