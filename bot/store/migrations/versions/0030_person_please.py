"""A person, please: hand-overs that nobody took on go to a manager; private notes on a conversation.

Revision ID: 0030
Revises: 0029
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import UUID

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

MOMENT = sa.TIMESTAMP(timezone=True)
# As in 0025; but of a request that went on to a manager the rep goes on seeing that their doctor waits.
TASK = """
    CASE WHEN kind = 'compliance' THEN (SELECT console_roles()) && ARRAY['compliance', 'auditor']
         WHEN (SELECT console_roles()) && ARRAY['auditor'] THEN true
         WHEN owner_role <> 'rep' THEN owner_role = ANY ((SELECT console_roles())::text[])
         WHEN owner_id = ANY ((SELECT console_reps())::uuid[]) THEN true
         WHEN owner_id IS NOT NULL AND kind <> 'hand_over' THEN false
         ELSE (SELECT console_roles()) && ARRAY['rep', 'manager', 'care']
              AND EXISTS (SELECT FROM contact WHERE contact.id = task.contact_id) END
"""


def upgrade() -> None:
    op.add_column("task", sa.Column("passed_on_at", MOMENT))
    op.create_index(
        "ix_task_unclaimed",
        "task",
        ["due_at"],
        postgresql_where=sa.text("kind = 'hand_over' AND state = 'open' AND passed_on_at IS NULL"),
    )
    op.execute(f"ALTER POLICY console ON task USING ({TASK})")
    op.create_table(
        "chat_note",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("contact_id", sa.BigInteger(), sa.ForeignKey("contact.id"), nullable=False, index=True),
        sa.Column("person_id", UUID(), sa.ForeignKey("person.id"), nullable=False, index=True),
        sa.Column("staff_id", UUID(), sa.ForeignKey("staff.id"), nullable=False),
        sa.Column("body_enc", sa.LargeBinary(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chat_note")),
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON chat_note TO medrep_worker")
    op.execute("SELECT guard_rows('chat_note')")
    op.execute(
        "CREATE TRIGGER chat_note_tells_desk AFTER INSERT OR UPDATE ON chat_note "
        "FOR EACH STATEMENT EXECUTE FUNCTION tell_desk()"
    )
