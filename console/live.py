"""What is live: a page that shows something hears that it has changed, and fetches it anew.

The stream carries no content. PostgreSQL tells a process that something happened (NOTIFY); each stream then
looks whether that concerns what its page shows, at most every `PAUSE` seconds, and by itself every `EVERY`.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID

from aiohttp import web
from aiohttp_sse import EventSourceResponse, sse_response

from bot.desk import AWAY, CHANGED, Desk
from bot.runtime.notifications import Listener
from bot.staff import Session, still_in

PAUSE, EVERY = 1.0, 10.0  # seconds
MOST = 8  # streams of a colleague in a process
Standing = Callable[[], Awaitable[str]]


@dataclass(eq=False, slots=True)
class _Stream:
    """One open page."""

    messages: bool = True  # it is told of messages as well, of which there are many
    told: asyncio.Event = field(default_factory=asyncio.Event)
    over: bool = False

    def end(self) -> None:
        self.over = True
        self.told.set()


class Live:
    """The streams of one process."""

    def __init__(self) -> None:
        self._open: dict[UUID, list[_Stream]] = defaultdict(list)
        self._ended = False

    def beside(self, listeners: Mapping[str, Listener]) -> dict[str, Listener]:
        """These listeners, and we hear what they hear."""
        heard = {channel: self._also(listener) for channel, listener in listeners.items()}
        return {**heard, CHANGED: self._told}

    def _also(self, listener: Listener) -> Listener:
        async def both(payload: str) -> None:
            await listener(payload)
            self._tell_of(messages=True)

        return both

    async def _told(self, _payload: str) -> None:
        self._tell_of(messages=False)

    def _tell_of(self, *, messages: bool) -> None:
        for streams in self._open.values():
            for one in streams:
                if one.messages or not messages:
                    one.told.set()

    def end(self) -> None:
        """Every stream ends: the process does."""
        self._ended = True
        for streams in self._open.values():
            for one in streams:
                one.end()

    async def stream(
        self,
        request: web.Request,
        desk: Desk,
        who: Session,
        standing: Standing,
        *,
        messages: bool = True,
    ) -> web.StreamResponse:
        """Tell the page `change` whenever `standing` says something else, until either side ends or the
        session does (`over`). Without `messages` it looks when work changed, not with every message.

        The page says by `since` how it stood when it was made: what happened before the stream, it hears of.
        """
        mine, streams = _Stream(messages, over=self._ended), self._open[who.staff_id]
        streams.append(mine)
        if len(streams) > MOST:  # of pages that were left, which nobody has told us of
            streams[0].end()
        try:
            async with sse_response(request) as response:
                with suppress(ConnectionResetError):  # the page was left
                    shown = request.query.get("since", "")
                    await self._tell(response, mine, desk, who, standing, shown)
            return response
        finally:
            streams.remove(mine)
            if not streams:
                self._open.pop(who.staff_id, None)

    @staticmethod
    async def _tell(
        response: EventSourceResponse,
        mine: _Stream,
        desk: Desk,
        who: Session,
        standing: Standing,
        shown: str,
    ) -> None:
        if shown:
            mine.told.set()
        else:
            shown = await standing()
        while response.is_connected() and not mine.over:
            await _any(mine.told)
            mine.told.clear()
            if mine.over:
                return
            try:
                if not await still_in(desk.services.db, who):
                    await response.send("", event="over")
                    return
                now = await standing()
            except AWAY:
                continue  # the database is away: the page stays as it is
            if now != shown:
                shown = now
                await response.send("", event="change")
            await asyncio.sleep(PAUSE)


async def _any(event: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(EVERY):
            await event.wait()
    except TimeoutError:
        pass
