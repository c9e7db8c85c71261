"""What a claim reads: only rows that may leave now, by account; and which accounts somebody serves.

Revision ID: 0013
Revises: 0012
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TIMESTAMP

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("outbox", sa.Column("account", sa.Text))
    op.execute(
        "UPDATE outbox SET account = contact.channel || ':' || contact.account"
        " FROM contact WHERE contact.id = outbox.contact_id"
    )
    op.alter_column("outbox", "account", nullable=False)
    parked = sa.Column("parked", sa.Boolean, nullable=False, server_default=sa.text("false"))
    op.add_column("outbox", parked)
    op.execute("UPDATE outbox SET parked = true WHERE state = 'waiting' AND not_before IS NOT NULL")
    op.drop_index("ix_outbox_next", "outbox")
    op.drop_index("ix_outbox_ready", "outbox")
    waiting = "state = 'waiting' AND parked AND not_before IS"
    for name, columns, where in (
        ("next", ["account", "priority", "id"], "state = 'waiting' AND NOT parked"),
        ("hour", ["not_before", "id"], f"{waiting} NOT NULL"),
        ("again", ["retry_at", "id"], f"{waiting} NULL"),
        ("lease_until", ["lease_until"], "state = 'sending'"),
    ):
        op.create_index(f"ix_outbox_{name}", "outbox", columns, postgresql_where=sa.text(where))
    op.drop_constraint(op.f("ck_outbox_body_or_template"), "outbox")
    op.create_check_constraint(
        op.f("ck_outbox_body_or_template"), "outbox", "body_enc IS NOT NULL OR template IS NOT NULL"
    )
    op.create_table(
        "served",
        sa.Column("account", sa.Text, primary_key=True),
        sa.Column("seen_at", TIMESTAMP(timezone=True), nullable=False),
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON served TO medrep_worker")
