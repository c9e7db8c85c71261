"""Tasks are owned by a role, and found by their contact.

Revision ID: 0009
Revises: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# As the rooms own them from this version on.
ROLE = """CASE kind
    WHEN 'adverse_event' THEN 'pv' WHEN 'emergency' THEN 'pv' WHEN 'medical_information' THEN 'medical'
    WHEN 'data_request' THEN 'compliance' WHEN 'platform' THEN 'admin' ELSE 'rep' END"""


def upgrade() -> None:
    op.add_column("task", sa.Column("owner_role", sa.Text(), nullable=True))
    op.execute(f"UPDATE task SET owner_role = {ROLE}")  # noqa: S608 - a constant
    op.execute("UPDATE task SET owner_id = NULL WHERE owner_role <> 'rep'")
    op.alter_column("task", "owner_role", nullable=False)
    op.create_index("ix_task_contact_id", "task", ["contact_id"])
