"""Which material answers a wish, and the link to it."""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.content import Edition, in_date
from bot.evidence import note
from bot.knowledge import Material, MaterialKind
from bot.model import Audience, Fault, MedrepError
from bot.runtime.services import Services
from bot.store import materials as store
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.vault import Vault

LIFE = timedelta(days=30)  # of a link
PATH = "/m/"
# The id of what was sent, and a keyed digest in letters: digits there could read as somebody's number.
TOKEN = re.compile(r"([0-9]{1,18})-([a-p]{32})", re.ASCII)
_LETTERS = bytes.maketrans(b"0123456789abcdef", b"abcdefghijklmnop")
_PICTURE = re.compile(r"图|照片|海报")


@dataclass(frozen=True, slots=True)
class Offered:
    """A material on its way to a contact, and its link."""

    material: Material
    url: str


def fitting_material(
    edition: Edition, audience: Audience, product: str, words: str, now: datetime
) -> Material | None:
    """The material of this product that the words ask for: a picture where they name one, else a document;
    whatever there is where that kind is missing."""
    wanted = MaterialKind.PICTURE if _PICTURE.search(words) else MaterialKind.PDF
    found = [
        one
        for one in edition.content.materials
        if (one.product, one.audience) == (product, audience) and in_date(one, edition.content, now)
    ]
    return next((one for one in found if one.kind == wanted), found[0] if found else None)


async def offer(tx: Tx, services: Services, contact: Contact, material_id: str, now: datetime) -> Offered:
    """Send this material: a link for this contact, good for 30 days, kept with the contact.

    Raises MedrepError(NO_BASIS): it is not in force, has expired, or is for another audience.
    """
    edition = services.published.edition
    material = edition.content.material.get(material_id)
    if (
        material is None
        or material.audience != contact.audience
        or not in_date(material, edition.content, now)
    ):
        raise MedrepError(Fault.NO_BASIS, f"material {material_id} is not to be sent")
    number = edition.numbers[material_id]
    sent_id = await store.add(tx, contact, material_id, int(number), now, now + LIFE)
    await note(tx, "material.sent", now, f"material:{material_id}@{number}", of=contact, sent=sent_id)
    return Offered(material, services.public_url + PATH + token(services.vault, sent_id, contact.id))


def token(vault: Vault, sent_id: int, contact_id: int) -> str:
    """What names a sent material in a link; bound to whom it was sent to."""
    digest = vault.keyring.digest("material", f"{sent_id}:{contact_id}").hex()[:32]
    return f"{sent_id}-{digest.encode().translate(_LETTERS).decode()}"


async def sent_by(tx: Tx, vault: Vault, given: str) -> store.Sent:
    """What the token names. Raises MedrepError(NOT_FOUND) for one that we did not make."""
    parts = TOKEN.fullmatch(given)
    found = await store.sent(tx, int(parts[1])) if parts else None
    if found is None or not hmac.compare_digest(token(vault, found.id, found.contact_id), given):
        raise MedrepError(Fault.NOT_FOUND, "no such link")
    return found


async def holds(tx: Tx, services: Services, contact: Contact, title: str, url: str) -> bool:
    """Whether this is a link of ours, for this contact, to a material of this title that is in force."""
    base = services.public_url + PATH
    if not url.startswith(base):
        return False
    try:
        found = await sent_by(tx, services.vault, url.removeprefix(base))
    except MedrepError:
        return False
    now = services.clock.now()
    for edition in await services.published.standing(tx, now):
        material = edition.content.material.get(found.material)
        if material is not None and edition.numbers[material.id] == found.number:
            valid = in_date(material, edition.content, now) and now < found.expires_at
            return valid and found.contact_id == contact.id and material.title == title
    return False
