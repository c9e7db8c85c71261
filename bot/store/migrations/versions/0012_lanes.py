"""Lanes, priorities and the business time before which a message does not leave.

Revision ID: 0012
Revises: 0011
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TIMESTAMP

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

LANE = (
    "CASE WHEN unordered THEN 'safety' WHEN purpose IN ('emergency', 'reply') THEN 'reply' "
    "ELSE 'proactive' END"
)
PRIORITY = (
    "CASE WHEN unordered OR purpose = 'emergency' THEN 0 WHEN purpose = 'reply' THEN 1 "
    "WHEN purpose = 'medication' THEN 2 WHEN purpose = 'service' THEN 3 ELSE 4 END"
)


def upgrade() -> None:
    op.add_column("outbox", sa.Column("lane", sa.Text, sa.Computed(LANE, persisted=True), nullable=False))
    priority = sa.Column("priority", sa.SmallInteger, sa.Computed(PRIORITY, persisted=True), nullable=False)
    op.add_column("outbox", priority)
    op.add_column("outbox", sa.Column("not_before", TIMESTAMP(timezone=True)))
    op.drop_index("ix_outbox_next", "outbox")
    op.drop_index("ix_outbox_open", "outbox")
    waiting, on_its_way = sa.text("state = 'waiting'"), sa.text("state IN ('waiting', 'sending')")
    op.create_index("ix_outbox_next", "outbox", ["priority", "id"], postgresql_where=waiting)
    op.create_index("ix_outbox_open", "outbox", ["contact_id", "lane", "id"], postgresql_where=on_its_way)
