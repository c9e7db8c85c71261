"""The accounts of colleagues: a login, roles, a team, and a password that is shown once.

Whoever is disabled keeps the row: what they did stays theirs.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from argon2 import PasswordHasher

from bot.evidence import note
from bot.model import Fault, MedrepError
from bot.store import sessions, staff
from bot.store.database import Tx
from bot.store.staff import StaffRow
from bot.text.han import leveled

_LOGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_LONGEST_NUMBER = 60
_PASSWORD_BYTES = 12  # of the system's randomness: 16 characters


class Role(StrEnum):
    REP = "rep"  # medical representative
    MANAGER = "manager"
    CARE = "care"  # looks after patients
    MEDICAL = "medical"  # answers what no approved text answers
    PV = "pv"  # pharmacovigilance
    COMPLIANCE = "compliance"
    REVIEWER = "reviewer"  # legal
    ADMIN = "admin"
    AUDITOR = "auditor"


async def add(
    tx: Tx, login: str, roles: Collection[Role], now: datetime, *, name: str = "", team: str = "", by: str
) -> str:
    """A colleague's one-time password. `name` is the login where none is given.

    Somebody whom an import named so gets this login; somebody disabled is back with these roles alone.
    Raises MedrepError(BAD_INPUT | CONFLICT).
    """
    if not _LOGIN.fullmatch(login):
        raise MedrepError(Fault.BAD_INPUT, "a login is letters, digits and . _ @ -, at most 64")
    if not roles:
        raise MedrepError(Fault.BAD_INPUT, "a colleague has at least one role")
    password, hashed = _password()
    found = await staff.read(tx, login, lock=True)
    if found and found[0].disabled_at is not None:
        staff_id: UUID | None = found[0].id
        await staff.enable(tx, found[0].id, hashed, roles)
    else:
        staff_id = await staff.add(tx, _as_listed(name) or login, login, hashed, team)
        if staff_id is None:
            raise MedrepError(Fault.CONFLICT, "this login or this name is another colleague's already")
        await staff.add_roles(tx, staff_id, roles)
    await note(tx, "staff.added", now, f"staff:{staff_id}", login=login, roles=sorted(roles), by=by)
    return password


async def reset(tx: Tx, login: str, now: datetime, *, by: str, factor: bool = False) -> str:
    """A new one-time password; the old one opens nothing any more, and all sessions end. `factor`: the second
    factor goes as well (a lost phone).

    Raises MedrepError(NOT_FOUND | CONFLICT).
    """
    colleague = await _of_login(tx, login)
    if colleague.disabled_at is not None:
        raise MedrepError(Fault.CONFLICT, "this login is disabled; `staff add` brings it back")
    password, hashed = _password()
    await staff.set_password(tx, colleague.id, hashed)
    await sessions.end_all(tx, colleague.id)
    if factor:
        await sessions.drop_factor(tx, colleague.id)
    await note(tx, "staff.reset", now, f"staff:{colleague.id}", login=login, by=by, factor=factor)
    return password


async def register(
    tx: Tx, login: str, number: str, now: datetime, *, company: str, until: date | None, by: str
) -> None:
    """The registration (备案) of a medical representative; `until` is its last day.

    Raises MedrepError(NOT_FOUND | BAD_INPUT).
    """
    if not number.strip() or len(number) > _LONGEST_NUMBER:
        raise MedrepError(Fault.BAD_INPUT, f"a registration is 1 to {_LONGEST_NUMBER} characters")
    colleague = await _of_login(tx, login)
    await staff.register(tx, colleague.id, number.strip(), company.strip(), until)
    ends = until and until.isoformat()
    await note(
        tx, "staff.registered", now, f"staff:{colleague.id}", login=login, number=number, until=ends, by=by
    )


async def disable(tx: Tx, login: str, now: datetime, *, by: str) -> None:
    """From now on this login does nothing. Raises MedrepError(NOT_FOUND)."""
    colleague = await _of_login(tx, login)
    if colleague.disabled_at is None:
        await staff.disable(tx, colleague.id, now)
        await sessions.end_all(tx, colleague.id)
        await note(tx, "staff.disabled", now, f"staff:{colleague.id}", login=login, by=by)


async def find_reps(tx: Tx, names: Collection[str], now: datetime) -> dict[str, UUID]:
    """The colleagues of these names; an unknown one is created as a rep, without a login."""
    found = await staff.by_names(tx, names)
    new = await staff.add_named(tx, set(names) - set(found), Role.REP)
    for staff_id in new.values():
        await note(tx, "staff.named", now, f"staff:{staff_id}", roles=[Role.REP.value], by="import")
    return {**found, **new}


async def colleague(tx: Tx, login: str, roles: Collection[Role] = frozenset(Role)) -> StaffRow:
    """The colleague who acts under this login, with one of these roles at least.

    Raises MedrepError(NOT_FOUND | CONFLICT: disabled, or none of the roles).
    """
    found = await _of_login(tx, login)
    if found.disabled_at is not None:
        raise MedrepError(Fault.CONFLICT, "this login is disabled")
    if not set(roles) & set(found.roles):
        raise MedrepError(Fault.CONFLICT, f"this needs one of the roles {', '.join(sorted(roles))}")
    return found


async def _of_login(tx: Tx, login: str) -> StaffRow:
    found = await staff.read(tx, login, lock=True)
    if not found:
        raise MedrepError(Fault.NOT_FOUND, "no colleague has this login")
    return found[0]


def _as_listed(name: str) -> str:
    """A name as the import of doctors writes it down, or its rep would be somebody else: （演示） is
    (演示), 张　三 is 张三."""
    return re.sub(r"(?<=[^\x00-\x7f]) +| +(?=[^\x00-\x7f])", "", leveled(name).strip())


def _password() -> tuple[str, str]:
    password = secrets.token_urlsafe(_PASSWORD_BYTES)
    return password, PasswordHasher().hash(password)
