"""Indexes for what is asked of each courtesy message and in each second; ends that a poll used to write.

Revision ID: 0020
Revises: 0019
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

# From now on the end of a trigger, or of the last message of its turn, ends the occurrence. Those that ended
# just before the upgrade would stay pending.
ENDS = """
    WITH ending AS (
        SELECT occurrence.id, inbox.state, inbox.fault,
               bool_or(outbox.state IN ('waiting', 'sending', 'held')) AS open,
               bool_or(outbox.state IN ('sent', 'delivered')) AS sent,
               bool_or(outbox.state = 'unknown') AS unknown,
               bool_or(outbox.state = 'cancelled'
                       AND outbox.fault IN ('stopped', 'erased', 'cancelled', 'restored')) AS cancelled,
               min(outbox.fault) AS refusal
        FROM occurrence JOIN inbox ON inbox.id = occurrence.inbox_id
             LEFT JOIN outbox ON outbox.turn_id = inbox.turn_id
        WHERE occurrence.state = 'pending' AND occurrence.action = 'trigger'
          AND inbox.state IN ('done', 'failed', 'expired', 'cancelled')
        GROUP BY occurrence.id, inbox.state, inbox.fault
    )
    UPDATE occurrence SET
        state = CASE WHEN ending.sent THEN 'sent' WHEN ending.unknown THEN 'unknown'
                     WHEN ending.cancelled OR ending.state = 'cancelled'
                          AND ending.fault IN ('stopped', 'erased', 'cancelled', 'restored') THEN 'cancelled'
                     ELSE 'missed' END,
        reason = CASE WHEN ending.sent THEN NULL
                      ELSE coalesce(ending.refusal, ending.fault,
                                    CASE ending.state WHEN 'done' THEN 'nothing said' END, ending.state) END
    FROM ending WHERE occurrence.id = ending.id AND NOT coalesce(ending.open, false)
"""


def upgrade() -> None:
    courtesy = sa.text("purpose IN ('service', 'promotion')")
    op.create_index("ix_outbox_courtesy", "outbox", ["contact_id", "sent_at"], postgresql_where=courtesy)
    op.create_index("ix_turn_contact_started", "turn", ["contact_id", "started_at"])
    op.drop_index("ix_turn_contact_id", "turn")
    waiting = sa.text(
        "state = 'pending' AND action <> 'message' AND inbox_id IS NULL AND lease_until IS NULL"
    )
    running = sa.text("state = 'pending' AND lease_until IS NOT NULL")
    begun = sa.text("state = 'pending' AND inbox_id IS NOT NULL")
    op.create_index("ix_occurrence_waiting", "occurrence", ["id"], postgresql_where=waiting)
    op.create_index("ix_occurrence_running", "occurrence", ["lease_until"], postgresql_where=running)
    op.create_index("ix_occurrence_begun", "occurrence", ["inbox_id"], postgresql_where=begun)
    op.drop_index("ix_occurrence_open", "occurrence")
    op.execute(ENDS)
