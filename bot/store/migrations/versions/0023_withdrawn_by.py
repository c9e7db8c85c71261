"""Where a consent was withdrawn: a resumption by a message gives back what a message took, and nothing else.

Until now a message was the only way to withdraw one.

Revision ID: 0023
Revises: 0022
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("consent", sa.Column("withdrawn_by", sa.Text()))
    op.execute("UPDATE consent SET withdrawn_by = 'message' WHERE withdrawn_at IS NOT NULL")
