"""The dialogue and the content in force, in memory."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from bot.content import Edition, edition
from bot.dialogue.version import PLACEHOLDERS, Dialogue
from bot.knowledge import Content, Encoder, Index, Product, is_name, kept_index, puts_a_question
from bot.model import Audience, Fault, MedrepError
from bot.safety import NOTHING, Ours, bare, sentences_of
from bot.store import content as store
from bot.store import published
from bot.store.database import Database, Tx

log = structlog.get_logger()

# How long an answer made from a replaced edition may still leave (business time): so long may it have waited
# in the queue, and so long may a process take to the new index.
GRACE = timedelta(minutes=15)


class Published:
    """The dialogue and the content in force, kept in memory and renewed when a new version is published.

    Building an index takes seconds of computing, so it happens aside: messages are accepted, and what
    is already queued leaves, before the first one is ready; a later one replaces its predecessor when done.
    """

    def __init__(self, db: Database, encoder: Encoder | None, folder: Path | None = None) -> None:
        """`folder` keeps built indexes for the next start. Without an encoder there is no index: for whoever
        answers no question."""
        self._db = db
        self._folder = folder
        self._encoder = encoder
        self._dialogues: dict[str, Dialogue] = {}
        self._dialogue: Dialogue | None = None
        self._edition: Edition | None = None
        self._newest: Edition | None = None  # what the index is being built for
        # Those that may be quoted, by version and the entries withdrawn from it.
        self._editions: dict[tuple[int, frozenset[str]], Edition] = {}
        self._index: Index | None = None
        self._ours = NOTHING
        self._indexed = asyncio.Event()
        self._building: asyncio.Task[None] | None = None

    @property
    def dialogue(self) -> Dialogue:
        if self._dialogue is None:
            raise MedrepError(Fault.CONFIGURATION, "no dialogue is published")
        return self._dialogue

    @property
    def edition(self) -> Edition:
        """What this process answers from."""
        if self._edition is None:
            raise MedrepError(Fault.CONFIGURATION, "no content is published")
        return self._edition

    @property
    def loaded(self) -> bool:
        """Whether any content is in force here."""
        return self._edition is not None

    @property
    def content(self) -> Content:
        return self.edition.content

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

    @property
    def ours(self) -> Ours:
        """Sentences of ours, to be known again when somebody pastes them back."""
        return self._ours

    @property
    def products(self) -> tuple[Product, ...]:
        """The products there are answers on; none while no content is published."""
        return self._edition.content.products if self._edition is not None else ()

    def is_name(self, text: str) -> bool:
        """Whether a text is nothing but the name of a product."""
        return is_name(text, self.products)

    def off_label(self, text: str, audience: Audience, now: datetime) -> bool:
        """Whether a text, asked or told, is about a use that the label of a product does not approve: 50 ms
        of a core. Not known before the first index is there."""
        return self._index is not None and self._index.decide(text, audience, now).off_label

    def puts_a_question(self, text: str) -> bool:
        """Whether a text can only be a question about a product."""
        return puts_a_question(text, self.products)

    async def spoken(self, tx: Tx, version: str) -> Dialogue | None:
        """The dialogue a reply was made with: the one in force, or one that the engine speaks still."""
        if version not in self._dialogues and version:
            found = await published.by_prefix(tx, version)
            if found is None:
                return None
            self._dialogues[version] = Dialogue(found.body)
        return self._dialogues.get(version)

    async def standing(self, tx: Tx, now: datetime) -> tuple[Edition, ...]:
        """What any process may quote now: the edition in force and those replaced within GRACE, the newest
        first, without entries that were withdrawn. The database is asked, so it holds everywhere at once.
        """
        loaded = self._editions
        # An edition is read without what was withdrawn from it, so a withdrawal makes another of it.
        self._editions = {
            key: loaded[key] if key in loaded else await edition(tx, key[0])
            for key in await store.standing(tx, now - GRACE)
        }
        return tuple(self._editions.values())

    async def load(self) -> None:
        """Read what is in force; a changed content is indexed aside."""
        async with self._db.begin() as tx:
            dialogue = await published.current(tx)
            version = await store.current(tx)
            unchanged = version is None or (self._newest is not None and self._newest.version == version.id)
            newer = None if version is None or unchanged else await edition(tx, version.id)
        if dialogue is not None:
            self._dialogue = Dialogue(dialogue.body)
            self._dialogues[self._dialogue.fingerprint[:12]] = self._dialogue
        if dialogue is not None or newer is not None:
            said = newer or self._newest
            self._ours = sentences_of(self._said(said), fillings(said.content if said else Content()))
        if newer is not None:
            self._newest = newer
            # The first is there at once, for what is named in words; nothing is answered before its index. A
            # later one comes with its index: the publisher built it, so that takes about a second.
            self._edition = self._edition or newer
            if self._encoder is not None:
                self._building = asyncio.create_task(self._build(newer, self._encoder))

    def _said(self, edition: Edition | None) -> Iterator[str]:
        """Everything that we may have said lately."""
        for dialogue in self._dialogues.values():
            yield from (text for _, _, text in dialogue.texts())
        if edition is not None:
            yield from (entry.answer for entry in edition.content.entries)

    async def _build(self, newer: Edition, encoder: Encoder) -> None:
        content = newer.content
        try:
            index = await asyncio.to_thread(kept_index, content, encoder, self._folder)
        except Exception:
            # The old one goes on answering; without any, /readyz says so.
            log.exception("content.index_failed", version=content.fingerprint[:12])
            return
        if newer is not self._newest:
            return  # a newer one was published while this was built
        self._edition, self._index = newer, index
        self._indexed.set()
        log.info("content.indexed", version=content.fingerprint[:12], entries=len(content.entries))


def fillings(content: Content) -> Mapping[str, str]:
    """What may stand in our own placeholders, to know our sentences again. What would admit any words takes
    only the names that we have: whoever goes on behind 上一条回答的出处： writes words of their own."""
    names = "|".join(re.escape(product.generic) for product in content.products) or "(?!)"
    sources = {f"《{content.document[entry.document].title}》{entry.section}" for entry in content.entries}
    return {
        **PLACEHOLDERS,
        "products": f"(?:{names})(?:、(?:{names})){{0,60}}",
        "source": "|".join(re.escape(bare(source)) for source in sorted(sources)) or "(?!)",
        "known": "(?!)",
    }
