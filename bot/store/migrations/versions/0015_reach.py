"""What the console reads, later tables included; effects and consents reach their contact.

Revision ID: 0015
Revises: 0014
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

STAFF = "id, name, login, one_time, team, disabled_at"  # all but the password's hash


def upgrade() -> None:
    op.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO medrep_console")
    op.execute("REVOKE SELECT ON platform_token, key_check, key_holder, staff FROM medrep_console")
    op.execute(f"GRANT SELECT ({STAFF}) ON staff TO medrep_console")
    op.execute("ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO medrep_console")
    for table in ("effect", "consent"):
        op.add_column(table, sa.Column("contact_id", sa.BigInteger(), nullable=True))
        op.create_foreign_key(f"fk_{table}_contact_id", table, "contact", ["contact_id"], ["id"])
        op.create_index(f"ix_{table}_contact_id", table, ["contact_id"])
    op.execute("UPDATE effect SET contact_id = turn.contact_id FROM turn WHERE turn.id = effect.turn_id")
    op.execute("DELETE FROM effect WHERE contact_id IS NULL")  # of no turn: nothing replays it
    op.alter_column("effect", "contact_id", nullable=False)
