"""The record: rows, their links, signed heads, and what allows old heads to be removed."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary, Table, Text
from sqlalchemy.dialects.postgresql import JSONB, UUID

from bot.store.tables.base import Moment, identity, metadata

evidence = Table(  # append-only, by privilege and by trigger
    "evidence",
    metadata,
    identity(),
    Column("at", Moment, nullable=False),
    Column("kind", Text, nullable=False),
    Column("person_id", UUID),  # no foreign key: evidence outlives everything
    Column("contact_id", BigInteger),
    Column("subject", Text, nullable=False),  # what it is about: inbox:12, turn:…, outbox:7
    Column("facts", JSONB, nullable=False),  # nothing personal
    Column("body_enc", LargeBinary),
    Column("digest", LargeBinary, nullable=False),
    Index("ix_evidence_person_id", "person_id"),
    Index("ix_evidence_contact_id_id", "contact_id", "id"),
    Index("ix_evidence_kind_at", "kind", "at"),
    Index(
        "ix_evidence_digest", "digest"
    ),  # for copies; a digest begins with the time, so it grows at its end
)

seal = Table(  # one sealer links the rows; append-only too
    "seal",
    metadata,
    Column("seq", BigInteger, primary_key=True),
    Column("evidence_id", BigInteger, nullable=False, unique=True),
    Column("link", LargeBinary, nullable=False),
)

head = Table(  # signed by the sealer; the same line is kept outside the database
    "head",
    metadata,
    Column("number", BigInteger, primary_key=True),
    Column("seq", BigInteger, nullable=False),  # it covers the chain up to here; the line says so, too
    Column("line", Text, nullable=False),
)

checkpoint = Table(  # signed permission to remove the heads before this one
    "checkpoint",
    metadata,
    Column("number", BigInteger, primary_key=True),
    Column("line", Text, nullable=False),
)
