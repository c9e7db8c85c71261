"""The page of a material: what a link in a message opens, and the counting of it.

The link names what was sent to one contact; whoever has it may read, and the page says nothing of them. An
opening counts when the page is first seen (by its script: no preview fetches that), reading time while it
stays in sight. The first browser is the contact's; another has the link passed on, and is counted apart.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from urllib.parse import quote

import aiohttp_jinja2
import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from jinja2 import FileSystemLoader
from sqlalchemy.exc import DBAPIError

from bot import materials
from bot.knowledge import MaterialKind
from bot.materials import Reading
from bot.model import Fault, MedrepError
from bot.runtime.services import Services

log = structlog.get_logger()

HERE = Path(__file__).resolve().parent
COOKIE = "reader"  # a browser's mark, for this one link
COOKIE_S = 60 * 86_400
LARGEST = 256  # bytes of a report
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}
_CLOSED = {Fault.NOT_FOUND: 404, Fault.NO_BASIS: 410}


def build(services: Services) -> web.Application:
    """The application under `/m/`."""
    app = web.Application(middlewares=[_guarded])
    aiohttp_jinja2.setup(app, loader=FileSystemLoader(HERE / "templates"), autoescape=True)
    page = MaterialPage(services)
    app.add_routes(
        [
            web.static("/static", HERE / "static"),
            web.get("/{token}", page.show, allow_head=False),
            web.get("/{token}/chart/{name}.png", page.chart, allow_head=False),
            web.get("/{token}/file", page.file, allow_head=False),
            web.post("/{token}/open", page.open),
            web.post("/{token}/read", page.read),
        ]
    )

    async def add_headers(_: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(HEADERS)

    app.on_response_prepare.append(add_headers)
    return app


@web.middleware
async def _guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
    """What cannot be shown is said calmly; no other page may report openings."""
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    if request.method == hdrs.METH_POST and site != "same-origin":
        raise web.HTTPForbidden(text="cross-site")
    try:
        return await handler(request)
    except MedrepError as error:
        status = _CLOSED.get(error.fault, 503)
        log.info("material.closed", fault=str(error.fault), detail=error.detail)
    except (DBAPIError, OSError):
        log.warning("material.failed", reason="database")
        status = 503
    if request.method == hdrs.METH_POST:
        return web.Response(status=status)
    return aiohttp_jinja2.render_template("closed.html", request, {"status": status}, status=status)


class MaterialPage:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._making: set[asyncio.Task[bytes]] = set()

    async def _reading(self, request: web.Request) -> Reading:
        async with self._services.db.begin() as tx:
            return await materials.read_for(tx, self._services, request.match_info["token"])

    async def show(self, request: web.Request) -> web.Response:
        reading = await self._reading(request)
        return aiohttp_jinja2.render_template(
            "material.html", request, {"reading": reading, "base": request.path}
        )

    async def chart(self, request: web.Request) -> web.Response:
        reading = await self._reading(request)
        png = await asyncio.to_thread(reading.png, request.match_info["name"])
        return web.Response(body=png, content_type="image/png")

    async def file(self, request: web.Request) -> web.Response:
        """The PDF, or the picture, to keep. `?open=` says which opening takes it."""
        reading = await self._reading(request)
        is_picture = reading.material.kind is MaterialKind.PICTURE
        if is_picture:
            body = await asyncio.to_thread(reading.png, reading.material.key_messages[0])
        else:
            body = await asyncio.to_thread(materials.pdf, reading)
        opened = request.query.get("open", "")
        if opened.isascii() and opened.isdigit() and len(opened) < 19:
            async with self._services.db.begin() as tx:
                await materials.downloaded(tx, reading.sent, int(opened))
        name = quote(f"{reading.material.title}.{'png' if is_picture else 'pdf'}")
        return web.Response(
            body=body,
            content_type="image/png" if is_picture else "application/pdf",
            headers={hdrs.CONTENT_DISPOSITION: f"attachment; filename*=UTF-8''{name}"},
        )

    async def open(self, request: web.Request) -> web.Response:
        """The page came into sight."""
        reading = await self._reading(request)
        mark = materials.mark_of(request.cookies.get(COOKIE))
        async with self._services.db.begin() as tx:
            opened = await materials.opened(tx, self._services, reading, mark)
        if opened and reading.material.kind is not MaterialKind.PICTURE:
            # While it is read: nobody who then takes it waits for seconds.
            making = asyncio.create_task(asyncio.to_thread(materials.pdf, reading))
            self._making.add(making)
            making.add_done_callback(self._made)
        response = web.json_response({"open": opened})
        response.set_cookie(
            COOKIE,
            mark,
            max_age=COOKIE_S,
            path=request.path.removesuffix("/open"),
            httponly=True,
            samesite="Lax",
            secure=self._services.public_url.startswith("https:"),
        )
        return response

    def _made(self, making: asyncio.Task[bytes]) -> None:
        self._making.discard(making)
        if not making.cancelled() and (error := making.exception()):
            log.warning("material.not_made", reason=type(error).__name__)  # whoever takes it is told

    async def read(self, request: web.Request) -> web.Response:
        """How many seconds the page was in sight since it was opened."""
        length = request.content_length
        if length is None or length > LARGEST:
            return web.Response(status=413)
        try:
            told = json.loads(await request.read())
            opened, seconds = told["open"], told["seconds"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return web.Response(status=400)
        if not all(type(one) is int and 0 <= one < 2**62 for one in (opened, seconds)):
            return web.Response(status=400)
        async with self._services.db.begin() as tx:
            token = request.match_info["token"]
            await materials.read(tx, self._services, token, opened, min(seconds, 86_400))
        return web.Response(status=204)
