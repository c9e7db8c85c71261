"""The kinds of tasks, and how soon each is due."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, time, timedelta
from enum import StrEnum
from uuid import UUID

from bot.clock import CHINA
from bot.evidence import note
from bot.model import ERASED_TEXT
from bot.schedule import Hours, after_working_days, next_moment
from bot.settings import LIMITS
from bot.staff import Role
from bot.store import contact_keys, tasks
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.tasks import TaskRow
from bot.store.vault import Vault


class Kind(StrEnum):
    MEDICAL_INFORMATION = "medical_information"  # a question that is not answered from approved text
    MATERIAL = "material"  # a file, which only a colleague may send
    ADVERSE_EVENT = "adverse_event"  # to pharmacovigilance, within 24 h of first awareness
    CASE_ALARM = "case_alarm"  # a death was reported, or reports have become a cluster
    EMERGENCY = "emergency"  # a red flag was seen
    HAND_OVER = "hand_over"  # they want a person
    APPOINTMENT = "appointment"  # they answered to a time that their rep proposed
    IDENTITY = "identity"  # a person must confirm who this is
    DATA_REQUEST = "data_request"  # copy, correct or delete
    COMPLIANCE = "compliance"  # money, gifts or counting: looked into by compliance alone
    FEEDBACK = "feedback"  # an answer was found wrong or useless
    PROFILE_CHANGE = "profile_change"  # an entry of theirs is wrong; a steward decides
    FAILED_TURN = "failed_turn"  # we could not answer
    BLOCKED_MESSAGE = "blocked_message"  # the exit refused a text
    UNCERTAIN_SEND = "uncertain_send"  # nobody knows whether it arrived
    PLATFORM = "platform"  # a channel account needs its operator


# Whose it is; what is not named here is for the rep of the doctor it concerns.
_OWNERS = {
    Kind.ADVERSE_EVENT: Role.PV,
    Kind.CASE_ALARM: Role.PV,
    Kind.EMERGENCY: Role.PV,
    Kind.MEDICAL_INFORMATION: Role.MEDICAL,
    Kind.MATERIAL: Role.MEDICAL,
    Kind.DATA_REQUEST: Role.COMPLIANCE,
    Kind.COMPLIANCE: Role.COMPLIANCE,
    Kind.PROFILE_CHANGE: Role.MANAGER,
    Kind.PLATFORM: Role.ADMIN,
}
# Their records must be kept: safety cases, and compliance's (how a request or a suspicion was dealt with).
CASES = frozenset({Kind.ADVERSE_EVENT, *(kind for kind, role in _OWNERS.items() if role == Role.COMPLIANCE)})
# The clock runs day and night for safety; working time is what people are promised otherwise.
_AT_ONCE = {
    Kind.EMERGENCY: timedelta(hours=1),
    Kind.CASE_ALARM: timedelta(hours=1),
    Kind.ADVERSE_EVENT: timedelta(hours=24),
}
_WORKING_DAYS = {Kind.MEDICAL_INFORMATION: 2, Kind.MATERIAL: 2, Kind.DATA_REQUEST: 15, Kind.PROFILE_CHANGE: 5}
LONGEST = 4000  # characters of somebody's words that a colleague reads
_LONGEST_DETAIL = 2 * LONGEST  # that one task may gather


def due_after(kind: Kind, now: datetime) -> datetime:
    """When a task opened now is due, as an aware datetime in China's time."""
    if kind in _AT_ONCE:
        return (now + _AT_ONCE[kind]).astimezone(CHINA)
    return after_working_days(now, _WORKING_DAYS.get(kind, 1))


def raised_after(due: datetime) -> datetime:
    """When somebody above its owner hears of a task that was due then: two hours later, in working time."""
    hours = Hours(LIMITS.work_from, LIMITS.work_until)
    return next_moment(due + timedelta(hours=2), hours=hours, quiet=Hours(time(), time())).at


async def waiting_of(tx: Tx, contact: Contact, kinds: Collection[Kind]) -> list[tuple[Kind, datetime]]:
    """What of these kinds the contact waits for, the newest of each: (kind, due), the newest first."""
    found = await tasks.waiting_of(tx, contact.id, [kind.value for kind in kinds])
    return [(Kind(kind), due.astimezone(CHINA)) for kind, due in found]


async def add_to_open(
    tx: Tx, vault: Vault, kind: Kind, *, now: datetime, contact: Contact, detail: str
) -> tuple[int, datetime] | None:
    """Add words to the contact's open task of this kind; its id and due time.

    None when there is none to add to: none is open, or the one that is has not been kept in time, and what
    was promised with it cannot be promised again.
    """
    found = await tasks.open_of(tx, vault, kind.value, contact.id, now)
    if found is None:
        return None
    key_id = found.key_id if kind in CASES else await contact_keys.key_of(tx, vault, contact)
    await _append(tx, vault, found, detail, key_id)
    await note(tx, "task.repeated", now, f"task:{found.id}", contact, kind=kind.value)
    return found.id, found.due_at.astimezone(CHINA)


async def add_words(tx: Tx, vault: Vault, task_id: int, contact: Contact, words: str, now: datetime) -> None:
    """Words of theirs that belong to this task, be it overdue."""
    found = await tasks.locked(tx, vault, task_id)
    if found is not None and await _append(
        tx, vault, found, words, await contact_keys.key_of(tx, vault, contact)
    ):
        await note(tx, "task.repeated", now, f"task:{found.id}", contact, kind=found.kind)


async def _append(tx: Tx, vault: Vault, found: TaskRow, detail: str, key_id: UUID | None) -> bool:
    """Whether the words were not there yet."""
    existing = found.detail if found.detail and found.detail != ERASED_TEXT else ""
    if not detail or f"\n{detail}\n" in f"\n{existing}\n":
        return False
    await tasks.rewrite(tx, vault, found.id, key_id, f"{existing}\n{detail}".strip("\n")[:_LONGEST_DETAIL])
    return True


async def open_task(
    tx: Tx,
    vault: Vault,
    kind: Kind,
    *,
    now: datetime,
    contact: Contact | None = None,
    key: str | None = None,
    detail: str = "",
    due: datetime | None = None,
) -> tuple[int, datetime]:
    """Open a task, once per `key`; its id and due time, where none is given as its kind has it. `detail` is
    what the colleague reads, encrypted.

    Opened again under its key it is the same task, and says what it did not say yet.
    """
    due = due or due_after(kind, now)
    person_id = contact.person_id if contact else None
    task_id = await tasks.add(
        tx,
        kind=kind.value,
        contact_id=contact.id if contact else None,
        person_id=person_id,
        owner_role=_OWNERS.get(kind, Role.REP).value,
        key=key,
        opened_at=now,
        due_at=due,
    )
    if task_id is None:
        return await _again(tx, vault, kind, key or "", now, contact, detail)
    await tasks.rewrite(tx, vault, task_id, await _key(tx, vault, kind, contact), detail)
    shown = "" if contact or kind in CASES else detail  # a case's words are somebody's in any case
    subject = f"task:{task_id}"
    await note(tx, "task.opened", now, subject, contact, kind=kind.value, due=due.isoformat(), detail=shown)
    return task_id, due


async def _key(tx: Tx, vault: Vault, kind: Kind, contact: Contact | None) -> UUID | None:
    """Under whose key the words are. What the law keeps outlives the person's erasure: a key of its own."""
    if kind in CASES:
        return await vault.add_key(tx, None)
    return await contact_keys.key_of(tx, vault, contact) if contact else None


async def _again(
    tx: Tx, vault: Vault, kind: Kind, key: str, now: datetime, contact: Contact | None, detail: str
) -> tuple[int, datetime]:
    found = await tasks.of_key(tx, vault, key)
    key_id = found.key_id
    if contact is not None and kind not in CASES:
        key_id = await contact_keys.key_of(tx, vault, contact)
    if await _append(tx, vault, found, detail, key_id):
        await note(tx, "task.repeated", now, f"task:{found.id}", contact, kind=kind.value)
    return found.id, found.due_at.astimezone(CHINA)
