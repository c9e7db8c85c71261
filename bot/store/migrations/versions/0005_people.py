"""A stop belongs to the person and not to each contact.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
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
