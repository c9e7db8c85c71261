"""The console alone, in a process of its own, on the bench's database."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from pathlib import Path

from aiohttp import web

import console
from bot.app import listen
from bot.clock import Clock
from bot.dialogue.published import Published
from bot.runtime.services import Services
from bot.settings import read_environment
from bot.store.database import Database
from bot.store.keyring import Keyring, evidence_key
from bot.store.vault import Vault


async def serve(home: Path, url: str, port: int) -> None:
    """Listen until the process is ended."""
    db = Database(url, evidence_key=evidence_key(home / "keys"))
    published = Published(db, None)
    await published.load()
    services = Services(db, Vault(Keyring(home / "keys")), Clock(), published, home)
    settings = read_environment({"MEDREP_HOME": str(home), "MEDREP_SANDBOX": "1"})
    app = web.Application()
    app.add_subapp("/console/", console.build(settings, services, console.Live()))
    app.router.add_get("/", _alive)
    async with AsyncExitStack() as stack:
        await listen(stack, app, "127.0.0.1", port)
        await asyncio.Event().wait()


async def _alive(_: web.Request) -> web.Response:
    return web.Response(text="ready")


if __name__ == "__main__":
    asyncio.run(
        serve(
            Path(os.environ["MEDREP_HOME"]), os.environ["MEDREP_DATABASE_URL"], int(os.environ["BENCH_PORT"])
        )
    )
