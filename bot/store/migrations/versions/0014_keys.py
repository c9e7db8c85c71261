"""Data keys in a table of their own; check values of keys, and the processes that have them.

Revision ID: 0014
Revises: 0013
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "key_check",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_key_check")),
    )
    for state in ("current", "prepared"):
        only = sa.text(f"state = '{state}'")
        op.create_index(f"uq_key_check_{state}", "key_check", ["state"], unique=True, postgresql_where=only)
    op.create_table(
        "key_holder",
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("masters", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("reported_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("host", "folder", "pid", name=op.f("pk_key_holder")),
    )
    op.execute(sa.schema.CreateSequence(sa.Sequence("leaf_block")))
    op.create_table(
        "data_key",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("person_id", sa.UUID(), nullable=True),
        sa.Column("contact_id", sa.BigInteger(), nullable=True),
        sa.Column("wrapped", sa.LargeBinary(), nullable=True),
        sa.Column("master", sa.Text(), nullable=False),
        sa.Column("leaf", sa.BigInteger(), nullable=True),
        sa.Column("bare", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("destroyed_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_data_key_person_id")),
        sa.ForeignKeyConstraint(["contact_id"], ["contact.id"], name=op.f("fk_data_key_contact_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_key")),
    )
    retired = sa.text("contact_id IS NOT NULL")
    op.create_index("ix_data_key_contact_id", "data_key", ["contact_id"], postgresql_where=retired)
    op.add_column("contact", sa.Column("key_id", sa.UUID(), nullable=True))
    op.create_foreign_key("fk_contact_key_id", "contact", "data_key", ["key_id"], ["id"])
    op.create_index("ix_data_key_person_id", "data_key", ["person_id"])
    destroyed = sa.text("destroyed_at IS NOT NULL")
    op.create_index("ix_data_key_destroyed_at", "data_key", ["destroyed_at"], postgresql_where=destroyed)
    _move_keys()
    op.execute("GRANT USAGE ON SEQUENCE leaf_block TO medrep_worker")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON data_key, key_check, key_holder TO medrep_worker")


def _move_keys() -> None:
    """Out of `person`. A case was a person without anybody behind; its key belongs to nobody now."""
    op.execute(
        "INSERT INTO data_key (id, person_id, wrapped, master, bare, destroyed_at) "
        "SELECT id, CASE WHEN kind <> 'case' THEN id END, wrapped_key, coalesce(master_key, ''), true, "
        "CASE WHEN wrapped_key IS NULL THEN coalesce(erased_at, now()) END FROM person"
    )
    op.drop_constraint("fk_task_key_id", "task", type_="foreignkey")
    op.create_foreign_key("fk_task_key_id", "task", "data_key", ["key_id"], ["id"])
    op.execute("DELETE FROM person WHERE kind = 'case'")
    op.drop_column("person", "wrapped_key")
    op.drop_column("person", "master_key")
