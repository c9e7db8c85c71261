"""One serving process: Sanic (Rasa's own server) with our channel and nothing of Rasa's HTTP API."""

from __future__ import annotations

import logging
from pathlib import Path

from rasa.core.channels.channel import register
from sanic import Sanic

from engine import actions
from engine.channel import LARGEST_BODY, TurnChannel, install_errors
from engine.errors import EngineError
from engine.service import Engine

log = logging.getLogger(__name__)


def serve(*, host: str, port: int, token: str, actions_url: str, actions_token: str, model: Path) -> int:
    """Listen until SIGTERM or SIGINT; `/ready` says 503 until the model is loaded. Returns the exit code."""
    actions.install()
    engine = Engine(actions.ActionServer(actions_url, actions_token))
    app = Sanic("medrep_engine", configure_logging=False)
    app.config.update(
        REQUEST_MAX_SIZE=LARGEST_BODY,
        RESPONSE_TIMEOUT=60,
        KEEP_ALIVE_TIMEOUT=75,
        GRACEFUL_SHUTDOWN_TIMEOUT=5.0,
        ACCESS_LOG=False,
        MOTD=False,
    )
    install_errors(app)
    register([TurnChannel(engine, token)], app, route=None)
    failed = False

    async def load() -> None:
        nonlocal failed
        try:
            await engine.load(model)
        except EngineError as error:
            log.error("cannot start", extra={"detail": error.detail})
            failed = True
            app.stop()  # type: ignore[no-untyped-call]

    async def close(*_: object) -> None:
        await engine.close()

    async def start(*_: object) -> None:
        app.add_task(load())

    app.register_listener(start, "after_server_start")
    app.register_listener(close, "after_server_stop")  # turns under way still call actions
    log.info("listening", extra={"host": host, "port": port})
    app.run(host=host, port=port, workers=1, debug=False, access_log=False, motd=False)
    return 1 if failed else 0
