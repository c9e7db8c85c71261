"""What is live: a page that shows something hears that it has changed, and fetches it anew.

The stream carries no content. PostgreSQL tells a process that something happened (NOTIFY); each stream then
looks whether that concerns what its page shows, at most every `PAUSE` seconds, and by itself every `EVERY`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from uuid import UUID

from aiohttp import web
from aiohttp_sse import sse_response

from bot.desk import AWAY, CHANGED, Desk
from bot.runtime.notifications import Listener
from bot.staff import Session, still_in

PAUSE, EVERY = 1.0, 10.0  # seconds
MOST = 8  # streams of a colleague in a process
Standing = Callable[[], Awaitable[str]]


class Live:
    """The streams of one process."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Event] = set()
        self._open: Counter[UUID] = Counter()
        self._ended = False

    def beside(self, listeners: Mapping[str, Listener]) -> dict[str, Listener]:
        """These listeners, and we hear what they hear."""
        heard = {channel: self._also(listener) for channel, listener in listeners.items()}
        return {**heard, CHANGED: self._told}

    def _also(self, listener: Listener) -> Listener:
        async def both(payload: str) -> None:
            await listener(payload)
            await self._told(payload)

        return both

    async def _told(self, _payload: str) -> None:
        for event in self._waiting:
            event.set()

    def end(self) -> None:
        """Every stream ends: the process does."""
        self._ended = True
        for event in self._waiting:
            event.set()

    async def stream(
        self, request: web.Request, desk: Desk, who: Session, standing: Standing
    ) -> web.StreamResponse:
        """Tell the page `change` whenever `standing` says something else, until either side ends or the
        session does."""
        if self._open[who.staff_id] >= MOST:
            raise web.HTTPTooManyRequests
        event = asyncio.Event()
        self._waiting.add(event)
        self._open[who.staff_id] += 1
        try:
            async with sse_response(request) as response:
                shown = await standing()
                while response.is_connected() and not self._ended:
                    await _any(event)
                    event.clear()
                    try:
                        if not await still_in(desk.services.db, who):
                            await response.send("", event="over")
                            break
                        now = await standing()
                    except AWAY:
                        continue  # the database is away: the page stays as it is
                    if now != shown:
                        shown = now
                        await response.send("", event="change")
                    await asyncio.sleep(0 if self._ended else PAUSE)
            return response
        finally:
            self._waiting.discard(event)
            self._open[who.staff_id] -= 1


async def _any(event: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(EVERY):
            await event.wait()
    except TimeoutError:
        pass
