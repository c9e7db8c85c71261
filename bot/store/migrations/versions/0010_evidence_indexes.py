"""Evidence is found by its contact and by its kind.

Revision ID: 0010
Revises: 0009
"""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_evidence_contact_id_id", "evidence", ["contact_id", "id"])
    op.create_index("ix_evidence_kind_at", "evidence", ["kind", "at"])
