"""Which keys are this database's, and who has them."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, LargeBinary, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY

from bot.store.tables.base import Moment, metadata

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

key_holder = Table(  # a process that uses the keys, as it said last
    "key_holder",
    metadata,
    Column("host", Text, primary_key=True),
    Column("folder", Text, primary_key=True),
    Column("pid", Integer, primary_key=True),
    Column("masters", ARRAY(Text), nullable=False),
    Column("reported_at", Moment, nullable=False),  # real time, the database's
)
