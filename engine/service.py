"""What the routes call: the model being served, its replacement under load, and remembered answers."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from pathlib import Path

from engine import wire
from engine.actions import ActionServer
from engine.errors import Code, EngineError
from engine.processor import TurnProcessor

log = logging.getLogger(__name__)

MOST_ANSWERS = 256
MOST_TEXTS = 1000


class Engine:
    """One process's engine. All methods run on one event loop."""

    def __init__(self, actions: ActionServer) -> None:
        self._actions = actions
        self._processor: TurnProcessor | None = None
        self._swapping = asyncio.Lock()
        self._answers: OrderedDict[tuple[str, str, int], asyncio.Task[bytes]] = OrderedDict()

    @property
    def processor(self) -> TurnProcessor:
        """The model being served. Raises EngineError(NOT_READY)."""
        if self._processor is None:
            raise EngineError(Code.NOT_READY, "no model yet")
        return self._processor

    async def load(self, model: Path) -> str:
        """Serve another model; turns under way end with the one they began with.

        Returns its fingerprint. Raises EngineError(BAD_REQUEST) and goes on with the old one.
        """
        async with self._swapping:
            began = time.monotonic()
            try:
                loaded = await asyncio.get_running_loop().run_in_executor(
                    None, TurnProcessor, model, self._actions
                )
            except Exception as error:
                log.error("model not loaded", extra={"model": model.name, "why": type(error).__name__})
                raise EngineError(Code.BAD_REQUEST, f"not a model: {model.name}") from error
            loaded.understand("预热")  # the first call of the encoder and of spaCy is slow
            self._processor = loaded
            seconds = round(time.monotonic() - began, 2)
            log.info("model loaded", extra={"model": loaded.fingerprint, "seconds": seconds})
            return loaded.fingerprint

    async def turn(self, body: bytes) -> bytes:
        """The answer to a turn; an attempt that was answered before, or is being answered, is not run again.

        Another attempt of the same turn is: what the actions of the last one wrote may have been lost with
        the app's database, and only the app knows.
        """
        request = wire.read_turn(body)
        key = (request.contact, request.turn_id, request.attempt)
        task = self._answers.get(key)
        if task is None:
            task = asyncio.ensure_future(self.processor.turn(request))
            self._answers[key] = task
            task.add_done_callback(lambda done: self._forget_failure(key, done))
            while len(self._answers) > MOST_ANSWERS:
                self._answers.popitem(last=False)
        # Shielded: the caller may hang up, but actions that began must not be torn off half way.
        return await asyncio.shield(task)

    def _forget_failure(self, key: tuple[str, str, int], task: asyncio.Task[bytes]) -> None:
        if (task.cancelled() or task.exception()) and self._answers.get(key) is task:
            del self._answers[key]

    async def understand(self, body: bytes) -> bytes:
        """Intent and entities of each text; turns are served between the texts."""
        texts = wire.read_object(body).get("texts")
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise EngineError(Code.BAD_REQUEST, "texts is a list of strings")
        if len(texts) > MOST_TEXTS:
            raise EngineError(Code.TOO_LARGE, f"at most {MOST_TEXTS} texts")
        processor = self.processor
        results = []
        for text in texts:
            results.append(wire.understood(processor.understand(text)))
            await asyncio.sleep(0)
        return wire.dump({"model": processor.fingerprint, "results": results})

    async def close(self) -> None:
        await self._actions.close()
