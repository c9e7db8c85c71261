"""Small indexes by age, so that pruning need not read whole tables; they cost an insert next to nothing.

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table, column in (("inbox", "received_at"), ("effect", "at"), ("occurrence", "due_at")):
        op.create_index(f"ix_{table}_age", table, [column], postgresql_using="brin")
