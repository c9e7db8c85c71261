"""Materials that were sent, their openings, and how long they were read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Integer, cast, func, insert, select, update

from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.tables import material_open, material_sent
from bot.store.tables.materials import LONGEST_READING

SLACK = 2  # seconds that a browser's clock may run ahead


@dataclass(frozen=True, slots=True)
class Sent:
    """A material that was sent to a contact; `number` is its revision."""

    id: int
    contact_id: int
    person_id: UUID
    material: str
    number: int
    sent_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Opened:
    """What became of a material that was sent. `seconds`: visible time, of the contact's own openings;
    `forwarded`: openings by others."""

    material: str
    number: int
    sent_at: datetime
    opens: int
    seconds: int
    downloads: int
    last_at: datetime | None
    forwarded: int


async def add(
    tx: Tx, contact: Contact, material: str, number: int, now: datetime, expires_at: datetime
) -> int:
    """It is sent; its id."""
    values = {
        "contact_id": contact.id,
        "person_id": contact.person_id,
        "material": material,
        "number": number,
        "sent_at": now,
        "expires_at": expires_at,
    }
    added = insert(material_sent).values(**values).returning(material_sent.c.id)
    return int((await tx.execute(added)).scalar_one())


async def sent(tx: Tx, sent_id: int) -> Sent | None:
    columns = (material_sent.c[name] for name in Sent.__dataclass_fields__)
    row = (await tx.execute(select(*columns).where(material_sent.c.id == sent_id))).first()
    return None if row is None else Sent(*row)


async def opened(tx: Tx, found: Sent, mark: bytes, now: datetime, real_now: datetime) -> tuple[int, bool]:
    """An opening: its id, and whether it is the contact's own. `mark`: a digest that names the browser; the
    first browser is the contact's."""
    first = (
        update(material_sent)
        .where(material_sent.c.id == found.id)
        .values(reader_hmac=func.coalesce(material_sent.c.reader_hmac, mark))
        .returning(material_sent.c.reader_hmac)
    )
    own = bytes((await tx.execute(first)).scalar_one()) == mark
    added = insert(material_open).values(
        sent_id=found.id,
        contact_id=found.contact_id,
        person_id=found.person_id,
        opened_at=now,
        began_at=real_now,
        forwarded=not own,
    )
    return int((await tx.execute(added.returning(material_open.c.id))).scalar_one()), own


async def read(tx: Tx, sent_id: int, open_id: int, seconds: int, real_now: datetime) -> None:
    """So long it was visible: never less than before, more than has passed, or more than an hour."""
    passed = cast(func.extract("epoch", real_now - material_open.c.began_at), Integer) + SLACK
    told = func.least(seconds, passed, LONGEST_READING)
    await tx.execute(
        update(material_open)
        .where(material_open.c.id == open_id, material_open.c.sent_id == sent_id)
        .values(seconds=func.greatest(material_open.c.seconds, told))
    )


async def downloaded(tx: Tx, sent_id: int, open_id: int) -> None:
    found = (material_open.c.id == open_id, material_open.c.sent_id == sent_id)
    await tx.execute(update(material_open).where(*found).values(downloaded=True))


def _summary(*by: Any) -> Any:
    own = material_open.c.forwarded.is_(False)
    return (
        select(
            *by,
            func.count(material_open.c.id).filter(own),
            func.coalesce(func.sum(material_open.c.seconds).filter(own), 0),
            func.count(material_open.c.id).filter(own, material_open.c.downloaded),
            func.max(material_open.c.opened_at).filter(own),
            func.count(material_open.c.id).filter(~own),
        )
        .select_from(material_sent.outerjoin(material_open, material_open.c.sent_id == material_sent.c.id))
        .group_by(material_sent.c.id)
    )


async def of_contact(tx: Tx, contact_id: int) -> list[Opened]:
    """What was sent to the contact and what became of it, the newest first."""
    by = (material_sent.c.material, material_sent.c.number, material_sent.c.sent_at)
    query = _summary(*by).where(material_sent.c.contact_id == contact_id).order_by(material_sent.c.id.desc())
    return [Opened(*row) for row in await tx.execute(query)]


async def totals(tx: Tx) -> dict[str, dict[str, int]]:
    """By material: sent, and of these openings, seconds, downloads, forwarded openings."""
    per = _summary(material_sent.c.material).subquery()
    name, opens, seconds, downloads, _, forwarded = per.c
    rows = await tx.execute(
        select(
            name, func.count(), func.sum(opens), func.sum(seconds), func.sum(downloads), func.sum(forwarded)
        )
        .select_from(per)
        .group_by(name)
    )
    names = ("sent", "opens", "seconds", "downloads", "forwarded")
    return {row[0]: dict(zip(names, map(int, row[1:]), strict=True)) for row in rows}
