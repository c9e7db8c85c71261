"""What waits for a person."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, LargeBinary, Table, Text, text
from sqlalchemy.dialects.postgresql import UUID

from bot.store.tables.base import Moment, identity, metadata

task = Table(
    "task",
    metadata,
    identity(),
    Column("kind", Text, nullable=False),
    Column("contact_id", BigInteger, ForeignKey("contact.id")),
    Column("person_id", UUID, ForeignKey("person.id")),
    Column("owner_role", Text, nullable=False),  # a role of staff; of reps, owner_id names the one
    Column("owner_id", UUID, ForeignKey("staff.id")),
    Column("key", Text, unique=True),  # what makes opening it twice the same task
    # whose data key the detail is under: the person's, one of its own for a safety case, or (null) ours
    Column("key_id", UUID, ForeignKey("data_key.id")),
    Column("detail_enc", LargeBinary),
    Column("opened_at", Moment, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("state", Text, nullable=False),  # open | acknowledged | done
    Column("acknowledged_at", Moment),
    Column("acknowledged_by", Text),
    Column("passed_on_at", Moment),  # a hand-over that nobody took on in time went to a manager
    Column("escalated_at", Moment),  # whose it is was told that it is overdue
    Column("raised_at", Moment),  # and, later, who is above them
    Column(
        "notify_after", Moment, nullable=False, server_default=text("'1970-01-01 00:00:00+00'")
    ),  # real time
    Column("notified_at", Moment),
    Column("closed_at", Moment),
    Column("closed_by", Text),
    Column("outcome", Text),
    Index("ix_task_open", "due_at", postgresql_where=text("state <> 'done'")),
    Index(  # who wants a person: each page of conversations begins with them
        "ix_task_wanted",
        "contact_id",
        postgresql_where=text("kind = 'hand_over' AND state <> 'done'"),
    ),
    Index("ix_task_contact_id", "contact_id"),
    Index("ix_task_person_id", "person_id"),
    Index(
        "ix_task_unclaimed",
        "due_at",
        postgresql_where=text("kind = 'hand_over' AND state = 'open' AND passed_on_at IS NULL"),
    ),
    Index("ix_task_unnotified", "id", postgresql_where=text("notified_at IS NULL")),
)
