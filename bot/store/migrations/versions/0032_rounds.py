"""Whose visits may begin by themselves is looked for by one process at a time, and for everybody in turn.

Revision ID: 0032
Revises: 0031
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import UUID

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("visit_plan", sa.Column("looked_at", sa.TIMESTAMP(timezone=True)))
    op.add_column("visit_plan", sa.Column("looked_after", UUID(as_uuid=True)))


def downgrade() -> None:
    op.drop_column("visit_plan", "looked_after")
    op.drop_column("visit_plan", "looked_at")
