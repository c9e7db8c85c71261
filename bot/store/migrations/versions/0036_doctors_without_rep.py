"""A manager sees the doctors who have no rep, as their conversations.

Revision ID: 0036
Revises: 0035
"""

from __future__ import annotations

from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        ALTER POLICY console ON doctor USING (
            rep_id = ANY ((SELECT console_reps())::uuid[]) OR (SELECT console_reads('doctors'))
            OR rep_id IS NULL AND (SELECT console_reads('nobodys')))
        """)
