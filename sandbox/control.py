"""The test bench of the double: faults, clock, tokens, raw posts, the journal, reset."""

from __future__ import annotations

import time
from typing import Any

from aiohttp import web
from pydantic import Field

from sandbox.calls import Double
from sandbox.delivery import Letter
from sandbox.faults import FaultsChange, Strict
from sandbox.notices import Notices
from sandbox.phone import as_json, read, refused

DECADE = 10 * 366 * 86400


class ClockChange(Strict):
    """The business clock's distance from real time; the 48 hours, the minute and the 10 minutes follow it."""

    offset_seconds: float = Field(ge=-DECADE, le=DECADE)


class TokensChange(Strict):
    """Expire (42001) or revoke (40001) the tokens of an account; `lifetime` is for those issued later."""

    account: str
    end: bool = False
    revoke: bool = False
    lifetime: int | None = Field(default=None, ge=1, le=7200)


class Raw(Strict):
    """Clear XML to be sealed in the account's mode and posted once, whatever it is."""

    account: str
    openid: str
    xml: str
    wait: bool = False


class Which(Strict):
    account: str


class Control:
    def __init__(self, double: Double, notices: Notices) -> None:
        self._double = double
        self._notices = notices

    def routes(self, base: str) -> list[web.RouteDef]:
        return [
            web.get(f"{base}/faults", as_json(self.faults)),
            web.post(f"{base}/faults", as_json(self.change_faults)),
            web.delete(f"{base}/faults", as_json(self.clear_faults)),
            web.get(f"{base}/clock", as_json(self.clock)),
            web.post(f"{base}/clock", as_json(self.move_clock)),
            web.post(f"{base}/tokens", as_json(self.tokens)),
            web.post(f"{base}/raw", as_json(self.raw)),
            web.post(f"{base}/verify", as_json(self.verify)),
            web.get(f"{base}/log", as_json(self.log)),
            web.post(f"{base}/reset", as_json(self.reset)),
        ]

    async def faults(self, request: web.Request) -> Any:
        return self._double.faults.state()

    async def change_faults(self, request: web.Request) -> Any:
        self._double.faults.change(await read(request, FaultsChange))
        self._double.world.publish({"event": "state"})
        return self._double.faults.state()

    async def clear_faults(self, request: web.Request) -> Any:
        self._double.faults.clear()
        self._double.world.publish({"event": "state"})
        return self._double.faults.state()

    async def clock(self, request: web.Request) -> Any:
        world = self._double.world
        return {"offset_seconds": world.offset, "now": world.now(), "real": time.time()}

    async def move_clock(self, request: web.Request) -> Any:
        self._double.world.offset = (await read(request, ClockChange)).offset_seconds
        self._double.world.publish({"event": "state"})
        return await self.clock(request)

    async def tokens(self, request: web.Request) -> Any:
        change = await read(request, TokensChange)
        self._require_account(change.account)
        if change.lifetime is not None:
            self._double.tokens.lifetime = change.lifetime
        ended = change.end or change.revoke
        return {"ended": self._double.tokens.end(change.account, revoke=change.revoke) if ended else 0}

    async def raw(self, request: web.Request) -> Any:
        raw = await read(request, Raw)
        self._require_account(raw.account)
        letter = Letter(self._double.accounts[raw.account], raw.openid, raw.xml, audible=False)
        outcome = self._double.delivery.send(letter)
        return {"outcome": await outcome if raw.wait else None}

    async def verify(self, request: web.Request) -> Any:
        """The platform's URL verification, as when the address is saved in its console."""
        name = (await read(request, Which)).account
        self._require_account(name)
        return {"verified": await self._double.delivery.verify_url(self._double.accounts[name])}

    async def log(self, request: web.Request) -> Any:
        query = request.query
        since = query.get("since", "0")
        if not since.isdecimal():
            raise refused(400, "since")
        names = ("kind", "account", "openid", "api", "msg_id")
        entries = self._double.journal.select(int(since), **{name: query.get(name) for name in names})
        return {"entries": entries, "last": entries[-1]["id"] if entries else int(since)}

    async def reset(self, request: web.Request) -> Any:
        """Everything as after the start; only the MsgIds and the issued tokens go on."""
        await self._notices.stop()
        await self._double.delivery.abandon()
        self._double.faults.clear()
        self._double.ledger.clear()
        self._double.journal.clear()
        self._double.world.reset()
        return {"reset": True}

    def _require_account(self, account: str) -> None:
        if account not in self._double.accounts:
            raise refused(404, f"no account {account!r}")
