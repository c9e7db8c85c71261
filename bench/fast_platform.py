"""A platform that answers at once, in a process of its own: what sending costs us, not what waiting costs."""

from __future__ import annotations

import sys

from aiohttp import web

TOKEN = {"access_token": "bench", "expires_in": 7200}
DONE = {"errcode": 0, "errmsg": "ok", "msgid": 1}


async def token(_: web.Request) -> web.Response:
    return web.json_response(TOKEN)


async def taken(request: web.Request) -> web.Response:
    await request.read()
    return web.json_response(DONE)


if __name__ == "__main__":
    app = web.Application()
    app.add_routes([web.post("/cgi-bin/stable_token", token), web.post("/{api:.*}", taken)])
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)
