"""Approved content as a doctor gets it, for colleagues who are about to send it."""

from __future__ import annotations

from dataclasses import dataclass

from bot.content import (
    FOR_PROFESSIONALS,
    Edition,
    in_date,
    key_message_text,
    sources,
    validity,
    warnings,
)
from bot.desk.reading import Desk
from bot.knowledge import Entry, Format, KeyMessage, Material, parts_of, source_text
from bot.model import Audience, Fault, MedrepError


@dataclass(frozen=True, slots=True)
class PreviewPart:
    heading: str
    text: str
    source: str


@dataclass(frozen=True, slots=True)
class Preview:
    """`basis`: the revision that would be sent now."""

    title: str
    product: str
    kind: str
    basis: str
    valid_until: str
    notice: str
    parts: tuple[PreviewPart, ...]


def preview(reading: Desk, item_id: str) -> Preview:
    """What is in force for doctors. Raises MedrepError(NOT_FOUND)."""
    edition, now = reading.edition, reading.services.clock.now()
    if edition is None:
        raise MedrepError(Fault.NOT_FOUND, "no content is in force")
    content = edition.content
    item: KeyMessage | Material | None = content.key_message.get(item_id) or content.material.get(item_id)
    if item is None or item.audience != Audience.DOCTOR or not in_date(item, content, now):
        raise MedrepError(Fault.NOT_FOUND, "no such content in force")
    if isinstance(item, KeyMessage):
        texts = [(form.value, key_message_text(item, form, content, now)) for form in Format]
        parts = tuple(PreviewPart(name, text, "") for name, text in texts)
        title, kind = item.point, "key_message"
    else:
        parts = tuple(_part(one, edition, reading) for one in parts_of(item, content))
        title, kind = item.title, item.kind.value
    return Preview(
        title,
        content.product[item.product].generic,
        kind,
        str(edition.basis(item_id)),
        validity(item, content),
        FOR_PROFESSIONALS,
        parts,
    )


def _part(one: Entry | KeyMessage, edition: Edition, reading: Desk) -> PreviewPart:
    content, now = edition.content, reading.services.clock.now()
    if isinstance(one, Entry):
        return PreviewPart(one.question, one.answer, source_text(one, content, now).splitlines()[0])
    return PreviewPart(one.point, "\n".join([one.detail, *warnings(one)]), sources(one, content))
