"""Access tokens: `token` and `stable_token`, which are apart from each other as on the platform.

Real time throughout: tokens do not travel with the business clock.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

LIFETIME = 7200
OVERLAP = 300  # an ordinary replacement leaves the old token alive this long
FORCE_SPACING = 30  # seconds between forced refreshes; sooner returns the present token
FORCE_DAILY = 20


@dataclass(slots=True)
class Token:
    value: str
    account: str
    until: float
    revoked: bool = False


class Tokens:
    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self.lifetime = LIFETIME
        self._by_value: dict[str, Token] = {}
        self._ordinary: dict[str, Token] = {}
        self._stable: dict[str, Token] = {}
        self._forced: dict[str, list[float]] = {}

    def ordinary(self, account: str) -> tuple[str, int]:
        """`/cgi-bin/token`: a new one each time; the one before lives five minutes more."""
        if old := self._ordinary.get(account):
            old.until = min(old.until, self._now() + OVERLAP)
        self._ordinary[account] = new = self._issue(account)
        return new.value, self.lifetime

    def stable(self, account: str, *, force: bool) -> tuple[str, int]:
        """`/cgi-bin/stable_token`: the same until five minutes before its end. Raises QuotaError."""
        now, old = self._now(), self._stable.get(account)
        alive = old is not None and not old.revoked and old.until - now > OVERLAP
        if force and self._may_force(account, now):
            if old:
                old.revoked = True
            alive = False
        if old is None or not alive:
            self._stable[account] = old = self._issue(account)
        return old.value, int(old.until - now)

    def check(self, value: str) -> tuple[str, int]:
        """(account, 0), or ("", errcode): 41001 missing, 40001 not a valid one, 42001 expired."""
        if not value:
            return "", 41001
        token = self._by_value.get(value)
        if token is None or token.revoked:
            return "", 40001
        if token.until <= self._now():
            return "", 42001
        return token.account, 0

    def account_of(self, value: str) -> str:
        token = self._by_value.get(value)
        return token.account if token else ""

    def end(self, account: str, *, revoke: bool) -> int:
        """Expire (42001) or revoke (40001) every token of the account; returns how many."""
        hit = [token for token in self._by_value.values() if token.account == account]
        for token in hit:
            token.until = min(token.until, self._now())
            token.revoked = token.revoked or revoke
        return len(hit)

    def _may_force(self, account: str, now: float) -> bool:
        times = [moment for moment in self._forced.get(account, []) if moment > now - 86400]
        if times and now - times[-1] < FORCE_SPACING:
            return False
        if len(times) >= FORCE_DAILY:
            raise QuotaError
        self._forced[account] = [*times, now]
        return True

    def _issue(self, account: str) -> Token:
        token = Token(f"{secrets.randbelow(90) + 10}_{secrets.token_urlsafe(96)}", account, 0)
        token.until = self._now() + self.lifetime
        self._by_value[token.value] = token
        return token


class QuotaError(Exception):
    """More forced refreshes than the platform allows in a day."""
