"""Keys: check values, and the processes that have them.

Revision ID: 0016
Revises: 0012
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "key_check",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_key_check")),
    )
    for state in ("current", "prepared"):
        only = sa.text(f"state = '{state}'")
        op.create_index(f"uq_key_check_{state}", "key_check", ["state"], unique=True, postgresql_where=only)
    op.create_table(
        "key_holder",
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("masters", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("reported_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("host", "folder", "pid", name=op.f("pk_key_holder")),
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON key_check, key_holder TO medrep_worker")
