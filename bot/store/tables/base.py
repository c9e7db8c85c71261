"""What all tables share, and the offset of business time."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, Identity, MetaData, Table, text
from sqlalchemy.dialects.postgresql import TIMESTAMP

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
Moment = TIMESTAMP(timezone=True)


def identity() -> Column[int]:
    return Column("id", BigInteger, Identity(always=True), primary_key=True)


clock_offset = Table(
    "clock_offset",
    metadata,
    Column("single", Boolean, primary_key=True, server_default=text("true")),
    Column("seconds", BigInteger, nullable=False, server_default=text("0")),
    CheckConstraint("single", name="one_row"),
)
