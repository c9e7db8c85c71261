"""Failures of the engine, apart from attempts: a worker that died counts towards no giving up of the turn.

Revision ID: 0019
Revises: 0018
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    failures = sa.Column("failures", sa.Integer, nullable=False, server_default=sa.text("0"))
    op.add_column("turn", failures)
