"""What nearly everything stands on: the database, the keys, the clock, and what is published."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import structlog

from bot.clock import Clock
from bot.dialogue import Dialogue
from bot.knowledge import Content, Encoder, Index
from bot.model import Fault, MedrepError
from bot.store import published
from bot.store.database import Database
from bot.store.keys import Vault
from bot.store.tables import content_version, dialogue_version

log = structlog.get_logger()


class Published:
    """The dialogue and the content in force, kept in memory and renewed when a new version is published."""

    def __init__(self, db: Database, encoder: Encoder) -> None:
        self._db = db
        self._encoder = encoder
        self._dialogues: dict[str, Dialogue] = {}
        self._dialogue: Dialogue | None = None
        self._index: Index | None = None

    @property
    def dialogue(self) -> Dialogue:
        if self._dialogue is None:
            raise MedrepError(Fault.CONFIGURATION, "no dialogue is published")
        return self._dialogue

    @property
    def index(self) -> Index:
        if self._index is None:
            raise MedrepError(Fault.CONFIGURATION, "no content is published")
        return self._index

    @property
    def content(self) -> Content:
        return self.index.content

    def spoken(self, version: str) -> Dialogue | None:
        """The dialogue a reply was made with: the one in force, or one it has just replaced."""
        return self._dialogues.get(version)

    async def load(self) -> None:
        """Read what is in force; the index is built only when the content changed."""
        async with self._db.begin() as tx:
            dialogue = await published.current(tx, dialogue_version)
            fingerprint = await published.fingerprint(tx, content_version)
            content = None
            if fingerprint is not None and (self._index is None or self.content.fingerprint != fingerprint):
                content = await published.current(tx, content_version)
        if dialogue is not None:
            self._dialogue = Dialogue(dialogue.body)
            self._dialogues[self._dialogue.fingerprint[:12]] = self._dialogue
        if content is not None:
            parsed = Content.from_json(content.body)
            self._index = await asyncio.to_thread(Index, parsed, self._encoder)
            log.info("content.loaded", version=parsed.fingerprint[:12], entries=len(parsed.entries))


@dataclass(frozen=True, slots=True)
class Base:
    """Handed to every loop and room that needs it."""

    db: Database
    vault: Vault
    clock: Clock
    published: Published
    home: Path
