"""The app's own pages: health, metrics, the test clock, and the way to the sandbox."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping
from datetime import datetime
from ipaddress import ip_address

import aiohttp
from aiohttp import hdrs, web
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy.exc import DBAPIError

from bot.dialogue.engine_client import EngineClient
from bot.runtime.metrics import exposition
from bot.runtime.services import Services
from bot.settings import Settings

_HOP_BY_HOP = {
    "connection",
    "keep-alive",
    "transfer-encoding",
    "content-length",
    "content-encoding",
    "host",
    "upgrade",
}
# What a proxy adds to a request that it passes on.
_PASSED_ON = (hdrs.FORWARDED, hdrs.X_FORWARDED_FOR, "X-Real-IP", hdrs.VIA)


class Pages:
    def __init__(
        self,
        settings: Settings,
        services: Services,
        engine: EngineClient,
        http: aiohttp.ClientSession,
        sandbox_url: str | None,
    ) -> None:
        self._settings = settings
        self._services = services
        self._engine = engine
        self._http = http
        self._sandbox = sandbox_url.rstrip("/") if sandbox_url else None

    def routes(self) -> list[web.RouteDef]:
        routes = [
            web.get("/healthz", self.healthz),
            web.get("/readyz", self.readyz),
            web.get("/metrics", self.metrics),
            web.get("/console", self.to_console),
        ]
        if self._settings.test:
            routes.append(web.post("/test/clock", self.move_clock))
        if self._sandbox is not None:
            routes.append(web.route("*", "/sandbox", self.to_sandbox))
            routes.append(web.route("*", "/sandbox/{path:.*}", self.sandbox))
        return routes

    async def healthz(self, request: web.Request) -> web.Response:
        """The process is up."""
        return web.json_response({"status": "ok"})

    async def readyz(self, request: web.Request) -> web.Response:
        """Database and engine model are ready; 503 names what is not."""
        database, model = await asyncio.gather(self._database(), self._engine.ready())
        checks = {
            "database": database,
            "engine": model is not None,
            "model": (model or "")[:12],
            "content": self._services.published.ready,
        }
        return web.json_response(checks, status=200 if all(checks.values()) else 503)

    async def _database(self) -> bool:
        try:
            async with asyncio.timeout(2):
                return await self._services.db.ready()
        except (DBAPIError, OSError, TimeoutError):
            return False

    async def metrics(self, request: web.Request) -> web.Response:
        """Prometheus' text format. Counts of things, nothing about people. Not for everybody."""
        if not may_measure(request.remote, request.headers, self._settings.metrics_token):
            return web.json_response({"error": "forbidden"}, status=403)
        body = await exposition(self._services.db, self._settings.counters)
        return web.Response(body=body, headers={hdrs.CONTENT_TYPE: CONTENT_TYPE_LATEST})

    async def move_clock(self, request: web.Request) -> web.Response:
        """Move business time, in all processes; it runs on from there."""
        try:
            moment = datetime.fromisoformat((await request.json())["now"])
            await self._services.move_clock(moment)
        except (ValueError, KeyError, TypeError, RecursionError):
            return web.json_response({"error": 'give {"now": an ISO 8601 time with offset}'}, status=400)
        return web.json_response({"now": self._services.clock.now().isoformat()})

    async def to_console(self, request: web.Request) -> web.Response:
        raise web.HTTPPermanentRedirect("/console/")

    async def to_sandbox(self, request: web.Request) -> web.Response:
        raise web.HTTPPermanentRedirect("/sandbox/")

    async def sandbox(self, request: web.Request) -> web.StreamResponse:
        """Hand the request to the sandbox's own server, and stream its answer (events included)."""
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        response: web.StreamResponse | None = None
        try:
            async with self._http.request(
                request.method,
                f"{self._sandbox}{request.rel_url}",
                headers=headers,
                data=await request.read(),
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=5),
            ) as answer:
                kept = {n: v for n, v in answer.headers.items() if n.lower() not in _HOP_BY_HOP}
                response = web.StreamResponse(status=answer.status, headers=kept)
                await response.prepare(request)
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
                return response
        except (aiohttp.ClientError, TimeoutError):
            if response is not None:
                raise  # it broke in the middle: so does ours
            return web.Response(status=502, text="沙盒还没有启动")


def may_measure(remote: str | None, headers: Mapping[str, str], token: str | None) -> bool:
    """Whether a request from address `remote` may read the metrics.

    With a token set, whoever shows it (`Authorization: Bearer TOKEN`). Without one only this machine, and not
    what a proxy on this machine passes on for others.
    """
    if token is not None:
        return hmac.compare_digest(headers.get(hdrs.AUTHORIZATION, "").encode(), f"Bearer {token}".encode())
    if remote is None or any(name in headers for name in _PASSED_ON):
        return False
    address = ip_address(remote.partition("%")[0])  # without the zone of a link-local address
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback
