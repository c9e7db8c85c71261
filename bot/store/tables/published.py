"""Versions of the dialogue."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from bot.store.tables.base import Moment, metadata

dialogue_version = Table(
    "dialogue_version",
    metadata,
    Column("fingerprint", Text, primary_key=True),
    Column("files", JSONB, nullable=False),  # path -> text
    Column("published_at", Moment, nullable=False),
    Column("published_by", Text, nullable=False),
    Column("current", Boolean, nullable=False),
    Index("uq_dialogue_version_current", "current", unique=True, postgresql_where=text("current")),
)
