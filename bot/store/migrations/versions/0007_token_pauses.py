"""How asking for a platform token last failed, and until when nobody asks again.

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column("platform_token", "token_enc", nullable=True)
    op.alter_column("platform_token", "expires_at", nullable=True)
    op.add_column("platform_token", sa.Column("failures", sa.Integer, nullable=False, server_default="0"))
    op.add_column("platform_token", sa.Column("ask_after", sa.TIMESTAMP(timezone=True)))
    op.add_column("platform_token", sa.Column("fault", sa.Text))
