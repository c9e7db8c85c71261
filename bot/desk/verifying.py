"""核对身份: what somebody said of themselves beside the rows of the list that they may be."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from uuid import UUID

from bot import doctors, tasks
from bot.desk.day import TaskLine
from bot.desk.reading import Desk
from bot.doctors import said_of, suspects
from bot.evidence import note
from bot.model import Fault, MedrepError
from bot.staff import Session
from bot.store import desk
from bot.store import doctors as doctor_rows
from bot.store import tasks as task_rows
from bot.store.database import Tx
from bot.store.desk import DoctorCard
from bot.store.tasks import TaskRow


@dataclass(frozen=True, slots=True)
class Verification:
    """`said`: name, hospital, phone. `rows`: whom of the list it may be, of those that this colleague may
    see; `others`: how many more. `seen` goes along with the decision."""

    task: TaskLine
    said: dict[str, str]
    rows: tuple[DoctorCard, ...]
    others: int
    seen: str


async def verification(reading: Desk, who: Session, task_id: int) -> Verification:
    """Raises MedrepError(NOT_FOUND): no such task, or not for this colleague."""
    services, now = reading.services, reading.services.clock.now()
    async with reading.reading(who) as tx:
        row = await _task(reading, tx, who, task_id)
        named = suspects(row)
        rows = [card for name in named if (card := await _row(reading, tx, name)) is not None]
    async with services.db.begin() as tx:
        await note(tx, "verification.read", now, f"task:{task_id}", row, login=who.login)
    line = TaskLine(row, None, row.due_at < now, tasks.may_handle(row, who.roles))
    return Verification(line, said_of(row), tuple(rows), len(named) - len(rows), _seen(row))


async def confirm_identity(reading: Desk, who: Session, task_id: int, external_id: str, seen: str) -> UUID:
    """It is this doctor, who is told so; the person of the list.

    Raises MedrepError(NOT_FOUND: no such task or doctor, or not for this colleague | CONFLICT: decided, or
    they have said something else since it was shown).
    """
    services = reading.services
    async with reading.reading(who) as tx:
        await _decides(reading, tx, who, task_id, seen)
        card = await _row(reading, tx, external_id.strip())
        if card is None:
            raise MedrepError(Fault.NOT_FOUND, "no such doctor")
    async with services.db.begin() as tx:
        await doctors.confirm(tx, services, task_id, card.external_id, who.login, services.clock.now())
    return card.person_id


async def decline_identity(reading: Desk, who: Session, task_id: int, seen: str) -> None:
    """Nobody knows them; they are told, and may try again. Raises MedrepError as `confirm_identity`."""
    services = reading.services
    async with reading.reading(who) as tx:
        await _decides(reading, tx, who, task_id, seen)
    async with services.db.begin() as tx:
        await doctors.decline(tx, services, task_id, who.login, services.clock.now())


async def _task(reading: Desk, tx: Tx, who: Session, task_id: int) -> TaskRow:
    found = await task_rows.read(tx, reading.services.vault, task_id=task_id)
    if not found or found[0].kind != tasks.Kind.IDENTITY or not tasks.may_handle(found[0], who.roles):
        raise MedrepError(Fault.NOT_FOUND, "no such task")
    return found[0]


async def _decides(reading: Desk, tx: Tx, who: Session, task_id: int, seen: str) -> None:
    row = await _task(reading, tx, who, task_id)
    if row.state == "done" or _seen(row) != seen:
        raise MedrepError(Fault.CONFLICT, "it has changed since it was shown")


async def _row(reading: Desk, tx: Tx, external_id: str) -> DoctorCard | None:
    """The doctor of the list, if this colleague may see them."""
    try:
        person_id = await doctor_rows.person_of(tx, external_id)
    except MedrepError:
        return None
    return await desk.doctor_card(tx, reading.services.vault, person_id)


def _seen(row: TaskRow) -> str:
    return hashlib.sha256((row.detail or "").encode()).hexdigest()[:16]
