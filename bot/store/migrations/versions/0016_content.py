"""Content as revisions of its items, with approvals; a published version names the revisions it is made of.

What was published before becomes revisions without approvals: the rule did not exist then.

Revision ID: 0016
Revises: 0015
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

MOMENT = TIMESTAMP(timezone=True)
SECTIONS = ("products", "documents", "entries", "off_label")


def upgrade() -> None:
    op.create_table(
        "content_revision",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("section", sa.Text(), nullable=False),
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("body", JSONB(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("published_at", MOMENT),
        sa.Column("withdrawn_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_content_revision")),
        sa.UniqueConstraint(
            "section", "item_id", "number", name=op.f("uq_content_revision_section_item_id_number")
        ),
    )
    for name, which in (("published", "state = 'published'"), ("pending", "state IN ('draft', 'approved')")):
        op.create_index(
            f"uq_content_revision_{name}",
            "content_revision",
            ["section", "item_id"],
            unique=True,
            postgresql_where=sa.text(which),
        )
    op.create_index(
        "ix_content_revision_withdrawn",
        "content_revision",
        ["id"],
        postgresql_where=sa.text("withdrawn_at IS NOT NULL"),
    )
    op.create_table(
        "content_approval",
        sa.Column("revision_id", sa.BigInteger(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("login", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["revision_id"], ["content_revision.id"], name=op.f("fk_content_approval_revision_id")
        ),
        sa.PrimaryKeyConstraint("revision_id", "role", "login", name=op.f("pk_content_approval")),
    )
    op.drop_constraint("pk_content_version", "content_version", type_="primary")
    op.add_column(
        "content_version", sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False)
    )
    op.create_primary_key("pk_content_version", "content_version", ["id"])
    op.add_column("content_version", sa.Column("revisions", ARRAY(sa.BigInteger())))
    op.add_column("content_version", sa.Column("replaced_at", MOMENT))
    op.create_index("ix_content_version_replaced_at", "content_version", ["replaced_at"])
    _carry_over(op.get_bind())
    op.alter_column("content_version", "revisions", nullable=False)
    op.drop_column("content_version", "body")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON content_revision, content_approval TO medrep_worker")
    op.execute("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO medrep_worker")


def _carry_over(connection: sa.Connection) -> None:
    versions = connection.execute(
        sa.text("SELECT id, body, published_at, published_by FROM content_version ORDER BY published_at, id")
    ).all()
    newest: dict[tuple[str, str], tuple[int, int, Any]] = {}  # item -> number, id, body
    for place, version in enumerate(versions):
        items = [(section, item) for section in SECTIONS for item in version.body.get(section, [])]
        made = []
        for section, item in items:
            number, stored, body = newest.get((section, item["id"]), (0, 0, None))
            if body != item:
                stored = _add(connection, section, item, number + 1, version)
                newest[section, item["id"]] = (number + 1, stored, item)
            made.append(stored)
        replaced: datetime | None = versions[place + 1].published_at if place + 1 < len(versions) else None
        connection.execute(
            sa.text("UPDATE content_version SET revisions = :made, replaced_at = :replaced WHERE id = :id"),
            {"made": made, "replaced": replaced, "id": version.id},
        )
    connection.execute(
        sa.text(
            "UPDATE content_revision SET state = 'published' "
            "WHERE id = ANY (SELECT unnest(revisions) FROM content_version WHERE current)"
        )
    )


def _add(connection: sa.Connection, section: str, item: Any, number: int, version: Any) -> int:
    statement = sa.text(
        "INSERT INTO content_revision "
        "(section, item_id, number, body, author, created_at, state, published_at) "
        "VALUES (:section, :item_id, :number, :body, :author, :at, 'retired', :at) RETURNING id"
    ).bindparams(sa.bindparam("body", type_=JSONB))
    values = {"section": section, "item_id": item["id"], "number": number, "body": item}
    made = {"author": version.published_by, "at": version.published_at}
    added: int = connection.execute(statement, values | made).scalar_one()
    return added
