"""Sessions of colleagues at the console.

A session is a row that holds the hash of a random token; every step up gives a new token, and the old one is
void. What a session may still lack is told by `Session.step`. All times are real time.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from bot.clock import real_now
from bot.model import Fault, MedrepError
from bot.staff.accounts import Role
from bot.staff.registration import Registration
from bot.store import sessions
from bot.store.advisory import wait_for_names
from bot.store.database import Database, Tx
from bot.store.sessions import SessionRow, StaffAccount

IDLE = timedelta(minutes=30)
LONGEST = timedelta(hours=12)
HALFWAY = timedelta(minutes=10)  # to give the code, to choose a password
# Whoever reads what others wrote, decides, or runs the place has a second factor; a rep may have one.
FACTOR_ROLES = frozenset(Role) - {Role.REP, Role.MANAGER, Role.CARE}
_SEEN_EVERY = timedelta(seconds=30)


class SignInStep(StrEnum):
    """What a session still lacks."""

    CODE = "code"  # of the second factor
    PASSWORD = "password"  # noqa: S105 - one of their own
    ENROL = "enrol"  # a second factor
    IN = "in"  # nothing


@dataclass(frozen=True, slots=True)
class Session:
    """Who asks. `token_hash` names the session, and opens nothing."""

    staff_id: UUID
    login: str
    name: str
    roles: frozenset[Role]
    team: str
    registration: Registration | None
    demo: bool
    enrolled: bool
    step: SignInStep
    token_hash: bytes


def step_of(account: StaffAccount, *, factor: bool, company: bool) -> SignInStep:
    """`company`: signed in with the company's account, which needs no password of ours."""
    if account.enrolled and not factor:
        return SignInStep.CODE
    if account.one_time and not company:
        return SignInStep.PASSWORD
    if not account.enrolled and not factor and not account.demo and FACTOR_ROLES & set(account.roles):
        return SignInStep.ENROL
    return SignInStep.IN


def _session(account: StaffAccount, token_hash: bytes, *, factor: bool, company: bool) -> Session:
    registration = Registration(account.registration, account.company, account.registered_until)
    return Session(
        staff_id=account.id,
        login=account.login,
        name=account.name,
        roles=frozenset(Role(role) for role in account.roles),
        team=account.team,
        registration=registration if account.registration else None,
        demo=account.demo,
        enrolled=account.enrolled,
        step=step_of(account, factor=factor, company=company),
        token_hash=token_hash,
    )


async def begin(tx: Tx, account: StaffAccount, *, factor: bool, company: bool = False) -> str:
    """The token of a new session."""
    token, now = secrets.token_urlsafe(32), real_now()
    lasts = LONGEST if step_of(account, factor=factor, company=company) == SignInStep.IN else HALFWAY
    await sessions.add(tx, token_hash(token), account.id, now, now + lasts, factor=factor, company=company)
    return token


def token_hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


async def session_of(db: Database, token: str, *, use: bool = True) -> Session | None:
    """Who asks with this token; None: nobody, or no longer. Without `use` it grows idle meanwhile."""
    digest, now = token_hash(token), real_now()
    async with db.begin() as tx:
        found = await sessions.find(tx, digest, now, now - IDLE)
        if found is None:
            return None
        if use and now - found.seen_at > _SEEN_EVERY:
            await sessions.seen(tx, digest, now)
    return _session(found.account, digest, factor=found.factor, company=found.company)


async def still_in(db: Database, session: Session) -> bool:
    """Whether the session goes on, with the same rights; this is no use of it."""
    now = real_now()
    async with db.begin() as tx:
        found = await sessions.find(tx, session.token_hash, now, now - IDLE)
    if found is None:
        return False
    as_is = _session(found.account, session.token_hash, factor=found.factor, company=found.company)
    return as_is == session


async def sign_out(db: Database, session: Session, *, everywhere: bool = False) -> None:
    async with db.begin() as tx:
        await (sessions.end_all(tx, session.staff_id) if everywhere else sessions.end(tx, session.token_hash))


async def locked(tx: Tx, session: Session) -> SessionRow:
    """The session as it is. Raises MedrepError(CONFLICT): it ended meanwhile."""
    now = real_now()
    await wait_for_names(tx, [f"session:{session.staff_id}"])
    found = await sessions.find(tx, session.token_hash, now, now - IDLE)
    if found is None:
        raise MedrepError(Fault.CONFLICT, "the session is over")
    return found


async def again(tx: Tx, session: Session, *, factor: bool, company: bool) -> str:
    """A new token for whoever has come one step further; the old one is void."""
    account = await sessions.account(tx, session.login)
    if account is None:
        raise MedrepError(Fault.CONFLICT, "the account is disabled")
    await sessions.end(tx, session.token_hash)
    return await begin(tx, account, factor=factor, company=company)
