"""Pictures that platforms have, and materials that were sent to somebody and opened."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import UUID

from bot.store.tables.base import Moment, identity, metadata

LONGEST_READING = 3600  # seconds of one opening that count

platform_media = Table(
    "platform_media",
    metadata,
    Column("account", Text, primary_key=True),
    Column("digest", Text, primary_key=True),  # sha256 of the picture
    Column("media_id", Text, nullable=False),
    Column("good_until", Moment, nullable=False),  # real time
)

material_sent = Table(
    "material_sent",
    metadata,
    identity(),
    Column("contact_id", BigInteger, ForeignKey("contact.id"), nullable=False),
    Column("person_id", UUID, ForeignKey("person.id"), nullable=False),
    Column("material", Text, nullable=False),
    Column("number", Integer, nullable=False),  # of its revision
    Column("sent_at", Moment, nullable=False),  # business time, as the next
    Column("expires_at", Moment, nullable=False),
    Column("reader_hmac", LargeBinary),  # of the browser that opened it first; others have it forwarded
    Index("ix_material_sent_contact", "contact_id"),
    Index("ix_material_sent_material", "material"),
)

material_open = Table(
    "material_open",
    metadata,
    identity(),
    Column("sent_id", BigInteger, ForeignKey("material_sent.id"), nullable=False),
    Column("contact_id", BigInteger, ForeignKey("contact.id"), nullable=False),
    Column("person_id", UUID, ForeignKey("person.id"), nullable=False),  # whom it was sent to
    Column("opened_at", Moment, nullable=False),  # business time
    Column("began_at", Moment, nullable=False),  # real time: nobody reads longer than since then
    Column("seconds", Integer, nullable=False, server_default=text("0")),  # that it was visible
    Column("downloaded", Boolean, nullable=False, server_default=text("false")),
    Column("forwarded", Boolean, nullable=False),  # in another browser: somebody it was passed on to
    CheckConstraint(f"seconds BETWEEN 0 AND {LONGEST_READING}", name="ck_material_open_seconds"),
    Index("ix_material_open_contact", "contact_id"),
    Index("ix_material_open_sent", "sent_id"),
)
