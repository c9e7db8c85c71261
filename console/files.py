"""What browsers fetch beside the pages: our style and script, and the parts that npm brought."""

from __future__ import annotations

from pathlib import Path

from aiohttp import hdrs, web

from bot.settings import ROOT
from console.routes import Route

_OURS = Path(__file__).parent / "static"
_PARTS = ROOT / "node_modules"
# Served name -> where it is. Nothing else of these folders can be asked for.
FILES = {
    "console.css": _OURS / "console.css",
    "console.js": _OURS / "console.js",
    "summary.js": _OURS / "summary.js",
    "icon.svg": _OURS / "icon.svg",
    "htmx.js": _PARTS / "htmx.org" / "dist" / "htmx.min.js",
    "sse.js": _PARTS / "htmx-ext-sse" / "dist" / "sse.min.js",
}


async def serve(request: web.Request) -> web.StreamResponse:
    path = FILES.get(request.match_info["name"])
    if path is None:
        raise web.HTTPNotFound
    # They change with an upgrade alone, and are asked for again each time: an answer without a body.
    return web.FileResponse(path, headers={hdrs.CACHE_CONTROL: "no-cache"})


ROUTES = [Route("GET", "/static/{name}", serve)]
