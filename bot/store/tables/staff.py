"""Colleagues: who they are, and what they do."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    ForeignKey,
    Index,
    LargeBinary,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import UUID

from bot.store.tables.base import Moment, identity, metadata

staff = Table(
    "staff",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("name", Text, nullable=False, unique=True),  # by which the list of doctors names its reps
    Column("login", Text, unique=True),  # null: named by an import, nobody logs in
    Column("password_hash", Text),  # argon2id
    Column("one_time", Boolean, nullable=False, server_default=text("false")),  # to be changed at log-in
    Column("team", Text, nullable=False, server_default=""),
    Column("disabled_at", Moment),
    # as a medical representative (备案), where they are one
    Column("registration", Text, nullable=False, server_default=""),
    Column("company", Text, nullable=False, server_default=""),  # that registered them
    Column("registered_until", Date),  # the last day, in China; null: without an end
    Column("demo", Boolean, nullable=False, server_default=text("false")),  # of `make run`: on loopback alone
    Column("totp_enc", LargeBinary),  # the second factor's secret, under a key of the key folder
    Column("totp_at", Moment),  # when a code of it was first given; null: not enrolled yet
    Column("totp_step", BigInteger),  # of the last code that was given: none is good twice
    # keyed digest of whom the company's provider knows by this account; null: nobody came from there yet
    Column("company_subject", LargeBinary, unique=True),
)

staff_session = Table(  # who is signed in at the console; all times are real time
    "staff_session",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("staff_id", UUID, ForeignKey("staff.id"), nullable=False, index=True),
    Column("factor", Boolean, nullable=False),  # the second factor was given
    Column("company", Boolean, nullable=False),  # signed in with the company's account
    Column("created_at", Moment, nullable=False),
    Column("seen_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
)

staff_role = Table(
    "staff_role",
    metadata,
    Column("staff_id", UUID, ForeignKey("staff.id"), primary_key=True),
    Column("role", Text, primary_key=True),
    Index("ix_staff_role_role", "role"),
)

takeover = Table(  # a colleague speaks with a contact, and the bot is silent; times are business time
    "takeover",
    metadata,
    identity(),
    Column("contact_id", BigInteger, ForeignKey("contact.id"), nullable=False),
    Column("staff_id", UUID, ForeignKey("staff.id"), nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("last_at", Moment, nullable=False),  # when the colleague last wrote, or took it over
    Column("ended_at", Moment),
    Index("uq_takeover_open", "contact_id", unique=True, postgresql_where=text("ended_at IS NULL")),
    Index("ix_takeover_contact_id", "contact_id"),
)

chat_note = Table(  # what colleagues tell each other about a conversation; never sent, never changed
    "chat_note",
    metadata,
    identity(),
    Column("contact_id", BigInteger, ForeignKey("contact.id"), nullable=False, index=True),
    Column("person_id", UUID, ForeignKey("person.id"), nullable=False, index=True),
    Column("staff_id", UUID, ForeignKey("staff.id"), nullable=False),  # whose
    Column("body_enc", LargeBinary, nullable=False),
    Column("at", Moment, nullable=False),
)
