"""Visits that colleagues made themselves, what a CRM is told, and when the assistant was asked.

Revision ID: 0033
Revises: 0032
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import UUID

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

MOMENT = sa.TIMESTAMP(timezone=True)
REVIEWED = (
    ("state", "state IN ('draft', 'in_review', 'approved', 'amended')"),
    (
        "approved",
        "(state IN ('approved', 'amended')) = (approved_by IS NOT NULL AND approved_at IS NOT NULL)",
    ),
)
# How a delivery stands; what is told is read by the worker alone.
SHOWN = (
    "id, event_id, event, subject, version, contact_id, person_id, state, tries, retry_at, made_at, "
    "tried_at, status, fault"
)
# An administrator sees that something is told, and of nobody what.
SEEN = """
    (SELECT console_roles()) && ARRAY['admin']
    OR CASE WHEN contact_id IS NULL
            THEN EXISTS (SELECT FROM person WHERE person.id = crm_delivery.person_id)
            ELSE EXISTS (SELECT FROM contact WHERE contact.id = crm_delivery.contact_id) END
"""


def upgrade() -> None:
    op.add_column("visit_summary", sa.Column("phrased_at", MOMENT))
    op.drop_constraint(op.f("ck_visit_summary_version_kind"), "visit_summary_version")
    op.create_check_constraint(
        op.f("ck_visit_summary_version_kind"),
        "visit_summary_version",
        "kind IN ('draft', 'phrasing', 'edit', 'amendment')",
    )
    _own_visits()
    _deliveries()


def _own_visits() -> None:
    op.create_table(
        "own_visit",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("person_id", UUID(), sa.ForeignKey("person.id"), nullable=False, index=True),
        sa.Column("contact_id", sa.BigInteger(), sa.ForeignKey("contact.id"), index=True),
        sa.Column("takeover_id", sa.BigInteger(), sa.ForeignKey("takeover.id"), unique=True),
        sa.Column("visited_by", sa.Text(), nullable=False),
        sa.Column("visited_at", MOMENT, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.SmallInteger(), nullable=False, server_default=sa.text("1")),
        sa.Column("body_enc", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("approved_by", sa.Text()),
        sa.Column("approved_at", MOMENT),
        *(sa.CheckConstraint(rule, name=op.f(f"ck_own_visit_{name}")) for name, rule in REVIEWED),
    )
    op.create_index(
        "ix_own_visit_open",
        "own_visit",
        ["id"],
        postgresql_where=sa.text("state IN ('draft', 'in_review')"),
    )
    op.create_table(
        "own_visit_version",
        sa.Column("own_visit_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("person_id", UUID(), sa.ForeignKey("person.id"), nullable=False, index=True),
        sa.Column("contact_id", sa.BigInteger(), sa.ForeignKey("contact.id"), index=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("login", sa.Text(), nullable=False),
        sa.Column("body_enc", sa.LargeBinary(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["own_visit_id"], ["own_visit.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("own_visit_id", "number"),
        sa.CheckConstraint("kind IN ('entry', 'edit', 'amendment')", name=op.f("ck_own_visit_version_kind")),
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON own_visit, own_visit_version TO medrep_worker")
    for table in ("own_visit", "own_visit_version"):
        op.execute(f"SELECT guard_rows('{table}')")
    op.execute(
        "CREATE TRIGGER own_visit_tells_desk AFTER INSERT OR UPDATE ON own_visit "
        "FOR EACH STATEMENT EXECUTE FUNCTION tell_desk()"
    )


def _deliveries() -> None:
    op.create_table(
        "crm_delivery",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("event_id", sa.Text(), nullable=False, unique=True),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("version", sa.SmallInteger(), nullable=False),
        sa.Column("contact_id", sa.BigInteger(), sa.ForeignKey("contact.id"), index=True),
        sa.Column("person_id", UUID(), sa.ForeignKey("person.id"), nullable=False, index=True),
        sa.Column("body_enc", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("tries", sa.SmallInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("retry_at", MOMENT, nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("tried_at", MOMENT),
        sa.Column("status", sa.SmallInteger()),
        sa.Column("fault", sa.Text()),
        sa.CheckConstraint("state IN ('waiting', 'delivered', 'failed')", name=op.f("ck_crm_delivery_state")),
    )
    op.create_index("uq_crm_delivery_subject", "crm_delivery", ["subject", "version"], unique=True)
    op.create_index(
        "ix_crm_delivery_waiting",
        "crm_delivery",
        ["retry_at"],
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON crm_delivery TO medrep_worker")
    op.execute("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO medrep_worker")
    op.get_bind().execute(sa.text("SELECT guard_rows('crm_delivery', :seen)"), {"seen": SEEN})
    op.execute("REVOKE SELECT ON crm_delivery FROM medrep_console")
    op.execute(f"GRANT SELECT ({SHOWN}) ON crm_delivery TO medrep_console")
