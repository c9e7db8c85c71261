"""Data keys, which keys are this database's, and who has them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Sequence,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from bot.store.tables.base import Moment, metadata

data_key = Table(
    "data_key",
    metadata,
    Column("id", UUID, primary_key=True),  # the person's own has the person's id
    Column("person_id", UUID, ForeignKey("person.id"), index=True),  # null: a case, which erases with nobody
    # of a contact that uses another by now; the one it uses stands in `contact`
    Column("contact_id", BigInteger, ForeignKey("contact.id")),
    Column("wrapped", LargeBinary),  # under the master key and the leaf; null: destroyed
    Column("master", Text, nullable=False),
    Column("leaf", BigInteger),  # of the key tree; null: made before there was one
    Column("bare", Boolean, nullable=False, server_default=text("false")),  # it was once without a leaf
    Column("destroyed_at", Moment),  # real time, the database's
    Index("ix_data_key_contact_id", "contact_id", postgresql_where=text("contact_id IS NOT NULL")),
    Index("ix_data_key_destroyed_at", "destroyed_at", postgresql_where=text("destroyed_at IS NOT NULL")),
)

leaf_block = Sequence("leaf_block", metadata=metadata)  # each value stands for a run of leaves

key_check = Table(  # a keyed digest of each shared key: whoever has another, or none, may not join
    "key_check",
    metadata,
    Column("name", Text, primary_key=True),  # of its file, without the ending
    Column("value", LargeBinary, nullable=False),
    # of a master key: prepared (nobody uses it yet) | current (it wraps) | former (it opens); else: shared
    Column("state", Text, nullable=False),
    Index("uq_key_check_current", "state", unique=True, postgresql_where=text("state = 'current'")),
    Index("uq_key_check_prepared", "state", unique=True, postgresql_where=text("state = 'prepared'")),
)

key_holder = Table(  # a process that uses the keys, as it said last; times are real, the database's
    "key_holder",
    metadata,
    Column("host", Text, primary_key=True),
    Column("folder", Text, primary_key=True),
    Column("pid", Integer, primary_key=True),
    Column("masters", ARRAY(Text), nullable=False),
    Column("reported_at", Moment, nullable=False),  # what was destroyed before is gone from its folder
)
