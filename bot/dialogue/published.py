"""The dialogue and the content in force, in memory."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from bot.dialogue.version import Dialogue
from bot.knowledge import Content, Encoder, Index, is_name, kept_index, names_product
from bot.model import Fault, MedrepError
from bot.store import published
from bot.store.database import Database, Tx
from bot.store.tables import content_version, dialogue_version

log = structlog.get_logger()


class Published:
    """The dialogue and the content in force, kept in memory and renewed when a new version is published.

    Building an index takes seconds of computing, so it happens aside: messages are accepted, and what
    is already queued leaves, before the first one is ready; a later one replaces its predecessor when done.
    """

    def __init__(self, db: Database, encoder: Encoder, folder: Path | None = None) -> None:
        """`folder` keeps built indexes for the next start."""
        self._db = db
        self._folder = folder
        self._encoder = encoder
        self._dialogues: dict[str, Dialogue] = {}
        self._dialogue: Dialogue | None = None
        self._content: Content | None = None
        self._newest: Content | None = None  # what the index is being built for
        self._index: Index | None = None
        self._indexed = asyncio.Event()
        self._building: asyncio.Task[None] | None = None

    @property
    def dialogue(self) -> Dialogue:
        if self._dialogue is None:
            raise MedrepError(Fault.CONFIGURATION, "no dialogue is published")
        return self._dialogue

    @property
    def content(self) -> Content:
        if self._content is None:
            raise MedrepError(Fault.CONFIGURATION, "no content is published")
        return self._content

    @property
    def index(self) -> Index:
        """The newest index that is built; `indexed` waits for the first."""
        if self._index is None:
            raise MedrepError(Fault.CONFIGURATION, "the index is not built yet")
        return self._index

    @property
    def ready(self) -> bool:
        """Whether questions can be answered."""
        return self._index is not None

    async def indexed(self) -> None:
        """Return once questions can be answered."""
        await self._indexed.wait()

    def is_name(self, text: str) -> bool:
        """Whether a text is nothing but the name of a product; False while no content is published."""
        return self._content is not None and is_name(text, self._content.products)

    def names_product(self, text: str) -> bool:
        """Whether a text names a product anywhere; False while no content is published."""
        return self._content is not None and names_product(text, self._content.products)

    async def spoken(self, tx: Tx, version: str) -> Dialogue | None:
        """The dialogue a reply was made with: the one in force, or one that the engine speaks still."""
        if version not in self._dialogues and version:
            found = await published.by_prefix(tx, dialogue_version, version)
            if found is None:
                return None
            self._dialogues[version] = Dialogue(found.body)
        return self._dialogues.get(version)

    async def load(self) -> None:
        """Read what is in force; a changed content is indexed aside."""
        known = self._newest.fingerprint if self._newest else None
        async with self._db.begin() as tx:
            dialogue = await published.current(tx, dialogue_version)
            fingerprint = await published.fingerprint(tx, content_version)
            changed = fingerprint is not None and fingerprint != known
            content = await published.current(tx, content_version) if changed else None
        if dialogue is not None:
            self._dialogue = Dialogue(dialogue.body)
            self._dialogues[self._dialogue.fingerprint[:12]] = self._dialogue
        if content is not None:
            parsed = self._newest = Content.from_json(content.body)
            # The first is there at once, for what is queued; a later one comes into force with its index,
            # so that what is found and what may leave are of one version.
            self._content = self._content or parsed
            self._building = asyncio.create_task(self._build(parsed))

    async def _build(self, content: Content) -> None:
        try:
            index = await asyncio.to_thread(kept_index, content, self._encoder, self._folder)
        except Exception:
            # The old one goes on answering; without any, /readyz says so.
            log.exception("content.index_failed", version=content.fingerprint[:12])
            return
        if content is not self._newest:
            return  # a newer one was published while this was built
        self._content, self._index = content, index
        self._indexed.set()
        log.info("content.indexed", version=content.fingerprint[:12], entries=len(content.entries))
