"""Our side of the one-row action: the app's own action host with that one action, in a process of its own.

All of the host runs: the token, the turn and whose it is, the standing, the effect keyed on (turn, action,
ordinal) and written under the person's key. The effect is the row.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from aiohttp import web
from rasa_sdk import Action
from rasa_sdk.executor import CollectingDispatcher

import actions.host
from bot.clock import Clock
from bot.dialogue.published import Published
from bot.runtime.services import Services
from bot.store.database import Database
from bot.store.keyring import Keyring
from bot.store.vault import Vault


class OneRow(Action):  # type: ignore[misc]
    """Says one sentence; the host keeps it."""

    def name(self) -> str:
        return "action_answer"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Any, domain: Any) -> list[Any]:
        dispatcher.utter_message(text=os.environ["BENCH_SENTENCE"], json_message={"basis": "content:bench@1"})
        return []


async def serve(home: Path, url: str, token: str, port: int) -> None:
    """Listen until the process is ended."""
    db = Database(url)
    published = Published(db, None)  # the action asks nothing of it
    services = Services(db, Vault(Keyring(home / "keys")), Clock(), published, home)
    actions.host.ACTIONS = (OneRow,)  # type: ignore[assignment]  # mypy knows the length of the other
    app = actions.host.routes(services, token)
    app.router.add_get("/", _alive)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


async def _alive(_: web.Request) -> web.Response:
    return web.Response(text="ready")


if __name__ == "__main__":
    asyncio.run(
        serve(
            Path(os.environ["MEDREP_HOME"]),
            os.environ["MEDREP_DATABASE_URL"],
            os.environ["MEDREP_ACTIONS_TOKEN"],
            int(os.environ["MEDREP_ACTIONS_PORT"]),
        )
    )
