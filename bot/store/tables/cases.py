"""By what reports of adverse events are compared with each other."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, LargeBinary, Table

from bot.store.tables.base import Moment, metadata

# A sign is a keyed digest: of a batch, or of a medicine with a reaction.
case_sign = Table(
    "case_sign",
    metadata,
    Column("task_id", BigInteger, ForeignKey("task.id"), primary_key=True),
    Column("sign", LargeBinary, primary_key=True),
    Column("told_at", Moment, nullable=False),
    Index("ix_case_sign_sign", "sign", "told_at"),
)
