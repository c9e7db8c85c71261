"""Summaries of visits are reviewed: their states, every version, who approved.

Revision ID: 0028
Revises: 0027
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import UUID

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

MOMENT = sa.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.add_column(
        "visit_summary", sa.Column("version", sa.SmallInteger(), nullable=False, server_default=sa.text("1"))
    )
    op.add_column("visit_summary", sa.Column("approved_by", sa.Text()))
    op.add_column("visit_summary", sa.Column("approved_at", MOMENT))
    op.create_check_constraint(
        op.f("ck_visit_summary_state"),
        "visit_summary",
        "state IN ('draft', 'in_review', 'approved', 'amended')",
    )
    op.create_check_constraint(
        op.f("ck_visit_summary_approved"),
        "visit_summary",
        "(state IN ('approved', 'amended')) = (approved_by IS NOT NULL AND approved_at IS NOT NULL)",
    )
    op.create_index(
        "ix_visit_summary_open",
        "visit_summary",
        ["visit_id"],
        postgresql_where=sa.text("state IN ('draft', 'in_review')"),
    )
    op.create_index(
        "ix_visit_summary_approved",
        "visit_summary",
        ["approved_at"],
        postgresql_where=sa.text("approved_at IS NOT NULL"),
    )
    op.create_table(
        "visit_summary_version",
        sa.Column("visit_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("contact_id", sa.BigInteger(), sa.ForeignKey("contact.id"), nullable=False, index=True),
        sa.Column("person_id", UUID(), sa.ForeignKey("person.id"), nullable=False, index=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("login", sa.Text(), nullable=False),
        sa.Column("body_enc", sa.LargeBinary(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["visit_id"], ["visit_summary.visit_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("visit_id", "number"),
        sa.CheckConstraint(
            "kind IN ('draft', 'edit', 'amendment')", name=op.f("ck_visit_summary_version_kind")
        ),
    )
    op.execute(
        "INSERT INTO visit_summary_version "
        "(visit_id, number, contact_id, person_id, kind, login, body_enc, at) "
        "SELECT visit_id, 1, contact_id, person_id, 'draft', '', body_enc, made_at FROM visit_summary"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON visit_summary_version TO medrep_worker")
    op.execute("SELECT guard_rows('visit_summary_version')")
    op.execute(
        "CREATE TRIGGER visit_summary_tells_desk AFTER INSERT OR UPDATE ON visit_summary "
        "FOR EACH STATEMENT EXECUTE FUNCTION tell_desk()"
    )
