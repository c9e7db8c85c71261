"""Automated visits: plans, visits, and what was noticed in them.

Revision ID: 0027
Revises: 0026
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, UUID

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

MOMENT = sa.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.create_table(
        "visit_plan",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("product", sa.Text(), nullable=False),
        sa.Column("objective", sa.Text(), nullable=False),
        *(
            sa.Column(name, ARRAY(sa.Text()), nullable=False)
            for name in ("key_messages", "specialties", "interests")
        ),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=False),
        sa.Column("reentry_days", sa.Integer(), nullable=False),
        sa.Column("rank", sa.SmallInteger(), nullable=False),
        sa.Column("automatic", sa.Boolean(), nullable=False),
        sa.Column("stopped_at", MOMENT),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("imported_by", sa.Text(), nullable=False),
        sa.Column("imported_at", MOMENT, nullable=False),
        sa.CheckConstraint("reentry_days > 0", name=op.f("ck_visit_plan_reentry")),
        sa.CheckConstraint("valid_until >= valid_from", name=op.f("ck_visit_plan_dates")),
    )
    op.create_table(
        "visit",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("plan_id", sa.Text(), sa.ForeignKey("visit_plan.id"), nullable=False),
        sa.Column("person_id", UUID(), sa.ForeignKey("person.id"), nullable=False, index=True),
        sa.Column("contact_id", sa.BigInteger(), sa.ForeignKey("contact.id"), nullable=False, index=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        *(
            sa.Column(name, sa.SmallInteger(), nullable=False, server_default=sa.text("0"))
            for name in ("asked", "unclear", "moves")
        ),
        sa.Column("forced", sa.Boolean(), nullable=False),
        sa.Column("requested", sa.Boolean(), nullable=False),
        sa.Column("timer_id", sa.BigInteger()),
        sa.Column("moved_to", MOMENT),
        sa.Column("need", sa.Text(), nullable=False, server_default=sa.text("''")),
        sa.Column("key_message", sa.Text(), nullable=False, server_default=sa.text("''")),
        sa.Column("planned_at", MOMENT, nullable=False),
        sa.Column("begun_at", MOMENT),
        sa.Column("last_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT),
        sa.Column("ending", sa.Text()),
        sa.CheckConstraint(
            "state IN ('waiting', 'under_way', 'moved', 'ended')", name=op.f("ck_visit_state")
        ),
        sa.CheckConstraint(
            "(state = 'ended') = (ended_at IS NOT NULL AND ending IS NOT NULL)", name=op.f("ck_visit_ended")
        ),
    )
    still_open = sa.text("state <> 'ended'")
    op.create_index("uq_visit_open", "visit", ["person_id"], unique=True, postgresql_where=still_open)
    op.create_index("ix_visit_open", "visit", ["last_at"], postgresql_where=still_open)
    op.create_table(
        "visit_fact",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("visit_id", sa.BigInteger(), sa.ForeignKey("visit.id"), nullable=False, index=True),
        sa.Column("contact_id", sa.BigInteger(), sa.ForeignKey("contact.id"), nullable=False, index=True),
        sa.Column("person_id", UUID(), sa.ForeignKey("person.id"), nullable=False, index=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("turn_id", UUID()),
        sa.Column("at", MOMENT, nullable=False),
    )
    op.create_table(
        "visit_summary",
        sa.Column("visit_id", sa.BigInteger(), sa.ForeignKey("visit.id"), primary_key=True),
        sa.Column("contact_id", sa.BigInteger(), sa.ForeignKey("contact.id"), nullable=False, index=True),
        sa.Column("person_id", UUID(), sa.ForeignKey("person.id"), nullable=False, index=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("body_enc", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
    )
    tables = "visit_plan, visit, visit_summary, visit_fact"
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {tables} TO medrep_worker")
    op.execute("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO medrep_worker")
    for table in ("visit", "visit_summary", "visit_fact"):
        op.execute(f"SELECT guard_rows('{table}')")
