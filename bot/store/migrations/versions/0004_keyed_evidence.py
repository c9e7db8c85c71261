"""Heads as the signed lines they are, checkpoints that allow old heads to be removed, and links anew.

Links cover more than before and heads are chained, so the sealer links the existing rows again, from the
first, as soon as it runs. Run `medrep evidence verify` with the version before, ahead of this.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

PRUNED = ("head", "checkpoint")


def upgrade() -> None:
    op.create_index("ix_evidence_digest", "evidence", ["digest"])
    op.drop_table("head")
    op.drop_table("seal")
    op.create_table(
        "seal",
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("evidence_id", sa.BigInteger(), nullable=False),
        sa.Column("link", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_seal")),
        sa.UniqueConstraint("evidence_id", name=op.f("uq_seal_evidence_id")),
    )
    op.create_table(
        "head",
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_head")),
    )
    op.create_table(
        "checkpoint",
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_checkpoint")),
    )
    op.execute("GRANT SELECT, INSERT ON seal, head, checkpoint TO medrep_worker")
    op.execute("GRANT DELETE ON head, checkpoint TO medrep_worker")
    op.execute(
        "CREATE TRIGGER seal_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON seal "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        """
        CREATE FUNCTION refuse_early_removal() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NOT EXISTS (SELECT 1 FROM checkpoint WHERE number > OLD.number) THEN
                RAISE EXCEPTION '% is append-only up to the newest checkpoint', TG_TABLE_NAME
                    USING ERRCODE = 'insufficient_privilege';
            END IF;
            RETURN OLD;
        END $$
        """
    )
    for table in PRUNED:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_pruned BEFORE DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_early_removal()"
        )
