"""Who was invited to which meeting, and what they answered."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from bot.store.tables.base import Moment, identity, metadata

meeting_invitation = Table(  # one for a meeting and a person
    "meeting_invitation",
    metadata,
    identity(),
    Column("meeting_id", Text, nullable=False),  # an item of the content's section `meetings`
    Column("person_id", UUID, ForeignKey("person.id"), nullable=False, index=True),
    Column("contact_id", BigInteger, ForeignKey("contact.id"), nullable=False, index=True),
    Column(
        "invited_by", Text, nullable=False
    ),  # a login; `self`: they put their name down without being asked
    # waiting | asked | accepted | declined | unsure | withdrawn | expired
    Column("state", Text, nullable=False),
    Column("asked", SmallInteger, nullable=False, server_default=text("0")),  # how often the question was put
    # The meeting as the doctor was last told of it, or will be: a change of these is told.
    Column("starts_at", Moment, nullable=False),
    Column("ends_at", Moment, nullable=False),
    Column("venue", Text, nullable=False),
    # What is still to be sent about it: the question, reminders, a change.
    Column("timers", ARRAY(BigInteger), nullable=False, server_default=text("'{}'")),
    Column("turn_id", UUID),  # in which they answered last
    Column("invited_at", Moment, nullable=False),
    Column("asked_at", Moment),
    Column(
        "accepted_at", Moment
    ),  # they are to be reminded of it, and told what becomes of it; null: they are not
    Column("answered_at", Moment),
    Column("ended_at", Moment),
    UniqueConstraint("meeting_id", "person_id"),
    CheckConstraint(
        "state IN ('waiting', 'asked', 'accepted', 'declined', 'unsure', 'withdrawn', 'expired')",
        name="state",
    ),
    CheckConstraint("(state IN ('withdrawn', 'expired')) = (ended_at IS NOT NULL)", name="ended"),
    # Those that are looked after until their meeting is over.
    Index("ix_meeting_invitation_open", "ends_at", postgresql_where=text("ended_at IS NULL")),
)
