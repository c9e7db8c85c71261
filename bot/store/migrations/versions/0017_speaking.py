"""What we begin ourselves: triggers, their purpose and subject; conversations that a colleague takes over.

Revision ID: 0017
Revises: 0016
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TIMESTAMP

revision = "0017"
down_revision = "0016"
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
    op.add_column("task", sa.Column("closed_by", sa.Text))
    op.create_table(
        "takeover",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("contact_id", sa.BigInteger(), nullable=False),
        sa.Column("staff_id", sa.UUID(), nullable=False),
        sa.Column("started_at", moment, nullable=False),
        sa.Column("last_at", moment, nullable=False),
        sa.Column("ended_at", moment, nullable=True),
        sa.ForeignKeyConstraint(["contact_id"], ["contact.id"], name=op.f("fk_takeover_contact_id")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_takeover_staff_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_takeover")),
    )
    still_open = sa.text("ended_at IS NULL")
    op.create_index("uq_takeover_open", "takeover", ["contact_id"], unique=True, postgresql_where=still_open)
    op.create_index("ix_takeover_contact_id", "takeover", ["contact_id"])
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON takeover TO medrep_worker")
