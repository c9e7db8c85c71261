"""What the label says to a doctor's emergency: no engine is asked, and nobody else is told of a product.

The emergency text has left when the message was accepted. A turn then quotes, of each product that the words
name, the approved entry about the danger (`label` in `data/safety/signs.yaml`: 过量, 低血压, …), and what
answers a question that stands beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from bot.dialogue.published import Published
from bot.knowledge import Entry, answer_text, consider, is_valid, products_named
from bot.model import Audience, Reply
from bot.safety import emergency
from bot.store.inbox import StoredMessage

_LONGEST = 2000  # characters in which a product is looked for
_MOST = 3  # entries quoted


def names_ours(text: str, published: Published) -> bool:
    """Whether a text names a product of ours; False while no content is published."""
    return published.loaded and bool(products_named(text[:_LONGEST], published.content.products))


def of_label(messages: Sequence[StoredMessage], published: Published, now: datetime) -> tuple[Reply, ...]:
    """The entries for these emergencies, as replies."""
    edition = published.edition
    found: dict[str, Entry] = {}
    for message in messages:
        text = message.body["text"][:_LONGEST]
        for entry in _entries(text, emergency(message.screening["red_flag"]).label, published, now):
            found.setdefault(entry.id, entry)
    return tuple(
        Reply(answer_text(entry, edition.content, now), basis=edition.basis(entry.id))
        for entry in list(found.values())[:_MOST]
    )


def _entries(text: str, subjects: Sequence[str], published: Published, now: datetime) -> Iterator[Entry]:
    content = published.content
    for product in products_named(text, content.products):
        offered = [
            entry for entry in content.entries if entry.product == product and _may(entry, published, now)
        ]
        about = (entry for subject in subjects for entry in offered if subject in entry.question)
        if (first := next(about, None)) is not None:
            yield first
    for one in consider(published.index, text, Audience.DOCTOR, now):
        if one.decision.entry is not None:
            yield one.decision.entry


def _may(entry: Entry, published: Published, now: datetime) -> bool:
    document = published.content.document[entry.document]
    return document.audience is Audience.DOCTOR and is_valid(document, now)
