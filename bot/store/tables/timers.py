"""Timers and their occurrences, and what a platform reported before we knew what it was about."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    text,
)
from sqlalchemy import UniqueConstraint as Unique
from sqlalchemy.dialects.postgresql import JSONB, UUID

from bot.store.tables.base import Moment, identity, metadata

timer = Table(
    "timer",
    metadata,
    identity(),
    Column("contact_id", BigInteger, ForeignKey("contact.id"), index=True),  # null: a job of ours
    Column("person_id", UUID, ForeignKey("person.id"), index=True),
    Column("action", Text, nullable=False),  # message | trigger | job
    Column("name", Text, nullable=False),  # the text's maker | the intent | the function
    Column("refs", JSONB, nullable=False, server_default=text("'{}'")),  # ids alone, read when it is due
    Column("purpose", Text),  # null: a job
    Column("subject", Text, nullable=False, server_default=text("''")),  # what it is about: visit:7
    Column("rrule", Text),  # RFC 5545; null: once
    Column("zone", Text, nullable=False, server_default=text("'Asia/Shanghai'")),
    Column("starts_at", Moment, nullable=False),
    Column("next_due", Moment),  # null: over
    Column("slot_at", Moment),  # when the rule has the next one, where that was moved; null: at next_due
    Column("grace", Integer, nullable=False),  # seconds a late occurrence may still leave
    Index("ix_timer_next_due", "next_due", postgresql_where=text("next_due IS NOT NULL")),
    Index("uq_timer_job", "name", unique=True, postgresql_where=text("action = 'job'")),
    CheckConstraint("action IN ('message', 'trigger', 'job')", name="action"),
    CheckConstraint(
        "action = 'job' OR (contact_id IS NOT NULL AND person_id IS NOT NULL AND purpose IS NOT NULL)",
        name="for_somebody",
    ),
)

occurrence = Table(
    "occurrence",
    metadata,
    identity(),
    Column("timer_id", BigInteger, ForeignKey("timer.id"), nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("action", Text, nullable=False),  # its timer's
    Column("state", Text, nullable=False),  # pending | sent | missed | cancelled | unknown
    Column("reason", Text),  # why it was not sent
    Column("inbox_id", BigInteger),  # the turn that it triggered
    Column("lease_until", Moment),  # real time; the job runs
    Unique("timer_id", "due_at"),
    CheckConstraint("state IN ('pending', 'sent', 'missed', 'cancelled', 'unknown')", name="state"),
    Index("ix_occurrence_age", "due_at", postgresql_using="brin"),
    # Turns and jobs that are to begin, jobs that run, turns that have begun.
    Index(
        "ix_occurrence_waiting",
        "id",
        postgresql_where=text(
            "state = 'pending' AND action <> 'message' AND inbox_id IS NULL AND lease_until IS NULL"
        ),
    ),
    Index(
        "ix_occurrence_running",
        "lease_until",
        postgresql_where=text("state = 'pending' AND lease_until IS NOT NULL"),
    ),
    Index(
        "ix_occurrence_begun",
        "inbox_id",
        postgresql_where=text("state = 'pending' AND inbox_id IS NOT NULL"),
    ),
)

early_receipt = Table(  # of a message whose platform id was not committed yet, or is not ours
    "early_receipt",
    metadata,
    Column("account", Text, primary_key=True),
    Column("platform_id", Text, primary_key=True),
    Column("delivered", Boolean, nullable=False),
    Column("status", Text, nullable=False),  # the platform's word
    Column("at", Moment, nullable=False),
)
