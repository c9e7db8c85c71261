"""Which keys are this database's."""

from __future__ import annotations

from sqlalchemy import Column, LargeBinary, Table, Text

from bot.store.tables.base import metadata

key_check = Table(  # a keyed digest of each shared key: whoever has another, or none, may not join
    "key_check",
    metadata,
    Column("name", Text, primary_key=True),  # of its file, without the ending
    Column("value", LargeBinary, nullable=False),
)
