"""A colleague takes a task on, and closes it: whoever has the role that it is for."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from bot.evidence import note
from bot.model import Fault, MedrepError
from bot.staff import Role, colleague
from bot.store import medical_requests, tasks
from bot.store.database import Tx
from bot.store.staff import StaffRow
from bot.store.tasks import TaskRow
from bot.store.vault import Vault
from bot.tasks.suspicion import names
from bot.tasks.task import Kind


async def acknowledge(tx: Tx, vault: Vault, task_id: int, login: str, now: datetime) -> None:
    """The colleague knows of it and does it; again, nothing changes.

    Raises MedrepError(NOT_FOUND | CONFLICT: done, another's, or not for this colleague).
    """
    found = await _for(tx, vault, task_id, login)
    if found.state == "acknowledged" and found.acknowledged_by == login:
        return
    if found.state != "open":
        raise MedrepError(Fault.CONFLICT, f"{found.acknowledged_by} has acknowledged task {task_id}")
    await tasks.acknowledge(tx, task_id, now, login)
    if found.kind == Kind.MEDICAL_INFORMATION and found.owner is None:
        await tasks.own(tx, task_id, (await colleague(tx, login)).id)
    await note(tx, "task.acknowledged", now, f"task:{task_id}", found, kind=found.kind, login=login)


async def close(tx: Tx, vault: Vault, task_id: int, login: str, now: datetime, *, remark: str = "") -> None:
    """It is done. `remark` joins what the task says, encrypted as that is. A question that is closed is not
    answered: what was approved and has not left is called back.

    Raises MedrepError(NOT_FOUND | CONFLICT: done before, not for this colleague, or decided otherwise).
    """
    found = await _for(tx, vault, task_id, login)
    if found.kind == Kind.IDENTITY:
        raise MedrepError(Fault.CONFLICT, "who this is is decided by confirm-doctor or decline-doctor")
    if found.kind == Kind.PROFILE_CHANGE:
        raise MedrepError(Fault.CONFLICT, "a change is decided by `medrep changes accept` or `decline`")
    if remark:
        detail = f"{found.detail or ''}\n[{login}] {remark}".strip()
        await tasks.rewrite(tx, vault, task_id, found.key_id, detail)
    await tasks.close(tx, task_id, now, login, "closed")
    facts: dict[str, Any] = {"kind": found.kind, "login": login}
    if found.kind == Kind.MEDICAL_INFORMATION and await medical_requests.recall(tx, task_id):
        facts["answer"] = "recalled"
    await note(tx, "task.closed", now, f"task:{task_id}", found, **facts)


def may_handle(found: TaskRow, roles: Collection[Role]) -> bool:
    """Whether somebody with these roles may take it on and close it."""
    return found.owner_role in roles or (found.owner_role == Role.REP and Role.MANAGER in roles)


def visible(found: TaskRow, reader: StaffRow) -> bool:
    """Whether a colleague reads this task: their role's, a rep's own; a manager what is a rep's, an auditor
    all.

    What compliance looks into is read by no other role, and not by whom it may speak of."""
    roles = set(reader.roles)
    if found.kind == Kind.COMPLIANCE:
        return bool(roles & {Role.COMPLIANCE, Role.AUDITOR}) and not _about(found, reader)
    if found.owner_role == Role.REP and Role.REP in roles and found.owner in (None, reader.name):
        return True
    if found.owner_role == Role.REP and Role.MANAGER in roles:
        return True
    if found.kind == Kind.PROFILE_CHANGE and Role.ADMIN in roles:
        return True
    return Role.AUDITOR in roles or (found.owner_role != Role.REP and found.owner_role in roles)


def _about(found: TaskRow, reader: StaffRow) -> bool:
    return found.kind == Kind.COMPLIANCE and names(found.detail or "", reader.name)


async def _for(tx: Tx, vault: Vault, task_id: int, login: str) -> TaskRow:
    """The task, locked and not done, if it is for this colleague's role; a rep's is for managers, too."""
    found = await tasks.locked(tx, vault, task_id)
    if found is None:
        raise MedrepError(Fault.NOT_FOUND, f"there is no task {task_id}")
    owner = Role(found.owner_role)
    reader = await colleague(tx, login, {owner, Role.MANAGER} if owner == Role.REP else {owner})
    if _about(found, reader):
        raise MedrepError(Fault.CONFLICT, f"task {task_id} is for another colleague of compliance")
    if found.state == "done":
        raise MedrepError(Fault.CONFLICT, f"task {task_id} is done")
    return found
