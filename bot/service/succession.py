"""Succession: a newly published dialogue takes over from the one the engine speaks, without a restart.

The old one speaks on until the new one is trained, and for good if that fails; then a person is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import aiohttp
import psycopg
import structlog

from bot.dialogue.engine_client import EngineClient
from bot.dialogue.publishing import in_force
from bot.dialogue.version import Dialogue
from bot.model import Fault, MedrepError
from bot.service.disk import Disk
from bot.service.process import Say
from bot.service.training import train
from bot.store import business_clock, channels, published
from bot.store.database import UNAVAILABLE, Database
from bot.store.key_holders import open_keyring
from bot.store.vault import Vault
from bot.tasks import Kind, open_task

log = structlog.get_logger()

RECONNECT_SECONDS = 2.0
TRIES, TRY_SECONDS = 10, 3.0  # an engine that is being restarted is back by then


class Succession:
    """Keeps `model`, which the engine is started with, and the running engine at what is published."""

    def __init__(
        self, db: Callable[[], Database], home: Path, url: str, token: str, disk: Disk, say: Say
    ) -> None:
        """`db` is asked at each use: the database may come back at another address."""
        self._db, self._home, self._url, self._token, self._disk, self._say = db, home, url, token, disk, say
        self._model: Path | None = None
        self._speaks = ""
        self._failed: set[str] = set()

    def model(self) -> Path:
        """The model of the dialogue that speaks now; `begin` has been called."""
        assert self._model is not None  # noqa: S101 - for the type checker
        return self._model

    async def begin(self) -> None:
        """Train what is in force, if needed. Raises MedrepError."""
        dialogue = await self._published()
        if dialogue is None:
            raise MedrepError(Fault.CONFIGURATION, "no dialogue is published")
        try:
            self._model = await train(self._home, dialogue, self._say)
            self._speaks = dialogue.fingerprint
        except MedrepError as error:
            if self._disk.full():
                raise
            # As while running: the last one that could be trained goes on speaking.
            self._model = await self._predecessor()
            if self._model is None:
                raise
            self._speaks = self._model.name.partition(".")[0]
            self._failed.add(dialogue.fingerprint)
            self._say(f"dialogue {dialogue.fingerprint[:12]} cannot be used, {self._speaks[:12]} speaks on")
            await self._tell(dialogue, error)

    async def _predecessor(self) -> Path | None:
        """The newest model here whose dialogue was published."""
        models = sorted((self._home / "models").glob("*.tar.gz"), key=lambda path: -path.stat().st_mtime)
        async with self._db().begin() as tx:
            for model in models:
                fingerprint = model.name.partition(".")[0]
                if await published.by_fingerprint(tx, fingerprint) is not None:
                    return model
        return None

    async def follow(self) -> None:
        """Watch for new versions until cancelled."""
        while True:
            try:
                async with await self._db().listen(channels.PUBLISHED) as connection:
                    await self._catch_up()  # what was published while nobody listened
                    async for _ in connection.notifies():
                        await self._catch_up()
            except (psycopg.OperationalError, OSError, *UNAVAILABLE) as error:
                log.warning("succession.disconnected", error=type(error).__name__)
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _published(self) -> Dialogue | None:
        async with self._db().begin() as tx:
            return await in_force(tx)

    async def _catch_up(self) -> None:
        dialogue = await self._published()
        if dialogue is None or dialogue.fingerprint in {self._speaks, *self._failed}:
            return
        before = self._model, self._speaks
        self._say(f"dialogue {dialogue.fingerprint[:12]} was published")
        try:
            # From here on an engine that is restarted starts with the new model, too.
            self._model = await train(self._home, dialogue, self._say)
            self._speaks = dialogue.fingerprint
            await self._load(self._model)
        except (MedrepError, OSError) as error:
            self._model, self._speaks = before
            if self._disk.full():
                await self._disk.until_writable()
                await self._catch_up()
                return
            if isinstance(error, OSError):
                raise
            self._failed.add(dialogue.fingerprint)
            self._say(
                f"dialogue {dialogue.fingerprint[:12]} cannot be used, the old one stays: {error.detail}"
            )
            await self._tell(dialogue, error)
        else:
            self._say(f"dialogue {dialogue.fingerprint[:12]} speaks now")

    async def _load(self, model: Path) -> None:
        async with aiohttp.ClientSession() as http:
            engine = EngineClient(http, self._url, self._token)
            for attempt in range(1, TRIES + 1):
                try:
                    await engine.load(model)
                    break
                except MedrepError as error:
                    if error.fault not in (Fault.ENGINE_DOWN, Fault.ENGINE_LOST) or attempt == TRIES:
                        raise
                await asyncio.sleep(TRY_SECONDS)

    async def _tell(self, dialogue: Dialogue, error: MedrepError) -> None:
        log.error("succession.failed", version=dialogue.fingerprint[:12], detail=error.detail)
        async with self._db().begin() as tx:
            await open_task(
                tx,
                Vault(await open_keyring(tx, self._home / "keys")),
                Kind.PLATFORM,
                now=(await business_clock.clock(tx)).now(),
                key=f"dialogue:{dialogue.fingerprint}",
                detail=f"published dialogue {dialogue.fingerprint[:12]} could not be put to work",
            )
