"""Who is it: name, hospital and phone against the imported list, and a code or a person's confirmation.

The three are public knowledge, so they prove nothing alone, and no answer may tell whether somebody is on
the list. With a code every mismatch, whatever it was, gets the same answer after the same work, and a
colleague looks at it; without a code everybody waits for one, on the list or not. Nobody is asked for ever:
who cannot say it all goes to a colleague with what is known.

A code is what proves; so its holder may call the hospital by any name that is used for it (`hospitals`).
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from bot.clock import CHINA, real_now
from bot.doctors.binding import bind
from bot.doctors.hospitals import may_be, meanings
from bot.doctors.identity import code, code_digest, identity_digest
from bot.doctors.parts import NO_CODE, PARTS
from bot.evidence import note
from bot.model import Audience, Fault, MedrepError
from bot.store import contact_keys, contacts, doctors, outbox, people, tasks
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
_LONGEST_TASK = 8000  # characters that one task may gather
_NOBODY = b"\0" * 32


class Attempt(StrEnum):
    VERIFIED = "verified"
    AGAIN = "again"  # something did not match, never said what; a colleague looks at it, too
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
    answers = _bounded(parts)
    if answers["code"].lower() == NO_CODE:
        await _ask_colleague(tx, services, contact, answers, now)
        await _record(tx, contact, Attempt.WAIT, now)
        return Attempt.WAIT
    digest = code_digest(keyring, answers["code"])
    invited = await doctors.invited(tx, digest, now)
    hospital = answers["hospital"]
    if invited is not None and may_be(hospital, invited.hospital):
        hospital = invited.hospital
    identity = identity_digest(keyring, answers["name"], hospital, answers["phone"])
    # One comparison, made whether or not there is such a code.
    right = hmac.compare_digest((invited and invited.identity) or _NOBODY, identity) and code(answers["code"])
    if invited is None or not right:
        await _ask_colleague(tx, services, contact, answers, now, invited)
        await _record(tx, contact, Attempt.AGAIN, now)
        return Attempt.AGAIN
    await doctors.use_code(tx, digest, now)
    await bind(tx, services.vault, contact.id, invited.person_id, "code", now)
    return Attempt.VERIFIED


async def refer(
    tx: Tx, services: Services, contact: Contact, parts: Mapping[str, str], words: str, now: datetime
) -> None:
    """Somebody who was asked and could not say it all: a colleague goes on with what is known, and with
    their last words."""
    await _ask_colleague(tx, services, contact, _bounded(parts), now, words=words)
    await _record(tx, contact, Attempt.WAIT, now)


async def waiting_until(tx: Tx, services: Services, contact: Contact, now: datetime) -> datetime | None:
    """When a colleague has promised to have looked at who this is; None: nobody has, or it is over."""
    task_id = await people.open_task_of(tx, contact.person_id, Kind.IDENTITY)
    found = await tasks.read(tx, services.vault, task_id=task_id) if task_id is not None else []
    return found[0].due_at.astimezone(CHINA) if found and found[0].due_at > now else None


def _bounded(parts: Mapping[str, str]) -> dict[str, str]:
    return {part: str(parts.get(part) or "")[:_LONGEST] for part in PARTS}


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
_NOT_TOLD = "未提供"
_MATCHES, _NOBODY_MATCHES = "名单匹配", "无"


async def _ask_colleague(
    tx: Tx,
    services: Services,
    contact: Contact,
    answers: Mapping[str, str],
    now: datetime,
    invited: Listed | None = None,
    words: str = "",
) -> None:
    """One open task a newcomer, for the rep of whoever they seem to be; what is told later is added to it."""
    keyring, vault = services.vault.keyring, services.vault
    candidates = await _candidates(tx, keyring, answers["name"], answers["hospital"], answers["phone"])
    lines = [f"{label}：{' '.join(answers[part].split()) or _NOT_TOLD}" for part, label in _LABELS.items()]
    matches = "、".join(c.external_id for c in candidates) or _NOBODY_MATCHES
    lines.append(f"{_MATCHES}：{matches}")
    if invited is not None:
        lines.append(f"邀请码：发给 {invited.external_id} 的，但姓名、医院或手机与名单不一致")
    elif answers["code"]:
        lines.append("邀请码：没有" if answers["code"].lower() == NO_CODE else "邀请码：没有核对上")
    if words:
        lines.append(f"原话：{' '.join(words.split())[:_LONGEST]}")
    detail = "\n".join(lines)
    if (task_id := await people.open_task_of(tx, contact.person_id, Kind.IDENTITY)) is not None:
        (open_task_row,) = await tasks.read(tx, vault, task_id=task_id)
        if not (open_task_row.detail or "").startswith(detail):
            # The newest stands first: what is read of a task is its first line of a kind.
            key_id = await contact_keys.key_of(tx, vault, contact)
            earlier = f"\n此前：\n{open_task_row.detail}" if open_task_row.detail else ""
            await tasks.rewrite(tx, vault, task_id, key_id, f"{detail}{earlier}"[:_LONGEST_TASK])
        return
    task_id, _ = await open_task(tx, vault, Kind.IDENTITY, now=now, contact=contact, detail=detail)
    reps = {one.rep_id for one in ([invited] if invited else candidates)}
    await people.give_task(tx, task_id, reps.pop() if len(reps) == 1 else None)


async def _candidates(tx: Tx, keyring: Keyring, name: str, hospital: str, phone: str) -> list[Listed]:
    """The doctors of the list whom these words may mean."""
    identities = [identity_digest(keyring, name, meaning, phone) for meaning in meanings(hospital)]
    return await doctors.listed(tx, identities)


async def _waiting(tx: Tx, services: Services, task_id: int) -> TaskRow:
    await people.lock_task(tx, task_id)
    found = await tasks.read(tx, services.vault, task_id=task_id)
    if not found or found[0].kind != Kind.IDENTITY:
        raise MedrepError(Fault.NOT_FOUND, "no identity task has this number")
    if found[0].state == "done":
        raise MedrepError(Fault.CONFLICT, "this task is already decided")
    return found[0]


def said_of(task: TaskRow) -> dict[str, str]:
    """What the person of an identity task said of themselves: name, hospital, phone; "" where nothing."""
    answers: dict[str, str] = {}
    for line in (task.detail or "").splitlines():
        label, _, value = line.partition("：")
        if value != _NOT_TOLD:
            answers.setdefault(label, value)  # the newest stands first
    return {part: answers.get(label, "") for part, label in _LABELS.items()}


def suspects(task: TaskRow) -> tuple[str, ...]:
    """The external ids that an identity task names: who matches, and whose code it was."""
    found: list[str] = []
    for line in (task.detail or "").splitlines():
        label, _, value = line.partition("：")
        if label == _MATCHES and value != _NOBODY_MATCHES:
            found += value.split("、")
        elif label == "邀请码" and value.startswith("发给 "):
            found.append(value.removeprefix("发给 ").partition(" 的，")[0])
    return tuple(dict.fromkeys(found))


async def _only_match(tx: Tx, keyring: Keyring, task: TaskRow) -> Listed:
    name, hospital, phone = said_of(task).values()
    candidates = await _candidates(tx, keyring, name, hospital, phone)
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
