"""Reps become staff: logins, roles, teams.

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.rename_table("rep", "staff")
    for old, new in (
        ("pk_rep", "pk_staff"),
        ("uq_rep_login", "uq_staff_login"),
        ("uq_rep_name", "uq_staff_name"),
    ):
        op.execute(f"ALTER TABLE staff RENAME CONSTRAINT {old} TO {new}")
    for column in (
        sa.Column("password_hash", sa.Text()),
        sa.Column("one_time", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("team", sa.Text(), nullable=False, server_default=""),
        sa.Column("disabled_at", sa.TIMESTAMP(timezone=True)),
    ):
        op.add_column("staff", column)
    op.create_table(
        "staff_role",
        sa.Column("staff_id", sa.UUID(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_staff_role_staff_id")),
        sa.PrimaryKeyConstraint("staff_id", "role", name=op.f("pk_staff_role")),
    )
    op.create_index("ix_staff_role_role", "staff_role", ["role"])
    op.execute("INSERT INTO staff_role (staff_id, role) SELECT id, 'rep' FROM staff")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON staff_role TO medrep_worker")
