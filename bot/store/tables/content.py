"""Approved material: revisions of each item, who approved them, and which of them were in force together."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from bot.store.tables.base import Moment, identity, metadata

content_revision = Table(
    "content_revision",
    metadata,
    identity(),
    Column("section", Text, nullable=False),  # a section of the seed files
    Column("item_id", Text, nullable=False),
    Column("number", Integer, nullable=False),  # of the item, from 1
    Column("body", JSONB, nullable=False),  # as in the files
    Column("author", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("state", Text, nullable=False),  # draft | approved | published | retired
    Column("published_at", Moment),  # when it was last put in force
    Column("withdrawn_at", Moment),  # nothing of it leaves from then on
    UniqueConstraint("section", "item_id", "number"),
    Index(
        "uq_content_revision_published",
        "section",
        "item_id",
        unique=True,
        postgresql_where=text("state = 'published'"),
    ),
    Index(
        "uq_content_revision_pending",
        "section",
        "item_id",
        unique=True,
        postgresql_where=text("state IN ('draft', 'approved')"),
    ),
    Index("ix_content_revision_withdrawn", "id", postgresql_where=text("withdrawn_at IS NOT NULL")),
)

content_approval = Table(
    "content_approval",
    metadata,
    Column("revision_id", BigInteger, ForeignKey("content_revision.id"), primary_key=True),
    Column("role", Text, primary_key=True),  # medical | legal
    Column("login", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("at", Moment, nullable=False),
)

content_version = Table(  # one row each time something was put in force
    "content_version",
    metadata,
    identity(),
    Column("fingerprint", Text, nullable=False),  # of all its items together
    Column("revisions", ARRAY(BigInteger), nullable=False),  # in the order of the files
    Column("published_at", Moment, nullable=False),
    Column("published_by", Text, nullable=False),
    Column("replaced_at", Moment),
    Column("current", Boolean, nullable=False),
    Index("uq_content_version_current", "current", unique=True, postgresql_where=text("current")),
    Index("ix_content_version_replaced_at", "replaced_at"),
)
