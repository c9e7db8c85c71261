"""How many customer-service messages the platform still takes for a person, and until when.

Source: the platform's page on customer-service messages. A message of the user: 5 within 48 hours. A menu
click, a subscription, a scan: 3 within 1 minute. A click on a line of a `msgmenu` counts as a menu click
there, not as a message. Each new act of a kind starts that kind's allowance afresh; allowances of the two
kinds stand side by side, and the one that ends sooner is used first.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Act(StrEnum):
    MESSAGE = "message"
    CLICK = "click"  # menu click, subscription, scan, a line of a msgmenu


ALLOWANCE = {Act.MESSAGE: (5, 48 * 3600), Act.CLICK: (3, 60)}
WINDOW_CLOSED = 45015
COUNT_USED_UP = 45047


@dataclass(slots=True)
class Grant:
    left: int
    until: float


class Ledger:
    """Allowances by (account, openid); times are seconds of the double's business clock."""

    def __init__(self) -> None:
        self._grants: dict[tuple[str, str], dict[Act, Grant]] = {}

    def grant(self, account: str, openid: str, act: Act, now: float) -> None:
        left, seconds = ALLOWANCE[act]
        self._grants.setdefault((account, openid), {})[act] = Grant(left, now + seconds)

    def close(self, account: str, openid: str) -> None:
        """The person unfollowed: nothing is allowed any more."""
        self._grants.pop((account, openid), None)

    def take(self, account: str, openid: str, now: float) -> int:
        """Use one message up: 0, or the errcode with which the platform refuses."""
        live = self._live(account, openid, now)
        usable = [grant for grant in live if grant.left]
        if not live:
            return WINDOW_CLOSED
        if not usable:
            return COUNT_USED_UP
        usable[0].left -= 1
        return 0

    def left(self, account: str, openid: str, now: float) -> int:
        return sum(grant.left for grant in self._live(account, openid, now))

    def is_open(self, account: str, openid: str, now: float) -> bool:
        return bool(self._live(account, openid, now))

    def clear(self) -> None:
        self._grants.clear()

    def _live(self, account: str, openid: str, now: float) -> list[Grant]:
        grants = self._grants.get((account, openid), {}).values()
        return sorted((grant for grant in grants if grant.until > now), key=lambda grant: grant.until)
