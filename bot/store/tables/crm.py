"""What the CRM is told, and how far that is."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import UUID

from bot.store.tables.base import Moment, identity, metadata

crm_delivery = Table(
    "crm_delivery",
    metadata,
    identity(),
    Column("event_id", Text, nullable=False, unique=True),  # webhook-id: the same however often it is told
    Column("event", Text, nullable=False),  # summary.approved | summary.amended | own_visit.approved | …
    Column("subject", Text, nullable=False),  # visit:ID | own_visit:ID
    Column("version", SmallInteger, nullable=False),
    Column("contact_id", BigInteger, ForeignKey("contact.id"), index=True),
    Column("person_id", UUID, ForeignKey("person.id"), nullable=False, index=True),
    Column("body_enc", LargeBinary, nullable=False),  # what is told, to the byte
    Column("state", Text, nullable=False),  # waiting | delivered | failed
    Column("tries", SmallInteger, nullable=False, server_default=text("0")),  # since it last began to wait
    Column("retry_at", Moment, nullable=False),  # real time: not before; while it is told, when that is over
    Column("made_at", Moment, nullable=False),  # business time
    Column("tried_at", Moment),  # real time
    Column("status", SmallInteger),  # the last HTTP status; null: no answer came
    Column("fault", Text),  # of the last try
    CheckConstraint("state IN ('waiting', 'delivered', 'failed')", name="state"),
    Index("uq_crm_delivery_subject", "subject", "version", unique=True),
    Index("ix_crm_delivery_waiting", "retry_at", postgresql_where=text("state = 'waiting'")),
)
