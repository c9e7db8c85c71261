"""What a turn was made of: for summaries, review and evaluation.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in (
        sa.Column("confidence", sa.Float),
        sa.Column("model", sa.Text),
        sa.Column("actions", ARRAY(sa.Text), nullable=False, server_default=sa.text("'{}'")),
        sa.Column("route", sa.Text),
        sa.Column("entries", ARRAY(sa.Text), nullable=False, server_default=sa.text("'{}'")),
        sa.Column("slots", JSONB, nullable=False, server_default=sa.text("'{}'")),
        sa.Column("entities_enc", sa.LargeBinary),
    ):
        op.add_column("turn", column)
    op.add_column("effect", sa.Column("route", sa.Text))
