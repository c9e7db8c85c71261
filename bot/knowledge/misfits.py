"""What does not fit together in key messages, materials and meetings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bot.knowledge.key_message import KeyMessage, Material, MaterialKind, faults_of

if TYPE_CHECKING:
    from bot.knowledge.content import Content, Document, Entry

Misfit = tuple[str, str, str]  # section, id, reason


def presented_misfits(content: Content) -> Iterator[Misfit]:
    """Of key messages, materials and meetings, and of ids that two of what may be quoted have."""
    taken = {entry.id: "entries" for entry in content.entries}
    for section, items in (("key_messages", content.key_messages), ("materials", content.materials)):
        for item in items:
            # A basis names what it quotes by its id alone.
            if taken.setdefault(item.id, section) != section:
                yield section, item.id, f"this id is already one of the {taken[item.id]}"
    for message in content.key_messages:
        reasons = [*faults_of(message), *_message_misfits(content, message)]
        yield from (("key_messages", message.id, why) for why in reasons)
    for material in content.materials:
        yield from (("materials", material.id, why) for why in _material_misfits(content, material))
    for meeting in content.meetings:
        if meeting.product is not None and meeting.product not in content.product:
            yield "meetings", meeting.id, f"unknown product {meeting.product!r}"


def _message_misfits(content: Content, message: KeyMessage) -> Iterator[str]:
    if message.product not in content.product:
        yield f"unknown product {message.product!r}"
    for document_id in message.documents:
        yield from _document_misfits(content.document.get(document_id), document_id, message)


def _document_misfits(
    document: Document | None, document_id: str, item: KeyMessage | Material
) -> Iterator[str]:
    if document is None:
        yield f"missing document {document_id!r}"
    elif document.product not in {None, item.product}:
        yield f"document {document_id!r} is of another product"
    elif document.audience != item.audience:
        yield f"document {document_id!r} is for another audience"


def _material_misfits(content: Content, material: Material) -> Iterator[str]:
    if material.product not in content.product:
        yield f"unknown product {material.product!r}"
    yield from _document_misfits(content.document.get(material.document), material.document, material)
    if not material.entries and not material.key_messages:
        yield "nothing to read in it"
    if material.kind is MaterialKind.PICTURE and (material.entries or len(material.key_messages) != 1):
        yield "a picture is the chart of one key message"
    # A part that is missing is no misfit, or nobody could withdraw it: the material is not shown then.
    for part in parts_of(material, content):
        audience = part.audience if isinstance(part, KeyMessage) else content.document[part.document].audience
        if (part.product, audience) != (material.product, material.audience):
            yield f"{part.id!r} is not of {material.product} for a {material.audience}"


def parts_of(material: Material, content: Content) -> tuple[Entry | KeyMessage, ...]:
    """The entries and key messages of a material, in order, those left out that are not there."""
    entries = (content.entry.get(name) for name in material.entries)
    messages = (content.key_message.get(name) for name in material.key_messages)
    return tuple(part for part in (*entries, *messages) if part is not None)
