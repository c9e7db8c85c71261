"""An OpenAI-compatible endpoint over real HTTP: chat completions with a bearer key, honest or hostile."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from bot.assistant import Endpoint
from bot.endpoints import Assistant
from bot.service.postgres import free_port
from tests.serving import served

KEY, MODEL = "sk-of-the-tests", "double-1"
Say = Callable[[dict[str, Any]], Any]  # what it was asked -> the content of its message, or what it sends raw


@dataclass
class AssistantDouble:
    """`asked`: the questions, as the user's message holds them. `says`: what it makes of one."""

    base_url: str
    says: Say
    asked: list[dict[str, Any]] = field(default_factory=list)
    raw: list[str] = field(default_factory=list)  # whole requests
    timeout: float = 5.0
    before: Callable[[], Awaitable[None]] | None = None  # what happens before it answers

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(Assistant(base_url=self.base_url, model=MODEL, timeout=self.timeout), KEY)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return web.json_response({"error": {"message": "Incorrect API key"}}, status=401)
        self.raw.append(await request.text())
        body = json.loads(self.raw[-1])
        assert body["model"] == MODEL and [one["role"] for one in body["messages"]] == ["system", "user"]
        question = json.loads(body["messages"][1]["content"])
        self.asked.append(question)
        if self.before is not None:
            await self.before()
        said = self.says(question)
        if isinstance(said, web.StreamResponse):
            return said
        if said is None:
            await asyncio.sleep(60)
        content = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
        message = {"role": "assistant", "content": content}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return web.json_response(
            {"id": "chatcmpl-1", "object": "chat.completion", "model": MODEL, "choices": [choice]}
        )


@asynccontextmanager
async def assistant_double(says: Say) -> AsyncIterator[AssistantDouble]:
    port = free_port()
    made = AssistantDouble(f"http://127.0.0.1:{port}/v1", says)
    app = web.Application()
    app.router.add_post("/v1/chat/completions", made.handle)
    async with served(app, port):
        yield made
