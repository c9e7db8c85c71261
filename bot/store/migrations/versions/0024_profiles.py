"""Profiles: tags, events, affiliations, the score, suggestions, and requests to change an entry.

The wish for short texts was a column of `contact`. It is a person's wish about format, beside others
(detail, chart), so it becomes a tag; the column goes, and there is one place for it.

Revision ID: 0024
Revises: 0023
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_MOMENT = sa.TIMESTAMP(timezone=True)
TABLES = ("profile_tag", "profile_event", "affiliation", "engagement", "suggestion", "change_request")


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True)


def _person(*, key: bool = False) -> sa.Column[object]:
    return sa.Column(
        "person_id", postgresql.UUID(), sa.ForeignKey("person.id"), nullable=False, primary_key=key
    )


def _contact(*, nullable: bool = True) -> sa.Column[int]:
    return sa.Column("contact_id", sa.BigInteger(), sa.ForeignKey("contact.id"), nullable=nullable)


def upgrade() -> None:
    _tags()
    _score()
    _suggestions()
    for table in TABLES:
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO medrep_worker")
    op.execute("""
        INSERT INTO profile_tag (person_id, contact_id, name, value, source, first_at, seen_at)
        SELECT DISTINCT ON (person_id) person_id, id, 'format', 'brief', 'said', brief_at, brief_at
        FROM contact WHERE brief_at IS NOT NULL ORDER BY person_id, brief_at DESC
    """)
    op.drop_column("contact", "brief_at")


def _tags() -> None:
    op.create_table(
        "profile_tag",
        _id(),
        _person(),
        _contact(),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False, server_default=sa.text("1")),
        sa.Column("first_at", _MOMENT, nullable=False),
        sa.Column("seen_at", _MOMENT, nullable=False),
        sa.Column("evidence", postgresql.ARRAY(sa.Text()), nullable=False, server_default=sa.text("'{}'")),
        sa.Column("written_by", sa.Text()),
        sa.Column("ended_at", _MOMENT),
        sa.Column("ended_why", sa.Text()),
    )
    op.create_index(
        "uq_profile_tag_standing",
        "profile_tag",
        ["person_id", "name", "value", "source"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    for column in ("person_id", "contact_id"):
        op.create_index(f"ix_profile_tag_{column}", "profile_tag", [column])
    op.create_index(
        "ix_profile_tag_ended_at",
        "profile_tag",
        ["ended_at"],
        postgresql_where=sa.text("ended_at IS NOT NULL"),
    )


def _score() -> None:
    op.create_table(
        "profile_event",
        _id(),
        _person(),
        _contact(),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("product", sa.Text()),
        sa.Column("topic", sa.Text()),
        sa.Column("key", sa.Text(), nullable=False, unique=True),
        sa.Column("at", _MOMENT, nullable=False),
    )
    op.create_index("ix_profile_event_age", "profile_event", ["at"], postgresql_using="brin")
    op.create_table(
        "affiliation",
        _id(),
        _person(),
        _contact(),
        sa.Column("hospital", sa.Text(), nullable=False),
        sa.Column("department", sa.Text(), nullable=False, server_default=""),
        sa.Column("main", sa.Boolean(), nullable=False),
        sa.Column("since", _MOMENT, nullable=False),
        sa.Column("written_by", sa.Text(), nullable=False),
        sa.Column("ended_at", _MOMENT),
    )
    op.create_index(
        "uq_affiliation_main",
        "affiliation",
        ["person_id"],
        unique=True,
        postgresql_where=sa.text("main AND ended_at IS NULL"),
    )
    op.create_table(
        "engagement",
        _person(key=True),
        _contact(),
        sa.Column("points", sa.Integer(), nullable=False),
        sa.Column("tier", sa.Text(), nullable=False),
        sa.Column("parts", postgresql.JSONB(), nullable=False),
        sa.Column("made_at", _MOMENT, nullable=False),
    )
    op.create_index("ix_engagement_made_at", "engagement", ["made_at"])
    op.create_index("ix_engagement_contact_id", "engagement", ["contact_id"])
    for table in ("profile_event", "affiliation"):
        for column in ("person_id", "contact_id"):
            op.create_index(f"ix_{table}_{column}", table, [column])


def _suggestions() -> None:
    op.create_table(
        "suggestion",
        _id(),
        _person(),
        _contact(),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("facts", postgresql.JSONB(), nullable=False, server_default=sa.text("'{}'")),
        sa.Column("made_at", _MOMENT, nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text()),
        sa.Column("note_enc", sa.LargeBinary()),
        sa.Column("decided_at", _MOMENT),
        sa.Column("decided_by", sa.Text()),
    )
    op.create_index(
        "uq_suggestion_open",
        "suggestion",
        ["person_id", "rule", "subject"],
        unique=True,
        postgresql_where=sa.text("state = 'open'"),
    )
    for column, state in (("expires_at", "state = 'open'"), ("decided_at", "state <> 'open'")):
        op.create_index(f"ix_suggestion_{column}", "suggestion", [column], postgresql_where=sa.text(state))
    op.create_table(
        "change_request",
        _id(),
        _person(),
        _contact(nullable=False),
        sa.Column("task_id", sa.BigInteger(), sa.ForeignKey("task.id"), nullable=False, unique=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("wanted_enc", sa.LargeBinary(), nullable=False),
        sa.Column("message", sa.Text()),
        sa.Column("opened_at", _MOMENT, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("decided_at", _MOMENT),
        sa.Column("decided_by", sa.Text()),
    )
    for table in ("suggestion", "change_request"):
        for column in ("person_id", "contact_id"):
            op.create_index(f"ix_{table}_{column}", table, [column])
