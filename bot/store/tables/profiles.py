"""What is known of a doctor beside the company's list, what was made of it, and what they want changed."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, LargeBinary, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

from bot.store.tables.base import Moment, identity, metadata

STANDING = text("ended_at IS NULL")

# What the company's list says is no row here: it is read from `doctor`. Of a patient nothing but `format`.
profile_tag = Table(
    "profile_tag",
    metadata,
    identity(),
    Column("person_id", UUID, ForeignKey("person.id"), nullable=False),
    Column("contact_id", BigInteger, ForeignKey("contact.id")),  # where it was said or shown
    Column("name", Text, nullable=False),  # of data/profiles/tags.yaml
    Column("value", Text, nullable=False),
    Column("source", Text, nullable=False),  # said | behaviour | colleague
    Column("times", Integer, nullable=False, server_default=text("1")),  # how often it was seen
    Column("first_at", Moment, nullable=False),
    Column("seen_at", Moment, nullable=False),  # the last time
    Column("evidence", ARRAY(Text), nullable=False, server_default=text("'{}'")),  # message:7, event:3
    Column("written_by", Text),  # a colleague's login
    Column("ended_at", Moment),
    Column("ended_why", Text),  # replaced | withdrawn | refused | faded | unfollowed
    Index(
        "uq_profile_tag_standing",
        "person_id",
        "name",
        "value",
        "source",
        unique=True,
        postgresql_where=STANDING,
    ),
    Index("ix_profile_tag_person_id", "person_id"),
    Index("ix_profile_tag_contact_id", "contact_id"),
    Index("ix_profile_tag_ended_at", "ended_at", postgresql_where=text("ended_at IS NOT NULL")),
)

profile_event = Table(  # what a doctor did outside the chat: opened a page of ours, came to a meeting
    "profile_event",
    metadata,
    identity(),
    Column("person_id", UUID, ForeignKey("person.id"), nullable=False, index=True),
    Column("contact_id", BigInteger, ForeignKey("contact.id"), index=True),
    Column("kind", Text, nullable=False),  # opened | joined
    Column("product", Text),  # of the published content
    Column("topic", Text),
    Column("key", Text, nullable=False, unique=True),  # the same event again is the same row
    Column("at", Moment, nullable=False),
    Index("ix_profile_event_age", "at", postgresql_using="brin"),
)

affiliation = Table(  # where else they work, or what replaced the hospital of the company's list
    "affiliation",
    metadata,
    identity(),
    Column("person_id", UUID, ForeignKey("person.id"), nullable=False, index=True),
    Column("contact_id", BigInteger, ForeignKey("contact.id"), index=True),
    Column("hospital", Text, nullable=False),
    Column("department", Text, nullable=False, server_default=""),
    Column("main", Boolean, nullable=False),  # in place of the list's
    Column("since", Moment, nullable=False),
    Column("written_by", Text, nullable=False),  # a colleague's login
    Column("ended_at", Moment),
    Index(
        "uq_affiliation_main", "person_id", unique=True, postgresql_where=text("main AND ended_at IS NULL")
    ),
)

engagement = Table(  # the score as it was made last, with its parts
    "engagement",
    metadata,
    Column("person_id", UUID, ForeignKey("person.id"), primary_key=True),
    Column("contact_id", BigInteger, ForeignKey("contact.id"), index=True),  # the one used last
    Column("points", Integer, nullable=False),
    Column("tier", Text, nullable=False),
    Column("parts", JSONB, nullable=False),
    Column("made_at", Moment, nullable=False, index=True),
)

suggestion = Table(  # the next best action, and what became of it
    "suggestion",
    metadata,
    identity(),
    Column("person_id", UUID, ForeignKey("person.id"), nullable=False, index=True),
    Column("contact_id", BigInteger, ForeignKey("contact.id"), index=True),
    Column("rule", Text, nullable=False),  # of data/profiles/suggestions.yaml
    Column("subject", Text, nullable=False),  # what it is about: task:7, interest:糖尿病
    Column("facts", JSONB, nullable=False, server_default=text("'{}'")),  # what its reason is filled with
    Column("made_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("state", Text, nullable=False),  # open | done | dismissed | expired | moot
    Column("outcome", Text),  # of done: a key of `outcomes`; of dismissed: a key of `reasons`
    Column("note_enc", LargeBinary),  # what the colleague wrote to it, under the person's key
    Column("decided_at", Moment),
    Column("decided_by", Text),
    Index(
        "uq_suggestion_open",
        "person_id",
        "rule",
        "subject",
        unique=True,
        postgresql_where=text("state = 'open'"),
    ),
    Index("ix_suggestion_expires_at", "expires_at", postgresql_where=text("state = 'open'")),
    Index("ix_suggestion_decided_at", "decided_at", postgresql_where=text("state <> 'open'")),
)

change_request = Table(  # they say that an entry of theirs is wrong; a steward decides
    "change_request",
    metadata,
    identity(),
    Column("person_id", UUID, ForeignKey("person.id"), nullable=False, index=True),
    Column("contact_id", BigInteger, ForeignKey("contact.id"), nullable=False, index=True),
    Column("task_id", BigInteger, ForeignKey("task.id"), nullable=False, unique=True),
    Column("name", Text, nullable=False),  # department | title | hospital
    Column("wanted_enc", LargeBinary, nullable=False),  # under the person's key
    Column("message", Text),  # the message it was said in: message:7, turn:UUID
    Column("opened_at", Moment, nullable=False),
    Column("state", Text, nullable=False),  # open | accepted | declined
    Column("decided_at", Moment),
    Column("decided_by", Text),
)
