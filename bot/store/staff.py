"""Colleagues and their roles."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID, uuid4

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from bot.store.database import Tx
from bot.store.tables import staff, staff_role


@dataclass(frozen=True, slots=True)
class StaffRow:
    id: UUID
    name: str
    login: str | None
    roles: tuple[str, ...]
    team: str
    one_time: bool
    disabled_at: datetime | None


async def read(tx: Tx, login: str | None = None, *, lock: bool = False) -> list[StaffRow]:
    """Those with this login, or all, by name."""
    query = select(staff).order_by(staff.c.name)
    if login is not None:
        query = query.where(staff.c.login == login)
    if lock:
        query = query.with_for_update()
    people = (await tx.execute(query)).all()
    roles: dict[UUID, list[str]] = {row.id: [] for row in people}
    for row in await tx.execute(
        select(staff_role).where(staff_role.c.staff_id.in_(roles)).order_by(staff_role.c.role)
    ):
        roles[row.staff_id].append(row.role)
    return [
        StaffRow(row.id, row.name, row.login, tuple(roles[row.id]), row.team, row.one_time, row.disabled_at)
        for row in people
    ]


async def add(tx: Tx, name: str, login: str, password_hash: str, team: str) -> UUID | None:
    """A colleague with a one-time password; the id. Somebody an import named so gets the login.

    None when the login is taken, or the name by another login.
    """
    values = {"login": login, "password_hash": password_hash, "one_time": True, "team": team}
    added: UUID | None = (
        await tx.execute(
            insert(staff)
            .values(id=uuid4(), name=name, **values)
            .on_conflict_do_nothing()
            .returning(staff.c.id)
        )
    ).scalar()
    if added is None and not await read(tx, login):
        named = update(staff).where(staff.c.name == name, staff.c.login.is_(None)).values(values)
        added = (await tx.execute(named.returning(staff.c.id))).scalar()
    return added


async def add_roles(tx: Tx, staff_id: UUID, roles: Collection[str]) -> None:
    """What they are from now on as well."""
    await tx.execute(
        insert(staff_role).on_conflict_do_nothing(),
        [{"staff_id": staff_id, "role": role} for role in sorted(roles)],
    )


async def enable(tx: Tx, staff_id: UUID, password_hash: str, roles: Collection[str]) -> None:
    """Somebody disabled is back, with these roles only, and bound to no company account."""
    await set_password(tx, staff_id, password_hash)
    back = update(staff).where(staff.c.id == staff_id)
    await tx.execute(back.values(disabled_at=None, company_subject=None))
    await tx.execute(delete(staff_role).where(staff_role.c.staff_id == staff_id))
    await add_roles(tx, staff_id, roles)


async def set_password(tx: Tx, staff_id: UUID, password_hash: str) -> None:
    """A one-time password."""
    await tx.execute(
        update(staff).where(staff.c.id == staff_id).values(password_hash=password_hash, one_time=True)
    )


async def disable(tx: Tx, staff_id: UUID, now: datetime) -> None:
    """No password opens it any more; the first time is the one remembered."""
    await tx.execute(
        update(staff)
        .where(staff.c.id == staff_id)
        .values(password_hash=None, disabled_at=func.coalesce(staff.c.disabled_at, now))
    )


async def by_names(tx: Tx, names: Collection[str]) -> dict[str, UUID]:
    rows = await tx.execute(select(staff.c.name, staff.c.id).where(staff.c.name.in_(names)))
    return {row.name: row.id for row in rows}


async def add_named(tx: Tx, names: Collection[str], role: str) -> dict[str, UUID]:
    """Colleagues of whom a name is known, without a login; those that are new: name -> id."""
    added: dict[str, UUID] = {}
    for name in sorted(names):
        new = (
            await tx.execute(
                insert(staff)
                .values(id=uuid4(), name=name)
                .on_conflict_do_nothing(index_elements=["name"])
                .returning(staff.c.id)
            )
        ).scalar()
        if new is not None:
            added[name] = new
            await add_roles(tx, new, [role])
    return added


async def register(tx: Tx, staff_id: UUID, number: str, company: str, until: date | None) -> None:
    values = {"registration": number, "company": company, "registered_until": until}
    await tx.execute(update(staff).where(staff.c.id == staff_id).values(values))


async def mark_demo(tx: Tx, staff_id: UUID) -> None:
    """An account of the demo, whose printed password stays good."""
    await tx.execute(update(staff).where(staff.c.id == staff_id).values(demo=True, one_time=False))


async def registration(tx: Tx, staff_id: UUID) -> tuple[str, date | None]:
    """A colleague's registration, empty where there is none, and its last day."""
    query = select(staff.c.registration, staff.c.registered_until).where(staff.c.id == staff_id)
    row = (await tx.execute(query)).one()
    return row.registration, row.registered_until
