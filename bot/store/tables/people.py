"""Who there is: people and their keys, contacts, doctors."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from bot.store.tables.base import Moment, identity, metadata

person = Table(
    "person",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("kind", Text, nullable=False),  # newcomer | doctor | patient
    Column("merged_into", UUID, ForeignKey("person.id")),  # a newcomer who turned out to be this doctor
    Column("created_at", Moment, nullable=False),
    Column("stopped_at", Moment),  # they want nothing proactive, on any contact they have or get
    Column("erased_at", Moment),
    Index("ix_person_merged_into", "merged_into", postgresql_where=text("merged_into IS NOT NULL")),
    Index("ix_person_newcomer", "id", postgresql_where=text("kind = 'newcomer' AND merged_into IS NULL")),
)

contact = Table(
    "contact",
    metadata,
    identity(),
    Column("channel", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("audience", Text, nullable=False),
    Column("person_id", UUID, ForeignKey("person.id"), nullable=False, index=True),
    # the data key of what is said here in either direction; null: nothing was since there are such keys
    Column("key_id", UUID, ForeignKey("data_key.id", use_alter=True)),
    Column("address_hmac", LargeBinary),  # null: erased, so the same address is somebody new
    Column("address_enc", LargeBinary, nullable=False),  # under the person's key
    Column("created_at", Moment, nullable=False),
    Column("introduced_at", Moment),  # when it was told that this is an AI, and whose
    Column("unreachable_at", Moment),  # unfollowed or blocked us
    Column("hushed_at", Moment),  # they asked for silence until a colleague answers
    UniqueConstraint("channel", "account", "address_hmac"),
)

consent = Table(  # one row each time it was given; given_at null: withdrawn without ever having been given
    "consent",
    metadata,
    identity(),
    Column("person_id", UUID, ForeignKey("person.id"), nullable=False, index=True),
    Column("contact_id", BigInteger, ForeignKey("contact.id"), index=True),  # where it was said
    Column("purpose", Text, nullable=False),  # medication | service | promotion
    Column("given_at", Moment),
    Column("withdrawn_at", Moment),
    Column("text_version", Text, nullable=False),  # of the text that was agreed to
    Column("source", Text, nullable=False),  # who wrote it down, or where it was given
    Column("withdrawn_by", Text),  # who wrote the withdrawal down, or where it was said
    CheckConstraint("given_at IS NOT NULL OR withdrawn_at IS NOT NULL", name="given_or_withdrawn"),
)

doctor = Table(
    "doctor",
    metadata,
    Column("person_id", UUID, ForeignKey("person.id"), primary_key=True),
    Column("external_id", Text, nullable=False, unique=True),
    Column("name_enc", LargeBinary, nullable=False),
    Column("phone_enc", LargeBinary),
    # name + hospital + phone, as one keyed digest: what verification asks for
    Column("identity_hmac", LargeBinary, index=True),
    Column("hospital", Text, nullable=False),
    Column("tier", Text, nullable=False, server_default=""),
    Column("department", Text, nullable=False, server_default=""),
    Column("title", Text, nullable=False, server_default=""),
    Column("city", Text, nullable=False, server_default=""),
    Column("interests", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("rep_id", UUID, ForeignKey("staff.id"), index=True),
    Column("digest", LargeBinary, nullable=False),  # keyed digest of the imported row: same row, no write
    Column("verified_at", Moment),
    Column("verified_by", Text),  # import | code | the person who confirmed
    Column("updated_at", Moment, nullable=False),
    Index("ix_doctor_hospital", "hospital", "person_id"),
)

invitation_code = Table(
    "invitation_code",
    metadata,
    Column("code_hmac", LargeBinary, primary_key=True),
    Column("person_id", UUID, ForeignKey("person.id"), nullable=False, index=True),
    Column("expires_at", Moment, nullable=False),
    Column("used_at", Moment),
    Column("issued_at", Moment),
    Column("issued_by", Text),  # login, cli, demo
)

tombstone = Table(  # doctors erased on request: an import must not bring them back unasked
    "tombstone",
    metadata,
    Column("external_hmac", LargeBinary, primary_key=True),
    Column("erased_at", Moment, nullable=False),
)

attempt = Table(  # what is rate-limited: one row a try
    "attempt",
    metadata,
    identity(),
    Column("what", Text, nullable=False),
    Column("subject", LargeBinary, nullable=False),  # keyed digest of who tries
    Column("at", Moment, nullable=False),
    Index("ix_attempt_what_subject_at", "what", "subject", "at"),
)
