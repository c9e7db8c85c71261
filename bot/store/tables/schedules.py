"""Plans and their occurrences."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB, UUID

from bot.store.tables.base import Moment, identity, metadata

plan = Table(
    "plan",
    metadata,
    identity(),
    Column("contact_id", BigInteger, ForeignKey("contact.id"), nullable=False, index=True),
    Column("person_id", UUID, ForeignKey("person.id"), nullable=False, index=True),
    Column("rrule", Text, nullable=False),  # RFC 5545
    Column("starts_at", Moment, nullable=False),
    Column("next_due", Moment),  # null: over
    Column("grace", Integer, nullable=False),  # seconds a late occurrence may still leave
    Column("template", Text, nullable=False),
    Column("refs", JSONB, nullable=False, server_default=text("'{}'")),
    Column("basis", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Index("ix_plan_next_due", "next_due", postgresql_where=text("next_due IS NOT NULL")),
)

occurrence = Table(
    "occurrence",
    metadata,
    Column("plan_id", BigInteger, ForeignKey("plan.id"), primary_key=True),
    Column("due_at", Moment, primary_key=True),
    Column("state", Text, nullable=False),  # queued | missed
    Column("reason", Text),
    Index("ix_occurrence_age", "due_at", postgresql_using="brin"),
)
