"""A stop belongs to the person and not to each contact; consent per person and purpose.

Revision ID: 0011
Revises: 0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("person", sa.Column("stopped_at", postgresql.TIMESTAMP(timezone=True), nullable=True))
    # Whoever said it on one contact is stopped: a contact added later had not heard of it.
    op.execute(
        "UPDATE person SET stopped_at = stop.at FROM (SELECT person_id, min(stopped_at) AS at FROM contact "
        "WHERE stopped_at IS NOT NULL GROUP BY person_id) AS stop WHERE person.id = stop.person_id"
    )
    op.drop_column("contact", "stopped_at")
    op.create_table(
        "consent",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("person_id", sa.UUID(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("given_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("withdrawn_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("text_version", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "given_at IS NOT NULL OR withdrawn_at IS NOT NULL", name=op.f("ck_consent_given_or_withdrawn")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_consent_person_id_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent")),
    )
    op.create_index("ix_consent_person_id", "consent", ["person_id"])
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON consent TO medrep_worker")
