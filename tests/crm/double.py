"""A CRM over real HTTP: it checks the signature as the convention's own library does, and fails as asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web
from standardwebhooks.webhooks import Webhook

from bot import crm, endpoints
from bot.runtime.services import Services
from bot.service.postgres import free_port
from tests.serving import served

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@dataclass
class CrmDouble:
    """`told`: (webhook-id, payload) of each post whose signature is right. `answers`: the statuses that come
    first, 0 for silence; then 200."""

    url: str
    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    elsewhere: int = 0  # posts that came where a redirect points to

    async def deliver(self, services: Services, http: aiohttp.ClientSession) -> None:
        """A round of the loop."""
        await crm.deliver(crm.Teller(services.db, services.vault, services.clock, http, self.settings))

    @property
    def settings(self) -> endpoints.Webhook:
        return endpoints.Webhook(url=self.url, secret=SECRET)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        payload = Webhook(SECRET).verify(body, dict(request.headers))
        self.told.append((request.headers["webhook-id"], payload))
        status = self.answers.pop(0) if self.answers else 200
        if status == 0:
            await asyncio.sleep(60)
        if status == 302:
            return web.Response(status=302, headers={"Location": self.url.replace("/hook", "/elsewhere")})
        if status == 999:  # takes it, and then never stops talking
            answer = web.StreamResponse(status=200)
            await answer.prepare(request)
            for _ in range(100_000):
                await answer.write(b"x" * 65536)
            return answer
        return web.Response(status=status, text="private words of the CRM")

    async def redirected(self, _: web.Request) -> web.Response:
        self.elsewhere += 1
        return web.Response()


@asynccontextmanager
async def crm_double() -> AsyncIterator[CrmDouble]:
    port = free_port()
    made = CrmDouble(f"http://127.0.0.1:{port}/hook")
    app = web.Application()
    app.router.add_post("/hook", made.handle)
    app.router.add_route("*", "/elsewhere", made.redirected)
    async with served(app, port):
        yield made
