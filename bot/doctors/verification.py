"""Who is it: name, hospital and phone against the imported list, and a code or a person's confirmation.

The three are public knowledge, so they prove nothing alone, and no answer may tell whether somebody is on
the list. With a code every mismatch, whatever it was, gets the same answer after the same work; without a
code everybody waits for a person, on the list or not.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from bot.clock import real_now
from bot.doctors.binding import bind
from bot.doctors.identity import code, code_digest, identity_digest
from bot.doctors.parts import NO_CODE
from bot.evidence import note
from bot.model import Audience, Fault, MedrepError
from bot.store import contacts, doctors, outbox, people, tasks
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.doctors import Listed
from bot.store.keyring import Keyring
from bot.store.outbox import Draft
from bot.store.tasks import TaskRow
from bot.tasks import Kind, open_task

if TYPE_CHECKING:  # importing a list needs no encoder in memory
    from bot.runtime.services import Services

# (what, how many tries, within). The account's bound is far above what honest doctors need together; it
# stops somebody with many contacts from trying the list out.
_PER_CONTACT = (("verify", 5, timedelta(hours=1)), ("verify", 20, timedelta(days=1)))
_PER_ACCOUNT = (("verify.account", 300, timedelta(hours=1)),)
_LONGEST = 200
_NOBODY = b"\0" * 32


class Attempt(StrEnum):
    VERIFIED = "verified"
    AGAIN = "again"  # something did not match; never said what
    WAIT = "wait"  # a colleague will confirm or decline
    LIMIT = "limit"  # too many tries for now


async def verify(
    tx: Tx, services: Services, contact: Contact, parts: Mapping[str, str], now: datetime
) -> Attempt:
    """Decide on what a newcomer said: `name`, `hospital`, `phone`, `code` (`NO_CODE` when they have none)."""
    if await doctors.verified(tx, [contact.person_id]):
        return Attempt.VERIFIED
    if contact.audience != Audience.DOCTOR:
        raise MedrepError(Fault.CONFLICT, "only doctors' accounts verify")
    keyring = services.vault.keyring
    if await _too_often(tx, keyring, contact, now):
        await _record(tx, contact, Attempt.LIMIT, now)
        return Attempt.LIMIT
    answers = {part: str(parts.get(part) or "")[:_LONGEST] for part in ("name", "hospital", "phone", "code")}
    identity = identity_digest(keyring, answers["name"], answers["hospital"], answers["phone"])
    candidates = await doctors.listed(tx, identity)
    if answers["code"].lower() == NO_CODE:
        await _ask_colleague(tx, services, contact, answers, candidates, now)
        await _record(tx, contact, Attempt.WAIT, now)
        return Attempt.WAIT
    digest = code_digest(keyring, answers["code"])
    invited = await doctors.invited(tx, digest, now)
    # One comparison, made whether or not there is such a code.
    right = hmac.compare_digest((invited and invited.identity) or _NOBODY, identity) and code(answers["code"])
    if invited is None or not right:
        await _record(tx, contact, Attempt.AGAIN, now)
        return Attempt.AGAIN
    await doctors.use_code(tx, digest, now)
    await bind(tx, services.vault, contact.id, invited.person_id, "code", now)
    return Attempt.VERIFIED


async def confirm(
    tx: Tx, services: Services, task_id: int, external_id: str | None, by: str, now: datetime
) -> None:
    """A colleague knows who it is: the contact is this doctor's, and is told so.

    Without `external_id` it is the one doctor of the list who matches. Raises MedrepError(NOT_FOUND: no such
    task or doctor | CONFLICT: already decided, nobody or several match, or it is another doctor's contact).
    """
    task = await _waiting(tx, services, task_id)
    person_id = (
        await doctors.person_of(tx, external_id)
        if external_id is not None
        else (await _only_match(tx, services.vault.keyring, task)).person_id
    )
    await tasks.close(tx, task_id, now, by, "confirmed")
    await bind(tx, services.vault, _contact_id(task), person_id, by, now)
    await _tell(tx, services, task, "utter_verify_done", now)


async def decline(tx: Tx, services: Services, task_id: int, by: str, now: datetime) -> None:
    """A colleague does not know them: they are told, as on any mismatch, and may try again.

    Raises MedrepError(NOT_FOUND | CONFLICT) as `confirm`.
    """
    task = await _waiting(tx, services, task_id)
    await tasks.close(tx, task_id, now, by, "declined")
    await note(tx, "verification.declined", now, f"task:{task_id}", task, by=by)
    await _tell(tx, services, task, "utter_verify_again", now)


# ---------------------------------------------------------------- how often


async def _too_often(tx: Tx, keyring: Keyring, contact: Contact, now: datetime) -> bool:
    """Whether a bound is reached; if not, this try counts."""
    by_contact = people.tries_of(keyring, contact.id)
    by_account = keyring.digest("attempt.account", str(contact.account))
    for bounds, attempts in ((_PER_CONTACT, by_contact), (_PER_ACCOUNT, by_account)):
        for what, most, within in bounds:
            if await people.tries(tx, what, attempts, now - within) >= most:
                return True
    await people.tried(tx, "verify", by_contact, now)
    await people.tried(tx, "verify.account", by_account, now)
    return False


async def _record(tx: Tx, contact: Contact, outcome: Attempt, now: datetime) -> None:
    await note(tx, "verification.tried", now, f"contact:{contact.id}", contact, outcome=outcome.value)


# ---------------------------------------------------------------- the colleague's task

_LABELS = {"name": "姓名", "hospital": "医院", "phone": "手机"}


async def _ask_colleague(
    tx: Tx,
    services: Services,
    contact: Contact,
    answers: Mapping[str, str],
    candidates: list[Listed],
    now: datetime,
) -> None:
    """One open task a newcomer, for the rep of whoever they seem to be."""
    if await people.open_task_of(tx, contact.person_id, Kind.IDENTITY) is not None:
        return
    lines = [f"{label}：{' '.join(answers[part].split())}" for part, label in _LABELS.items()]
    matches = "、".join(c.external_id for c in candidates) or "无"
    task_id, _ = await open_task(
        tx,
        services.vault,
        Kind.IDENTITY,
        now=now,
        contact=contact,
        detail="\n".join([*lines, f"名单匹配：{matches}"]),
    )
    await people.give_task(tx, task_id, candidates[0].rep_id if len(candidates) == 1 else None)


async def _waiting(tx: Tx, services: Services, task_id: int) -> TaskRow:
    await people.lock_task(tx, task_id)
    found = await tasks.read(tx, services.vault, task_id=task_id)
    if not found or found[0].kind != Kind.IDENTITY:
        raise MedrepError(Fault.NOT_FOUND, "no identity task has this number")
    if found[0].state == "done":
        raise MedrepError(Fault.CONFLICT, "this task is already decided")
    return found[0]


async def _only_match(tx: Tx, keyring: Keyring, task: TaskRow) -> Listed:
    answers = dict(line.split("：", 1) for line in (task.detail or "").splitlines() if "：" in line)
    name, hospital, phone = (answers.get(label, "") for label in _LABELS.values())
    candidates = await doctors.listed(tx, identity_digest(keyring, name, hospital, phone))
    if len(candidates) != 1:
        found = "several doctors match" if candidates else "no doctor of the list matches"
        raise MedrepError(Fault.CONFLICT, f"{found}: name the external id")
    return candidates[0]


def _contact_id(task: TaskRow) -> int:
    if task.contact_id is None:
        raise MedrepError(Fault.CONFLICT, "the task has no contact")
    return task.contact_id


async def _tell(tx: Tx, services: Services, task: TaskRow, response: str, now: datetime) -> None:
    contact = await contacts.by_id(tx, _contact_id(task))
    reply = services.published.dialogue.reply(response, Audience.DOCTOR)
    await outbox.add(tx, services.vault, contact, Draft.of(reply), now=now, retry_at=real_now())
