"""What somebody with a link reads, and that they did."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime

from bot.clock import real_now
from bot.content import (
    FOR_PROFESSIONALS,
    Edition,
    chart_lines,
    documents_of,
    in_date,
    picture,
    sources,
    validity,
    warnings,
)
from bot.knowledge import Content, Entry, KeyMessage, Material, MaterialKind, parts_of, source_text
from bot.materials.offering import sent_by
from bot.model import Fault, MedrepError
from bot.profiles import Deed, note_deed
from bot.runtime.services import Services
from bot.store import contacts
from bot.store import materials as store
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.materials import Opened, Sent


@dataclass(frozen=True, slots=True)
class Leaf:
    """A part of a material: its heading, paragraphs, where they stand; and the chart, if it has one."""

    heading: str
    paragraphs: tuple[str, ...]
    source: str
    chart: KeyMessage | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """A material as it is read. Nothing in it is about whom it was sent to."""

    sent: Sent
    material: Material
    product: str
    version: str
    valid_until: str
    notice: str
    leaves: tuple[Leaf, ...]
    content: Content

    def png(self, message_id: str) -> bytes:
        """The chart of one of its leaves; it may take 0.2 s. Raises MedrepError(NOT_FOUND)."""
        for leaf in self.leaves:
            if leaf.chart is not None and leaf.chart.id == message_id:
                return picture(leaf.chart, self.content).png
        raise MedrepError(Fault.NOT_FOUND, "no such chart")


async def read_for(tx: Tx, services: Services, token: str) -> Reading:
    """What the link shows now.

    Raises MedrepError: NOT_FOUND (no link of ours), NO_BASIS (link or material expired, or withdrawn).
    """
    sent, now = await sent_by(tx, services.vault, token), services.clock.now()
    if now >= sent.expires_at:
        raise MedrepError(Fault.NO_BASIS, "the link has expired")
    for edition in await services.published.standing(tx, now):
        if sent.material in edition.content.material:
            return _reading(sent, edition, now)
        break  # what was withdrawn is not read in what was in force before
    raise MedrepError(Fault.NO_BASIS, "the material was withdrawn")


def _reading(sent: Sent, edition: Edition, now: datetime) -> Reading:
    """In the revision that is in force, which may be newer than the one that was sent."""
    content = edition.content
    material = content.material[sent.material]
    if not in_date(material, content, now):
        raise MedrepError(Fault.NO_BASIS, "the material has expired")
    whole = material.kind is not MaterialKind.PICTURE
    leaves = tuple(_leaf(part, content, now, whole=whole) for part in parts_of(material, content))
    versions = dict.fromkeys(content.document[name].version for name in documents_of(material, content))
    return Reading(
        sent,
        material,
        content.product[material.product].name,
        f"{'、'.join(versions)}（修订 {edition.numbers[material.id]}）",
        validity(material, content),
        FOR_PROFESSIONALS,
        leaves,
        content,
    )


def _leaf(part: Entry | KeyMessage, content: Content, now: datetime, *, whole: bool) -> Leaf:
    if isinstance(part, Entry):
        return Leaf(part.question, (part.answer,), source_text(part, content, now).splitlines()[0])
    told = [part.detail] if whole else chart_lines(part.chart)
    return Leaf(part.point, (*told, *warnings(part)), sources(part, content), part)


def mark_of(given: str | None) -> str:
    """What a browser is known by for one link: the mark it shows, or a new one."""
    return given if given and len(given) == 32 and given.isalnum() else secrets.token_hex(16)


async def opened(tx: Tx, services: Services, reading: Reading, mark: str) -> int:
    """It is opened by the browser with this mark; the id of the opening. What the contact opens themselves
    is a deed of theirs, which counts for their profile."""
    sent, now = reading.sent, services.clock.now()
    digest = services.vault.keyring.digest("reader", f"{sent.id}:{mark}")
    open_id, own = await store.opened(tx, sent, digest, now, real_now())
    if own and open_id:
        contact = await contacts.by_id(tx, sent.contact_id)
        key = f"material:{sent.id}:open:{open_id}"
        await note_deed(tx, contact, Deed.OPENED, key, now, product=reading.material.product)
    return open_id


async def read(tx: Tx, services: Services, token: str, open_id: int, seconds: int) -> None:
    """The opening was visible for so long altogether. Raises MedrepError(NOT_FOUND)."""
    sent = await sent_by(tx, services.vault, token)
    await store.read(tx, sent.id, open_id, seconds, real_now())


async def downloaded(tx: Tx, sent: Sent, open_id: int) -> None:
    """The opening took the file as well."""
    await store.downloaded(tx, sent.id, open_id)


async def opens_of(tx: Tx, contact: Contact) -> list[Opened]:
    """What was sent to this contact and what became of it, the newest first."""
    return await store.of_contact(tx, contact.id)
