"""Who is signed in at the console: sessions and second factors of colleagues. All times are real time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from bot.store import channels
from bot.store.database import Tx, notify
from bot.store.tables import attempt, staff, staff_role, staff_session


@dataclass(frozen=True, slots=True)
class StaffAccount:
    """What is needed to let a colleague in. `totp_enc` without `enrolled`: offered, and no code came yet."""

    id: UUID
    login: str
    name: str
    roles: tuple[str, ...]
    team: str
    password_hash: str | None
    one_time: bool
    demo: bool
    totp_enc: bytes | None
    enrolled: bool
    registration: str
    company: str
    registered_until: date | None


@dataclass(frozen=True, slots=True)
class SessionRow:
    account: StaffAccount
    factor: bool
    company: bool  # signed in with the company's account
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


_ROLES = (
    select(func.array_agg(staff_role.c.role)).where(staff_role.c.staff_id == staff.c.id).scalar_subquery()
)
_ACCOUNT = select(staff, _ROLES.label("roles")).where(staff.c.disabled_at.is_(None))


def _account(row: Any) -> StaffAccount:
    return StaffAccount(
        id=row.id,
        login=row.login,
        name=row.name,
        roles=tuple(sorted(row.roles or ())),
        team=row.team,
        password_hash=row.password_hash,
        one_time=row.one_time,
        demo=row.demo,
        totp_enc=row.totp_enc and bytes(row.totp_enc),
        enrolled=row.totp_at is not None,
        registration=row.registration,
        company=row.company,
        registered_until=row.registered_until,
    )


async def account(tx: Tx, login: str) -> StaffAccount | None:
    """The account with this login; None: there is none, or it is disabled."""
    row = (await tx.execute(_ACCOUNT.where(staff.c.login == login))).first()
    return None if row is None else _account(row)


async def account_of_company(tx: Tx, subject: bytes) -> StaffAccount | None:
    """The account that is bound to this digest of somebody's subject at the company's provider."""
    row = (await tx.execute(_ACCOUNT.where(staff.c.company_subject == subject))).first()
    return None if row is None else _account(row)


async def bind_company(tx: Tx, staff_id: UUID, subject: bytes) -> bool:
    """From now on the account is this subject's; False: it is another's already, or the subject has one
    that is disabled. Whoever calls is alone with this subject."""
    other = staff.alias()
    bound = select(other.c.id).where(other.c.company_subject == subject)
    free = update(staff).where(staff.c.id == staff_id, staff.c.company_subject.is_(None), ~bound.exists())
    done = await tx.execute(free.values(company_subject=subject).returning(staff.c.id))
    return done.first() is not None


async def add(
    tx: Tx,
    token_hash: bytes,
    staff_id: UUID,
    now: datetime,
    expires_at: datetime,
    *,
    factor: bool,
    company: bool,
) -> None:
    """A new session. Those that are over go, whoever had them."""
    await tx.execute(delete(staff_session).where(staff_session.c.expires_at < now))
    values = {"factor": factor, "company": company, "seen_at": now}
    values |= {"created_at": now, "expires_at": expires_at}
    await tx.execute(insert(staff_session).values(token_hash=token_hash, staff_id=staff_id, **values))


async def find(tx: Tx, token_hash: bytes, now: datetime, idle_since: datetime) -> SessionRow | None:
    """The session of this token; None: unknown, over, idle for too long, or the account is disabled."""
    query = _ACCOUNT.add_columns(
        staff_session.c.factor,
        staff_session.c.company.label("by_company"),
        staff_session.c.created_at,
        staff_session.c.seen_at,
        staff_session.c.expires_at,
    ).join(staff_session, staff_session.c.staff_id == staff.c.id)
    row = (
        await tx.execute(
            query.where(
                staff_session.c.token_hash == token_hash,
                staff_session.c.expires_at > now,
                staff_session.c.seen_at > idle_since,
            )
        )
    ).first()
    if row is None:
        return None
    return SessionRow(_account(row), row.factor, row.by_company, row.created_at, row.seen_at, row.expires_at)


async def seen(tx: Tx, token_hash: bytes, now: datetime) -> None:
    await tx.execute(
        update(staff_session).where(staff_session.c.token_hash == token_hash).values(seen_at=now)
    )


async def end(tx: Tx, token_hash: bytes) -> None:
    """This session is over, at once and in all processes."""
    await tx.execute(delete(staff_session).where(staff_session.c.token_hash == token_hash))
    await notify(tx, channels.DESK)


async def end_all(tx: Tx, staff_id: UUID, *, but: bytes = b"") -> None:
    """All sessions of a colleague are over, `but` one."""
    kept = staff_session.c.token_hash != but
    await tx.execute(delete(staff_session).where(staff_session.c.staff_id == staff_id, kept))
    await notify(tx, channels.DESK)


async def own_password(tx: Tx, staff_id: UUID, password_hash: str) -> None:
    """A password that the colleague chose."""
    await tx.execute(
        update(staff).where(staff.c.id == staff_id).values(password_hash=password_hash, one_time=False)
    )


async def offer_factor(tx: Tx, staff_id: UUID, totp_enc: bytes) -> bytes:
    """The secret that is offered to a colleague who is not enrolled: this one, or the one offered before."""
    offered = func.coalesce(staff.c.totp_enc, totp_enc)
    statement = update(staff).where(staff.c.id == staff_id).values(totp_enc=offered)
    return bytes((await tx.execute(statement.returning(staff.c.totp_enc))).scalar_one())


async def use_step(tx: Tx, staff_id: UUID, step: int, now: datetime) -> bool:
    """A right code of this time step was given; False: one of it, or of a later one, was given before."""
    fresh = or_(staff.c.totp_step.is_(None), staff.c.totp_step < step)
    enrolled = func.coalesce(staff.c.totp_at, now)
    done = await tx.execute(
        update(staff)
        .where(staff.c.id == staff_id, fresh)
        .values(totp_step=step, totp_at=enrolled)
        .returning(staff.c.id)
    )
    return done.first() is not None


async def drop_factor(tx: Tx, staff_id: UUID) -> None:
    """The colleague has no second factor any more: a lost phone."""
    nothing = {"totp_enc": None, "totp_at": None, "totp_step": None}
    await tx.execute(update(staff).where(staff.c.id == staff_id).values(nothing))


async def forgive(tx: Tx, what: str, subject: bytes, *, last: bool = False) -> None:
    """What was tried so far does not count any more; `last`: only the last try does not."""
    tries = select(attempt.c.id).where(attempt.c.what == what, attempt.c.subject == subject)
    if last:
        tries = tries.order_by(attempt.c.id.desc()).limit(1)
    await tx.execute(delete(attempt).where(attempt.c.id.in_(tries)))
