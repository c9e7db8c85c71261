"""Which opening of a window a send was counted in; how often a message was too long.

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("send_window", sa.Column("opening", sa.BigInteger, nullable=False, server_default="1"))
    op.add_column("outbox", sa.Column("halved", sa.Integer, nullable=False, server_default="0"))
