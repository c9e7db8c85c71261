"""Pictures that platforms have; materials that were sent to somebody, and their openings.

Revision ID: 0026
Revises: 0025
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import UUID

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

Moment = sa.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.create_table(
        "platform_media",
        sa.Column("account", sa.Text(), primary_key=True),
        sa.Column("digest", sa.Text(), primary_key=True),
        sa.Column("media_id", sa.Text(), nullable=False),
        sa.Column("good_until", Moment, nullable=False),
    )
    op.create_table(
        "material_sent",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("contact_id", sa.BigInteger(), sa.ForeignKey("contact.id"), nullable=False),
        sa.Column("person_id", UUID(), sa.ForeignKey("person.id"), nullable=False),
        sa.Column("material", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("sent_at", Moment, nullable=False),
        sa.Column("expires_at", Moment, nullable=False),
        sa.Column("reader_hmac", sa.LargeBinary()),
    )
    op.create_index("ix_material_sent_contact", "material_sent", ["contact_id"])
    op.create_index("ix_material_sent_material", "material_sent", ["material"])
    op.create_table(
        "material_open",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("sent_id", sa.BigInteger(), sa.ForeignKey("material_sent.id"), nullable=False),
        sa.Column("contact_id", sa.BigInteger(), sa.ForeignKey("contact.id"), nullable=False),
        sa.Column("person_id", UUID(), sa.ForeignKey("person.id"), nullable=False),
        sa.Column("opened_at", Moment, nullable=False),
        sa.Column("began_at", Moment, nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("downloaded", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("forwarded", sa.Boolean(), nullable=False),
        sa.CheckConstraint("seconds BETWEEN 0 AND 3600", name="ck_material_open_seconds"),
    )
    op.create_index("ix_material_open_contact", "material_open", ["contact_id"])
    op.create_index("ix_material_open_sent", "material_open", ["sent_id"])
    op.execute(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON platform_media, material_sent, material_open "
        "TO medrep_worker"
    )
    op.execute("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO medrep_worker")
    for table in ("material_sent", "material_open"):
        op.execute(f"SELECT guard_rows('{table}')")
