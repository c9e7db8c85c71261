"""Colleagues sign in with the company's accounts.

Revision ID: 0035
Revises: 0034
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("staff", sa.Column("company_subject", sa.LargeBinary()))
    op.create_unique_constraint(op.f("uq_staff_company_subject"), "staff", ["company_subject"])
    op.add_column(
        "staff_session", sa.Column("company", sa.Boolean(), nullable=False, server_default=sa.text("false"))
    )
    op.alter_column("staff_session", "company", server_default=None)
