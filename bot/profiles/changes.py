"""A doctor says that an entry of theirs is wrong: a steward (manager, admin) decides, and the doctor is told.

What is accepted becomes a tag written by the colleague (or the main affiliation), which is surer than the
list: the list's own entry stays as it was imported, and a later list does not undo the correction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from bot.clock import real_now
from bot.evidence import note
from bot.model import Audience, Fault, MedrepError
from bot.profiles import affiliations, tags
from bot.profiles.respect import Correction
from bot.runtime.services import Services
from bot.staff import Role, colleague
from bot.store import contacts, outbox, profiles, suggestions, tasks
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.outbox import Draft
from bot.store.suggestions import ChangeRow
from bot.store.vault import Vault
from bot.tasks import Kind, open_task

STEWARDS = frozenset({Role.MANAGER, Role.ADMIN})
LABELS: Mapping[str, str] = {"department": "科室", "title": "职称", "hospital": "医院"}


@dataclass(frozen=True, slots=True)
class Change:
    """A change request as a colleague reads it: what the entry is now, and what it should be."""

    task: int
    external_id: str | None
    name: str
    held: str
    wanted: str
    opened_at: datetime
    state: str
    decided_at: datetime | None
    decided_by: str | None


async def request(
    tx: Tx, vault: Vault, contact: Contact, wanted: Correction, words: str, message: str, now: datetime
) -> datetime:
    """Open it as a task, one a wanted value while it waits; when it is due. `message` is where it was said
    (`turn:UUID`)."""
    person_id = await profiles.now_of(tx, contact.person_id)
    for row in await suggestions.changes(tx, person_id=person_id, waiting=True):
        if row.name == wanted.name and await _wanted(tx, vault, row) == wanted.value:
            (open_one,) = await tasks.read(tx, vault, task_id=row.task_id)
            return open_one.due_at
    held = await _held(tx, contact.person_id, wanted.name, now)
    label = LABELS[wanted.name]
    detail = f"[资料更正] {label}：现为「{held or '空'}」，本人说应为「{wanted.value}」\n原话：{words}"
    task_id, due = await open_task(
        tx,
        vault,
        Kind.PROFILE_CHANGE,
        now=now,
        contact=contact,
        key=f"{Kind.PROFILE_CHANGE}:{message}:{wanted.name}",
        detail=detail,
    )
    sealed = await vault.seal(tx, person_id, wanted.value, "change_request.wanted")
    await suggestions.add_change(
        tx,
        person_id=person_id,
        contact_id=contact.id,
        task_id=task_id,
        name=wanted.name,
        wanted_enc=sealed,
        message=message,
        opened_at=now,
    )
    return due


async def decide(
    tx: Tx, services: Services, task_id: int, login: str, now: datetime, *, accept: bool
) -> None:
    """A steward accepts or declines; the doctor is told with our next chance to write.

    Raises MedrepError(NOT_FOUND | CONFLICT: decided before, or not for this colleague).
    """
    await colleague(tx, login, STEWARDS)
    task = await tasks.locked(tx, services.vault, task_id)
    row = await suggestions.change_of_task(tx, task_id)
    if task is None or row is None:
        raise MedrepError(Fault.NOT_FOUND, f"task {task_id} is no change request")
    if row.state != "open" or task.state == "done":
        raise MedrepError(Fault.CONFLICT, f"change request {task_id} is decided")
    word = "accepted" if accept else "declined"
    if accept:
        await _apply(tx, services.vault, row, login, now)
    await suggestions.decide_change(tx, row.id, word, now, login)
    await tasks.close(tx, task_id, now, login, word)
    await note(tx, f"profile.change_{word}", now, f"task:{task_id}", row, name=row.name, by=login)
    contact = await contacts.by_id(tx, row.contact_id)
    if contact.unreachable_at is None:
        response = f"utter_change_{word}"
        reply = services.published.dialogue.reply(response, Audience.DOCTOR, field=LABELS[row.name])
        await outbox.add(tx, services.vault, contact, Draft.of(reply), now=now, retry_at=real_now())


async def _apply(tx: Tx, vault: Vault, row: ChangeRow, login: str, now: datetime) -> None:
    value = await _wanted(tx, vault, row)
    if row.name == "hospital":
        await affiliations.add(tx, row.person_id, value, login, now, main=True)
        return
    evidence = [f"task:{row.task_id}", *([row.message] if row.message else [])]
    await tags.note_by_colleague(tx, row.person_id, row.name, value, login, now, evidence=evidence)


async def read(tx: Tx, vault: Vault, now: datetime, *, waiting: bool = True) -> list[Change]:
    """Change requests, oldest first; `waiting`: those not decided."""
    rows = await suggestions.changes(tx, waiting=waiting)
    listed = await profiles.entries(tx, {row.person_id for row in rows})
    return [
        Change(
            row.task_id,
            listed[row.person_id].external_id if row.person_id in listed else None,
            row.name,
            await _held(tx, row.person_id, row.name, now),
            await _wanted(tx, vault, row),
            *(row.opened_at, row.state, row.decided_at, row.decided_by),
        )
        for row in rows
    ]


async def _wanted(tx: Tx, vault: Vault, row: ChangeRow) -> str:
    return await vault.open_text(tx, row.person_id, row.wanted_enc, "change_request.wanted")


async def _held(tx: Tx, person_id: UUID, name: str, now: datetime) -> str:
    """What the entry is now."""
    whom = await profiles.now_of(tx, person_id)
    if name == "hospital":
        return next((one.hospital for one in await affiliations.of(tx, whom) if one.main), "")
    known = (await tags.tags_of(tx, [whom], now))[whom]
    return next((tag.value for tag in known if tag.name == name and tag.holds), "")
