"""What a rep does for one doctor: a time that is proposed, and who issued an invitation.

Revision ID: 0031
Revises: 0030
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import UUID

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

MOMENT = sa.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.add_column("invitation_code", sa.Column("issued_at", MOMENT))
    op.add_column("invitation_code", sa.Column("issued_by", sa.Text()))
    op.create_table(
        "appointment",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("contact_id", sa.BigInteger(), sa.ForeignKey("contact.id"), nullable=False, index=True),
        sa.Column("person_id", UUID(), sa.ForeignKey("person.id"), nullable=False, index=True),
        sa.Column("staff_id", UUID(), sa.ForeignKey("staff.id"), nullable=False, index=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("asked", sa.SmallInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("other_at", MOMENT),
        sa.Column("timer_id", sa.BigInteger()),
        sa.Column("turn_id", UUID()),
        sa.Column("proposed_at", MOMENT, nullable=False),
        sa.Column("asked_at", MOMENT),
        sa.Column("ended_at", MOMENT),
        sa.CheckConstraint("kind IN ('call', 'visit')", name=op.f("ck_appointment_kind")),
        sa.CheckConstraint(
            "state IN ('waiting', 'asked', 'agreed', 'declined', 'other', 'withdrawn')",
            name=op.f("ck_appointment_state"),
        ),
        sa.CheckConstraint(
            "(state IN ('waiting', 'asked')) = (ended_at IS NULL)", name=op.f("ck_appointment_ended")
        ),
    )
    op.create_index("ix_appointment_at", "appointment", ["at"])
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON appointment TO medrep_worker")
    op.execute("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO medrep_worker")
    op.execute("SELECT guard_rows('appointment')")
    op.execute(
        "CREATE TRIGGER appointment_tells_desk AFTER INSERT OR UPDATE ON appointment "
        "FOR EACH STATEMENT EXECUTE FUNCTION tell_desk()"
    )
