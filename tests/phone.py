"""A doctor's phone: talks to the sandbox's double as the phone page does, and reads what the chat shows."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import aiohttp


@dataclass
class Phone:
    """One follower of a sandbox account. `replies_read` counts what was read so far."""

    http: aiohttp.ClientSession
    url: str
    openid: str
    account: str = "sandbox"
    replies_read: int = 0

    @classmethod
    async def newcomer(
        cls, http: aiohttp.ClientSession, url: str, nickname: str, account: str = "sandbox"
    ) -> Phone:
        """Somebody nobody knows."""
        body = {"account": account, "nickname": nickname}
        async with http.post(f"{url}/sandbox/api/followers", json=body) as answer:
            assert answer.status == 200, await answer.text()
            return cls(http, url, (await answer.json())["openid"], account)

    async def send(self, **what: Any) -> dict[str, Any]:
        """Send something of any type; the double's receipt."""
        body = {"account": self.account, "openid": self.openid, **what}
        async with self.http.post(f"{self.url}/sandbox/api/messages", json=body) as answer:
            assert answer.status == 200, await answer.text()
            receipt: dict[str, Any] = await answer.json()
            return receipt

    async def chat(self) -> list[dict[str, Any]]:
        """Everything the chat shows, in order."""
        query = {"account": self.account, "openid": self.openid}
        async with self.http.get(f"{self.url}/sandbox/api/messages", params=query) as answer:
            items: list[dict[str, Any]] = await answer.json()
            return items

    async def replies(self) -> list[dict[str, Any]]:
        """What the account has said in this chat."""
        return [item for item in await self.chat() if item["from"] == "account"]

    async def next(self, count: int = 1, seconds: float = 20.0) -> list[dict[str, Any]]:
        """The next `count` replies that were not read yet; fails when they do not come."""
        deadline = time.monotonic() + seconds
        while True:
            new = (await self.replies())[self.replies_read :]
            if len(new) >= count:
                self.replies_read += len(new)
                return new
            assert time.monotonic() < deadline, f"{len(new)} of {count} replies: {new}; {await self.chat()}"
            await asyncio.sleep(0.1)

    async def ask(self, text: str, count: int = 1, seconds: float = 20.0) -> str:
        """Say it and read what comes, choices below their text."""
        await self.send(type="text", content=text)
        return "\n".join(shown(item) for item in await self.next(count, seconds))

    async def silent(self, seconds: float) -> None:
        """Nothing more comes."""
        await asyncio.sleep(seconds)
        new = (await self.replies())[self.replies_read :]
        assert not new, new


def shown(item: dict[str, Any]) -> str:
    """What the person reads of one item."""
    lines = [item["text"]]
    if item["menu"]:
        lines += [line["content"] for line in item["menu"]["items"]]
    return "\n".join(lines)
