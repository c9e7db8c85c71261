"""What we begin ourselves: triggers, their purpose and subject.

Revision ID: 0014
Revises: 0012
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TIMESTAMP

revision = "0014"
down_revision = "0012"
branch_labels = None
depends_on = None

OWN_WORDS_FIRST = "CASE WHEN kind = 'trigger' THEN 1 ELSE 0 END"


def upgrade() -> None:
    moment = TIMESTAMP(timezone=True)
    op.add_column("inbox", sa.Column("purpose", sa.Text))
    op.add_column("inbox", sa.Column("subject", sa.Text))
    op.add_column("inbox", sa.Column("expires_at", moment))
    op.add_column("inbox", sa.Column("not_before", moment))
    op.add_column("inbox", sa.Column("attempts", sa.SmallInteger, server_default="0", nullable=False))
    op.add_column("inbox", sa.Column("fault", sa.Text))
    priority = sa.Column(
        "priority", sa.SmallInteger, sa.Computed(OWN_WORDS_FIRST, persisted=True), nullable=False
    )
    op.add_column("inbox", priority)
    op.add_column("turn", sa.Column("purpose", sa.Text))
    op.add_column("turn", sa.Column("subject", sa.Text))
    op.add_column("turn", sa.Column("expires_at", moment))
    op.add_column("outbox", sa.Column("subject", sa.Text))
    op.drop_index("ix_inbox_next", "inbox")
    op.create_index(
        "ix_inbox_next", "inbox", ["priority", "id"], postgresql_where=sa.text("state = 'waiting'")
    )
    op.create_index(
        "ix_inbox_deferred", "inbox", ["not_before"], postgresql_where=sa.text("state = 'deferred'")
    )
    op.create_index(
        "ix_inbox_expires_at",
        "inbox",
        ["expires_at"],
        postgresql_where=sa.text("state IN ('waiting', 'deferred') AND expires_at IS NOT NULL"),
    )
