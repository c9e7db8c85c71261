"""Signing in at the console: password or company account, second factor, a password of one's own."""

from __future__ import annotations

import asyncio
import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from uuid import UUID

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from bot.clock import real_now
from bot.evidence import note
from bot.model import Fault, MedrepError
from bot.staff.session import Session, SignInStep, again, begin, locked, step_of
from bot.store import people, sessions
from bot.store.advisory import wait_for_names
from bot.store.database import Database
from bot.store.keyring import Keyring

TRIES, ADDRESS_TRIES = 5, 40  # in vain, of a login and from an address, within WINDOW
WINDOW = timedelta(minutes=15)
SHORTEST_PASSWORD, LONGEST_PASSWORD = 12, 128
_HASHER = PasswordHasher()
_CHECKING = asyncio.Semaphore(2)  # a check takes 64 MB and a core


@dataclass(frozen=True, slots=True)
class Known:
    """Whom the company's provider knows. `subject` (with its issuer) never changes; `login` is what the
    configured claim says; `factor`: a second factor was given there (`mfa` of RFC 8176)."""

    subject: str
    login: str
    factor: bool


async def sign_in(
    db: Database, keyring: Keyring, login: str, password: str, address: str, *, demo: bool, now: datetime
) -> str:
    """The token of a new session. `demo`: accounts of the demo are let in. `now` is business time.

    Raises MedrepError: FORGED (login or password), BUSY (too many tries, whatever the password is).
    """
    of_login = keyring.digest("attempt.login", login.casefold()[:64])
    await _try(db, "login", of_login, TRIES, login, now)
    of_address = keyring.digest("attempt.address", address)
    await _try(db, "login.address", of_address, ADDRESS_TRIES, "", now)
    async with db.begin() as tx:
        account = await sessions.account(tx, login)
    hashed = account.password_hash if account else None
    right = await _matches(hashed or _nobodys(), password)
    if account is None or not hashed or not right or (account.demo and not demo):
        raise MedrepError(Fault.FORGED, "login or password")
    async with db.begin() as tx:
        if not account.enrolled:  # with a second factor the tries count until its code was right
            await sessions.forgive(tx, "login", of_login)
        await sessions.forgive(tx, "login.address", of_address, last=True)
        token = await begin(tx, account, factor=False)
        await note(
            tx,
            "staff.signed_in",
            now,
            f"staff:{account.id}",
            login=account.login,
            step=step_of(account, factor=False, company=False),
        )
    return token


async def let_in(db: Database, keyring: Keyring, known: Known, now: datetime) -> str:
    """The token of a new session for whom the company's provider knows. `now` is business time.

    The first time the login that the provider says is bound to its subject, so that a name which changes
    there later, or is given to somebody else, opens nothing here.
    Raises MedrepError(FORGED): no account, disabled, the demo's, or bound to somebody else.
    """
    subject = keyring.digest("staff.company", known.subject)
    async with db.begin() as tx:
        await wait_for_names(tx, [f"company:{subject.hex()}"])
        account = await sessions.account_of_company(tx, subject)
        bound = account is not None
        if account is None:
            account = await sessions.account(tx, known.login)
            bound = account is not None and await sessions.bind_company(tx, account.id, subject)
        if account is None or account.demo or not bound:
            raise MedrepError(Fault.FORGED, "no account")
        step = step_of(account, factor=known.factor, company=True)
        about = f"staff:{account.id}"
        await note(tx, "staff.signed_in", now, about, login=account.login, step=step, company=True)
        return await begin(tx, account, factor=known.factor, company=True)


@cache
def _nobodys() -> str:
    """What is checked where there is no such login, so that it takes as long."""
    return _HASHER.hash(secrets.token_urlsafe(12))


async def _try(db: Database, what: str, subject: bytes, most: int, login: str, now: datetime) -> None:
    """Count this try, before anything is checked: parallel ones count, too. Raises MedrepError(BUSY)."""
    moment = real_now()
    async with db.begin() as tx:
        await wait_for_names(tx, [f"{what}:{subject.hex()}"])
        count = await people.tries(tx, what, subject, moment - WINDOW)
        if count < most:
            await people.tried(tx, what, subject, moment)
        if login and count == most - 1:
            account = await sessions.account(tx, login)
            if account:
                await note(
                    tx, "staff.locked", now, f"staff:{account.id}", login=login, minutes=WINDOW.seconds // 60
                )
    if count >= most:
        raise MedrepError(Fault.BUSY, "too many tries")


async def _matches(hashed: str, password: str) -> bool:
    def check() -> bool:
        try:
            return _HASHER.verify(hashed, password)
        except (VerificationError, InvalidHashError):
            return False

    if len(password) > LONGEST_PASSWORD:
        return False
    async with _CHECKING:
        return await asyncio.to_thread(check)


async def offered_factor(db: Database, keyring: Keyring, session: Session) -> str:
    """The secret of the second factor that the colleague is about to enrol. Raises MedrepError(CONFLICT)."""
    if session.enrolled or session.step in (SignInStep.CODE, SignInStep.PASSWORD):
        raise MedrepError(Fault.CONFLICT, "there is a second factor")
    sealed = keyring.seal_for_us(pyotp.random_base32(), _place(session.staff_id))
    async with db.begin() as tx:
        sealed = await sessions.offer_factor(tx, session.staff_id, sealed)
    return keyring.open_for_us(sealed, _place(session.staff_id))


def factor_uri(secret: str, login: str) -> str:
    """What an authenticator app reads from the QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=login, issuer_name="medrep")


async def give_code(db: Database, keyring: Keyring, session: Session, code: str, now: datetime) -> str:
    """The token of the session that goes on with the second factor, enrolled by its first code.

    Raises MedrepError: FORGED (not the code of now, or used before), BUSY, CONFLICT (nothing is offered).
    """
    subject = keyring.digest("attempt.code", str(session.staff_id))
    await _try(db, "code", subject, TRIES, session.login, now)
    async with db.begin() as tx:
        found = await locked(tx, session)
        if found.account.totp_enc is None:
            raise MedrepError(Fault.CONFLICT, "no second factor is offered")
        secret = keyring.open_for_us(found.account.totp_enc, _place(session.staff_id))
        step = _step_of(secret, code)
        if step is None or not await sessions.use_step(tx, session.staff_id, step, real_now()):
            raise MedrepError(Fault.FORGED, "not the code")
        await sessions.forgive(tx, "code", subject)
        await sessions.forgive(tx, "login", keyring.digest("attempt.login", session.login.casefold()))
        if not found.account.enrolled:
            await sessions.end_all(tx, session.staff_id, but=session.token_hash)
            await note(tx, "staff.enrolled", now, f"staff:{session.staff_id}", login=session.login)
        return await again(tx, session, factor=True, company=found.company)


async def choose_password(
    db: Database, session: Session, password: str, now: datetime, *, old: str | None = None
) -> str:
    """The colleague's own password; all other sessions end. `old` is asked for outside the first sign-in.

    Raises MedrepError: BAD_INPUT (what is wrong with it), FORGED (the old one), CONFLICT.
    """
    if len(password) < SHORTEST_PASSWORD or len(password) > LONGEST_PASSWORD:
        raise MedrepError(Fault.BAD_INPUT, "length")
    if session.login.casefold() in password.casefold() or len(set(password)) < 6:
        raise MedrepError(Fault.BAD_INPUT, "simple")
    async with db.begin() as tx:
        found = await locked(tx, session)
    hashed = found.account.password_hash or _nobodys()
    if session.step == SignInStep.CODE or (session.step != SignInStep.PASSWORD and old is None):
        raise MedrepError(Fault.CONFLICT, "not now")
    if old is not None and not await _matches(hashed, old):
        raise MedrepError(Fault.FORGED, "old password")
    if await _matches(hashed, password):
        raise MedrepError(Fault.BAD_INPUT, "same")
    async with _CHECKING:
        new = await asyncio.to_thread(_HASHER.hash, password)
    async with db.begin() as tx:
        await sessions.own_password(tx, session.staff_id, new)
        await sessions.end_all(tx, session.staff_id, but=session.token_hash)
        await note(tx, "staff.password", now, f"staff:{session.staff_id}", login=session.login)
        return await again(tx, session, factor=found.factor, company=found.company)


def _step_of(secret: str, code: str) -> int | None:
    """The time step of which this is the code: now's, or one of its neighbours'."""
    totp = pyotp.TOTP(secret)
    now = int(datetime.now(UTC).timestamp()) // totp.interval
    given = "".join(code.split())
    steps = (
        step
        for step in (now, now - 1, now + 1)
        if hmac.compare_digest(totp.generate_otp(step).encode(), given.encode())
    )
    return next(steps, None)


def _place(staff_id: UUID) -> str:
    return f"staff.totp:{staff_id}"
