"""Indexes for the console's lists, measured with 100,000 doctors: docs/benchmarks.md, Pages.

Revision ID: 0034
Revises: 0033
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_task_wanted",
        "task",
        ["contact_id"],
        postgresql_where=sa.text("kind = 'hand_over' AND state <> 'done'"),
    )
    op.create_index("ix_doctor_hospital", "doctor", ["hospital", "person_id"])
