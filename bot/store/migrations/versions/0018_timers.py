"""Timers instead of plans: one-off or recurring, for a message, a turn or a job of ours; references are ids.

Revision ID: 0018
Revises: 0017
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

MOMENT = TIMESTAMP(timezone=True)
# What a plan referred to was plaintext and is dropped; its template was a response of the dialogue.
PLANS = """
    INSERT INTO timer (id, contact_id, person_id, action, name, refs, purpose, rrule, starts_at, next_due,
                       grace)
    OVERRIDING SYSTEM VALUE
    SELECT id, contact_id, person_id, 'message', 'response', jsonb_build_object('response', template),
           purpose, rrule, starts_at, next_due, grace
    FROM plan
"""
ROWS = """
    UPDATE outbox SET occurrence_id = occurrence.id FROM occurrence
    WHERE (refs ->> 'plan')::bigint = occurrence.timer_id
      AND (refs ->> 'due')::timestamptz = occurrence.due_at
"""
ENDS = """
    UPDATE occurrence SET
        state = CASE WHEN outbox.state IN ('sent', 'delivered') THEN 'sent'
                     WHEN outbox.state = 'unknown' THEN 'unknown'
                     WHEN outbox.state IN ('waiting', 'sending', 'held') THEN 'pending'
                     WHEN outbox.fault IN ('stopped', 'erased') THEN 'cancelled'
                     ELSE 'missed' END,
        reason = CASE WHEN outbox.state IN ('sent', 'delivered', 'waiting', 'sending') THEN NULL
                      ELSE outbox.fault END
    FROM outbox WHERE outbox.occurrence_id = occurrence.id
"""


def upgrade() -> None:
    op.create_table(
        "timer",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("contact_id", sa.BigInteger(), nullable=True),
        sa.Column("person_id", sa.UUID(), nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("refs", JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=True),
        sa.Column("subject", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("rrule", sa.Text(), nullable=True),
        sa.Column("zone", sa.Text(), server_default=sa.text("'Asia/Shanghai'"), nullable=False),
        sa.Column("starts_at", MOMENT, nullable=False),
        sa.Column("next_due", MOMENT, nullable=True),
        sa.Column("slot_at", MOMENT, nullable=True),
        sa.Column("grace", sa.Integer(), nullable=False),
        sa.CheckConstraint("action IN ('message', 'trigger', 'job')", name=op.f("ck_timer_action")),
        sa.CheckConstraint(
            "action = 'job' OR (contact_id IS NOT NULL AND person_id IS NOT NULL AND purpose IS NOT NULL)",
            name=op.f("ck_timer_for_somebody"),
        ),
        sa.ForeignKeyConstraint(["contact_id"], ["contact.id"], name=op.f("fk_timer_contact_id")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_timer_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_timer")),
    )
    for column in ("contact_id", "person_id"):
        op.create_index(f"ix_timer_{column}", "timer", [column])
    op.execute(PLANS)
    op.execute(
        "SELECT setval(pg_get_serial_sequence('timer', 'id'), coalesce(max(id), 0) + 1, false) FROM timer"
    )
    due, job = sa.text("next_due IS NOT NULL"), sa.text("action = 'job'")
    op.create_index("ix_timer_next_due", "timer", ["next_due"], postgresql_where=due)
    op.create_index("uq_timer_job", "timer", ["name"], unique=True, postgresql_where=job)
    _occurrences()
    op.drop_table("plan")
    op.create_table(
        "early_receipt",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("platform_id", sa.Text(), nullable=False),
        sa.Column("delivered", sa.Boolean(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("account", "platform_id", name=op.f("pk_early_receipt")),
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON timer, early_receipt TO medrep_worker")


def _occurrences() -> None:
    op.drop_constraint("fk_occurrence_plan_id", "occurrence")
    op.drop_constraint("pk_occurrence", "occurrence")
    op.alter_column("occurrence", "plan_id", new_column_name="timer_id")
    op.add_column("occurrence", sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False))
    op.create_primary_key("pk_occurrence", "occurrence", ["id"])
    op.create_unique_constraint("uq_occurrence_timer_id_due_at", "occurrence", ["timer_id", "due_at"])
    op.create_foreign_key("fk_occurrence_timer_id", "occurrence", "timer", ["timer_id"], ["id"])
    op.add_column("occurrence", sa.Column("action", sa.Text(), server_default="message", nullable=False))
    op.alter_column("occurrence", "action", server_default=None)
    op.add_column("occurrence", sa.Column("inbox_id", sa.BigInteger(), nullable=True))
    op.add_column("occurrence", sa.Column("lease_until", MOMENT, nullable=True))
    op.add_column("outbox", sa.Column("occurrence_id", sa.BigInteger(), nullable=True))
    op.execute(ROWS)
    op.execute(ENDS)
    op.execute("UPDATE occurrence SET state = 'missed', reason = 'no message' WHERE state = 'queued'")
    states = "state IN ('pending', 'sent', 'missed', 'cancelled', 'unknown')"
    op.create_check_constraint(op.f("ck_occurrence_state"), "occurrence", states)
    others = sa.text("state = 'pending' AND action <> 'message'")
    op.create_index("ix_occurrence_open", "occurrence", ["id"], postgresql_where=others)
    op.drop_constraint(op.f("ck_outbox_body_or_template"), "outbox")
    op.execute("UPDATE outbox SET body_enc = '' WHERE body_enc IS NULL AND occurrence_id IS NULL")
    for column in ("template", "refs"):
        op.drop_column("outbox", column)
    words = "body_enc IS NOT NULL OR occurrence_id IS NOT NULL"
    op.create_check_constraint(op.f("ck_outbox_body_or_occurrence"), "outbox", words)
