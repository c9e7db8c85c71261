"""The engine over HTTP: `/turn`, `/understand`, `/ready` and `/model`, for the holder of the token."""

from __future__ import annotations

import hmac
import logging
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from rasa.core.channels.channel import InputChannel, UserMessage
from sanic import Blueprint, Sanic
from sanic.exceptions import NotFound, PayloadTooLarge, SanicException
from sanic.request import Request
from sanic.response import HTTPResponse, raw

from engine import wire
from engine.errors import Code, EngineError
from engine.service import Engine

log = logging.getLogger(__name__)

LARGEST_BODY = 4 * 1024 * 1024  # bytes: a bounded conversation and 100,000 characters fit many times


class TurnChannel(InputChannel):  # type: ignore[misc]
    """A channel that hands the conversation in and out instead of keeping it."""

    def __init__(self, engine: Engine, token: str) -> None:
        if not token:
            raise ValueError("the engine needs a token")
        self._engine = engine
        self._expected = f"Bearer {token}".encode()

    @classmethod
    def name(cls) -> str:
        return "turn"

    def blueprint(self, on_new_message: Callable[[UserMessage], Awaitable[Any]]) -> Blueprint:
        """The routes. `on_new_message`, Rasa's way in, is not used: it ends in a tracker store."""
        routes = Blueprint("turn")

        # Rasa's --auth-token does not cover the routes of a channel.
        async def authorise(request: Request) -> None:
            given = request.headers.get("authorization", "").encode()
            if not hmac.compare_digest(given, self._expected):
                raise EngineError(Code.UNAUTHORIZED)

        async def turn(request: Request) -> HTTPResponse:
            return _json(await self._engine.turn(request.body))

        async def understand(request: Request) -> HTTPResponse:
            return _json(await self._engine.understand(request.body))

        async def ready(_: Request) -> HTTPResponse:
            return _json(wire.dump({"model": self._engine.processor.fingerprint}))

        async def model(request: Request) -> HTTPResponse:
            path = wire.read_object(request.body).get("path")
            if not isinstance(path, str):
                raise EngineError(Code.BAD_REQUEST, "path is a string")
            return _json(wire.dump({"model": await self._engine.load(Path(path))}))

        routes.on_request(authorise)  # type: ignore[no-untyped-call]
        routes.add_route(turn, "/turn", methods=["POST"])
        routes.add_route(understand, "/understand", methods=["POST"])
        routes.add_route(ready, "/ready", methods=["GET"])
        routes.add_route(model, "/model", methods=["PUT"])
        return routes


def install_errors(app: Sanic) -> None:
    """Every error as JSON. What is logged and answered holds no text of a request."""

    async def engine_error(_: Request, error: EngineError) -> HTTPResponse:
        if error.code.status == 500:
            log.warning("failed", extra={"code": error.code.word, "detail": error.detail})
        return _error(error.code, error.detail)

    async def sanic(_: Request, error: SanicException) -> HTTPResponse:
        status = getattr(error, "status_code", 500)
        if isinstance(error, PayloadTooLarge):
            return _error(Code.TOO_LARGE, "body")
        if isinstance(error, NotFound):
            return _error(Code.NOT_FOUND, "no such route")
        return _error(Code.BAD_REQUEST if status < 500 else Code.ENGINE_FAILED, type(error).__name__)

    async def unknown(_: Request, error: Exception) -> HTTPResponse:
        cause = error.__cause__ or error  # Rasa wraps what a graph component raised
        frames = traceback.extract_tb(cause.__traceback__)[-4:]
        where = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames]
        log.error("failed", extra={"code": "engine_failed", "error": type(cause).__name__, "where": where})
        return _error(Code.ENGINE_FAILED, type(cause).__name__)

    app.error_handler.add(EngineError, engine_error)
    app.error_handler.add(SanicException, sanic)
    app.error_handler.add(Exception, unknown)


def _error(code: Code, detail: str) -> HTTPResponse:
    return _json(wire.dump({"error": code.word, "detail": detail}), code.status)


def _json(body: bytes, status: int = 200) -> HTTPResponse:
    return raw(body, status=status, content_type="application/json")
