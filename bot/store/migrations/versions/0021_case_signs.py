"""Reports of adverse events can be compared: by batch, and by medicine with reaction.

Revision ID: 0021
Revises: 0020
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "case_sign",
        sa.Column("task_id", sa.BigInteger(), sa.ForeignKey("task.id"), primary_key=True),
        sa.Column("sign", sa.LargeBinary(), primary_key=True),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_case_sign_sign", "case_sign", ["sign", "told_at"])
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON case_sign TO medrep_worker")
