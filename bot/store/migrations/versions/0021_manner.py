"""How a contact wants to be spoken with: in few words, or not at all until a colleague answers.

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
    for name in ("brief_at", "hushed_at"):
        op.add_column("contact", sa.Column(name, sa.TIMESTAMP(timezone=True)))
