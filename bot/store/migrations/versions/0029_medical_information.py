"""Requests to medical information: the question, how it is to be answered, and every step to the answer.

Revision ID: 0029
Revises: 0028
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import UUID

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

MOMENT = sa.TIMESTAMP(timezone=True)
# Who reads questions and answers. A rep is told by `task_notice` that there is one, and how far it is.
READERS = "(SELECT console_roles()) && ARRAY['medical', 'reviewer', 'pv', 'compliance', 'auditor']"
# The lawyer who reviews an answer sees neither the doctor's contact nor the tasks of medical, so what the
# list says of both is read past those policies, by the readers alone.
REQUESTS = f"""
CREATE VIEW medical_question WITH (security_barrier) AS
    SELECT request.*, task.opened_at, task.due_at, task.state AS task_state, task.escalated_at,
           task.raised_at, task.closed_by, task.closed_at, owner.login AS owner_login,
           owner.name AS owner_name,
           outbox.state AS sending, outbox.fault AS send_fault, outbox.sent_at
    FROM medical_request AS request JOIN task ON task.id = request.task_id
         LEFT JOIN staff AS owner ON owner.id = task.owner_id
         LEFT JOIN outbox ON outbox.id = request.outbox_id
    WHERE {READERS}
"""  # noqa: S608 - a constant
# What an answer says is for the same readers, also where it stands among the messages of a conversation.
ANSWERS = f"""
CREATE POLICY answers ON outbox AS RESTRICTIVE FOR SELECT TO medrep_console
    USING (basis IS NULL OR basis NOT LIKE '%answer:%' OR {READERS})
"""


def upgrade() -> None:
    op.add_column("task", sa.Column("raised_at", MOMENT))
    op.create_table(
        "medical_request",
        sa.Column("task_id", sa.BigInteger(), sa.ForeignKey("task.id"), primary_key=True),
        sa.Column("contact_id", sa.BigInteger(), sa.ForeignKey("contact.id"), nullable=False, index=True),
        sa.Column("person_id", UUID(), sa.ForeignKey("person.id"), nullable=False, index=True),
        sa.Column("question_enc", sa.LargeBinary()),
        sa.Column("product", sa.Text(), nullable=False),
        sa.Column("wish", sa.Text(), nullable=False),
        sa.Column("off_label", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("steps", sa.SmallInteger(), nullable=False),
        sa.Column("answer", sa.SmallInteger()),
        sa.Column("answer_digest", sa.LargeBinary()),
        sa.Column("outbox_id", sa.BigInteger()),
        sa.Column("promised_at", MOMENT),
        sa.Column("answered_at", MOMENT),
        sa.CheckConstraint("wish IN ('', 'chat', 'phone', 'written')", name=op.f("ck_medical_request_wish")),
        sa.CheckConstraint(
            "state IN ('open', 'draft', 'in_review', 'approved', 'unsent', 'answered', 'erased')",
            name=op.f("ck_medical_request_state"),
        ),
        sa.CheckConstraint(
            "(state IN ('approved', 'unsent', 'answered')) <= (answer_digest IS NOT NULL)",
            name=op.f("ck_medical_request_approved"),
        ),
    )
    op.create_index(
        "ix_medical_request_approved",
        "medical_request",
        ["task_id"],
        postgresql_where=sa.text("state = 'approved'"),
    )
    op.create_table(
        "medical_step",
        sa.Column("task_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("contact_id", sa.BigInteger(), sa.ForeignKey("contact.id"), nullable=False, index=True),
        sa.Column("person_id", UUID(), sa.ForeignKey("person.id"), nullable=False, index=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("login", sa.Text(), nullable=False),
        sa.Column("body_enc", sa.LargeBinary(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["medical_request.task_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("task_id", "number"),
    )
    # Requests from before this version: their question stands in the task. Whether they are off-label is not
    # known here, so none of them is offered to the knowledge base until a colleague says so.
    op.execute(
        "INSERT INTO medical_request "
        "(task_id, contact_id, person_id, product, wish, off_label, state, steps) "
        "SELECT id, contact_id, person_id, '', '', true, 'open', 0 FROM task "
        "WHERE kind = 'medical_information' AND state <> 'done' AND contact_id IS NOT NULL "
        "AND person_id IS NOT NULL"
    )
    for table in ("medical_request", "medical_step"):
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO medrep_worker")
        op.get_bind().execute(
            sa.text("SELECT guard_rows(CAST(:of AS regclass), :seen)"), {"of": table, "seen": READERS}
        )
    op.execute(REQUESTS)
    op.execute(ANSWERS)
    op.execute(
        "CREATE TRIGGER medical_request_tells_desk AFTER INSERT OR UPDATE ON medical_request "
        "FOR EACH STATEMENT EXECUTE FUNCTION tell_desk()"
    )
