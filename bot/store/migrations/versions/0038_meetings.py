"""Meetings: who was invited to which, and what they answered.

Revision ID: 0038
Revises: 0037
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, UUID

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

MOMENT = sa.TIMESTAMP(timezone=True)
NAME = "meeting_invitation"


def upgrade() -> None:
    op.create_table(
        NAME,
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("meeting_id", sa.Text(), nullable=False),
        sa.Column("person_id", UUID(), sa.ForeignKey("person.id"), nullable=False, index=True),
        sa.Column("contact_id", sa.BigInteger(), sa.ForeignKey("contact.id"), nullable=False, index=True),
        sa.Column("invited_by", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("asked", sa.SmallInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("starts_at", MOMENT, nullable=False),
        sa.Column("ends_at", MOMENT, nullable=False),
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("timers", ARRAY(sa.BigInteger()), nullable=False, server_default=sa.text("'{}'")),
        sa.Column("turn_id", UUID()),
        sa.Column("invited_at", MOMENT, nullable=False),
        sa.Column("asked_at", MOMENT),
        sa.Column("accepted_at", MOMENT),
        sa.Column("answered_at", MOMENT),
        sa.Column("ended_at", MOMENT),
        sa.UniqueConstraint("meeting_id", "person_id", name=op.f(f"uq_{NAME}_meeting_id_person_id")),
        sa.CheckConstraint(
            "state IN ('waiting', 'asked', 'accepted', 'declined', 'unsure', 'withdrawn', 'expired')",
            name=op.f(f"ck_{NAME}_state"),
        ),
        sa.CheckConstraint(
            "(state IN ('withdrawn', 'expired')) = (ended_at IS NOT NULL)", name=op.f(f"ck_{NAME}_ended")
        ),
    )
    op.create_index(f"ix_{NAME}_open", NAME, ["ends_at"], postgresql_where=sa.text("ended_at IS NULL"))
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {NAME} TO medrep_worker")
    op.execute("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO medrep_worker")
    op.execute(f"SELECT guard_rows('{NAME}')")
    op.execute(
        f"CREATE TRIGGER {NAME}_tells_desk AFTER INSERT OR UPDATE ON {NAME} "
        "FOR EACH STATEMENT EXECUTE FUNCTION tell_desk()"
    )
