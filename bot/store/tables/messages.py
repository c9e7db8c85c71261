"""What came in, what was made of it, what goes out, and what the platform lets us send."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

from bot.store.tables.base import Moment, identity, metadata

OWN_WORDS_FIRST = "CASE WHEN kind = 'trigger' THEN 1 ELSE 0 END"

inbox = Table(
    "inbox",
    metadata,
    identity(),
    Column("channel", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("contact_id", BigInteger, ForeignKey("contact.id"), nullable=False),
    Column("person_id", UUID, ForeignKey("person.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("body_enc", LargeBinary, nullable=False),
    Column("screening", JSONB, nullable=False, server_default=text("'{}'")),
    Column("received_at", Moment, nullable=False),  # business time
    Column("state", Text, nullable=False),
    Column("ready_at", Moment, nullable=False),  # real time; a fragment waits for its continuation
    Column("passive_until", Moment),  # real time; a connection that can carry the reply is open
    Column("turn_id", UUID),
    # a trigger's own: what its turn is for, and how long it may wait
    Column("purpose", Text),
    Column("subject", Text),  # the row that it is about, like `visit:12`
    Column("expires_at", Moment),  # business time
    Column("not_before", Moment),  # business time; of state `deferred`
    Column("attempts", SmallInteger, nullable=False, server_default=text("0")),  # that the engine failed
    Column("fault", Text),  # why it waits or has ended
    # What people wrote goes before all that we begin, across contacts, too.
    Column("priority", SmallInteger, Computed(OWN_WORDS_FIRST, persisted=True), nullable=False),
    UniqueConstraint("channel", "account", "key"),
    Index("ix_inbox_contact_id", "contact_id"),
    Index("ix_inbox_waiting", "contact_id", "id", postgresql_where=text("state = 'waiting'")),
    Index("ix_inbox_next", "priority", "id", postgresql_where=text("state = 'waiting'")),
    Index("ix_inbox_deferred", "not_before", postgresql_where=text("state = 'deferred'")),
    Index(
        "ix_inbox_expires_at",
        "expires_at",
        postgresql_where=text("state IN ('waiting', 'deferred') AND expires_at IS NOT NULL"),
    ),
    Index("ix_inbox_turn_id", "turn_id"),
    Index("ix_inbox_person_id", "person_id"),
    Index("ix_inbox_age", "received_at", postgresql_using="brin"),
)

turn = Table(
    "turn",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("contact_id", BigInteger, ForeignKey("contact.id"), nullable=False),
    # running | retry | done | failed, and of a trigger: deferred | expired | cancelled
    Column("state", Text, nullable=False),
    Column("fence", BigInteger, nullable=False),  # a worker that lost its lease cannot commit
    Column("attempts", Integer, nullable=False, server_default=text("1")),
    Column("failures", Integer, nullable=False, server_default=text("0")),  # of the engine among them
    Column("lease_until", Moment, nullable=False),  # real time
    Column("fault", Text),
    # of a trigger's turn: what binds all its replies (null: somebody wrote)
    Column("purpose", Text),
    Column("subject", Text),
    Column("expires_at", Moment),  # business time
    # what was made of it: for summaries, review and evaluation
    Column("intent", Text),
    Column("confidence", Float),
    Column("model", Text),  # fingerprint, 12 digits
    Column("actions", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("route", Text),  # answer | clarify | medical_information | human, as the actions went
    Column("entries", ARRAY(Text), nullable=False, server_default=text("'{}'")),  # answered with
    Column("slots", JSONB, nullable=False, server_default=text("'{}'")),  # what rooms told the engine
    Column("entities_enc", LargeBinary),  # they quote the person; under the key of the contact's person
    Column("started_at", Moment, nullable=False),
    Column("ended_at", Moment),
    # strictly serial per contact: at most one open turn
    Index(
        "uq_turn_open",
        "contact_id",
        unique=True,
        postgresql_where=text("state IN ('running', 'retry')"),
    ),
    Index("ix_turn_contact_started", "contact_id", "started_at"),
    Index("ix_turn_lease_until", "lease_until", postgresql_where=text("state IN ('running', 'retry')")),
)

conversation = Table(
    "conversation",
    metadata,
    Column("contact_id", BigInteger, ForeignKey("contact.id"), primary_key=True),
    Column("person_id", UUID, ForeignKey("person.id"), nullable=False, index=True),
    Column("body_enc", LargeBinary, nullable=False),
    Column("updated_at", Moment, nullable=False),
)

offer = Table(  # the choices last shown to a contact, in order: "2" means the second
    "offer",
    metadata,
    Column("contact_id", BigInteger, ForeignKey("contact.id"), primary_key=True),
    Column("person_id", UUID, ForeignKey("person.id"), nullable=False, index=True),
    Column("body_enc", LargeBinary, nullable=False),
    Column("offered_at", Moment, nullable=False),
)

effect = Table(  # what an action did, so that a repeated call returns the same
    "effect",
    metadata,
    Column("turn_id", UUID, primary_key=True),
    Column("action", Text, primary_key=True),
    Column("ordinal", Integer, primary_key=True),
    Column("contact_id", BigInteger, ForeignKey("contact.id"), nullable=False, index=True),
    Column("person_id", UUID, ForeignKey("person.id"), nullable=False, index=True),
    Column("result_enc", LargeBinary, nullable=False),
    Column("route", Text),  # where the action went with the question
    Column("at", Moment, nullable=False),
    Index("ix_effect_age", "at", postgresql_using="brin"),
)

# Both follow from why a message is sent, so no writer can get them wrong.
LANE = (
    "CASE WHEN unordered THEN 'safety' WHEN purpose IN ('emergency', 'reply') THEN 'reply' "
    "ELSE 'proactive' END"
)
PRIORITY = (
    "CASE WHEN unordered OR purpose = 'emergency' THEN 0 WHEN purpose = 'reply' THEN 1 "
    "WHEN purpose = 'medication' THEN 2 WHEN purpose = 'service' THEN 3 ELSE 4 END"
)

outbox = Table(
    "outbox",
    metadata,
    identity(),
    Column("contact_id", BigInteger, ForeignKey("contact.id"), nullable=False),
    Column("person_id", UUID, ForeignKey("person.id"), nullable=False),
    Column("account", Text, nullable=False),  # of the contact: what a process claims by
    Column("turn_id", UUID),
    Column("occurrence_id", BigInteger),  # of a timer; no foreign key: occurrences are pruned earlier
    Column("body_enc", LargeBinary),  # an occurrence's text is made when it is sent; null until then
    Column("basis", Text),  # of the text in the body
    Column("purpose", Text, nullable=False),
    Column("subject", Text),  # of the turn that it is part of: the row that it is about
    Column("state", Text, nullable=False),
    Column("unordered", Boolean, nullable=False, server_default=text("false")),  # safety text: leaves at once
    # Order holds within a lane of a contact; across contacts the lower priority number leaves first.
    Column("lane", Text, Computed(LANE, persisted=True), nullable=False),
    Column("priority", SmallInteger, Computed(PRIORITY, persisted=True), nullable=False),
    Column("passive_inbox_id", BigInteger),  # offered to the connection of this message …
    Column("passive_until", Moment),  # … until then (real time); later it is pushed
    Column("created_at", Moment, nullable=False),
    Column("not_before", Moment),  # business time; the policy says when it may be asked again
    Column("expires_at", Moment),
    Column("retry_at", Moment, nullable=False),  # real time
    # Its hour, or the time of its next try, has not come: no claim looks at it until `outbox_claims.wake`.
    Column("parked", Boolean, nullable=False, server_default=text("false")),
    Column("lease_until", Moment),
    Column("fence", BigInteger, nullable=False, server_default=text("0")),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("pieces_sent", Integer, nullable=False, server_default=text("0")),
    Column("halved", Integer, nullable=False, server_default=text("0")),  # how often it was too long
    Column("sent_at", Moment),
    Column("written_at", Moment),  # real time it was handed to a connection; null: certainly not sent
    Column("via", Text),  # passive | active | template
    Column("platform_id", Text),
    Column("fault", Text),
    Index("ix_outbox_contact_id", "contact_id"),
    Index(
        "ix_outbox_next",
        "account",
        "priority",
        "id",
        postgresql_where=text("state = 'waiting' AND NOT parked"),
    ),
    Index(
        "ix_outbox_hour",
        "not_before",
        "id",
        postgresql_where=text("state = 'waiting' AND parked AND not_before IS NOT NULL"),
    ),
    Index(
        "ix_outbox_again",
        "retry_at",
        "id",
        postgresql_where=text("state = 'waiting' AND parked AND not_before IS NULL"),
    ),
    Index(
        "ix_outbox_stuck",
        "state",
        postgresql_where=text("state IN ('waiting', 'sending', 'held', 'unknown')"),
    ),
    Index(
        "ix_outbox_open",
        "contact_id",
        "lane",
        "id",
        postgresql_where=text("state IN ('waiting', 'sending')"),
    ),
    Index("ix_outbox_held", "contact_id", postgresql_where=text("state = 'held'")),
    Index(  # how often and when we came lately
        "ix_outbox_courtesy",
        "contact_id",
        "sent_at",
        postgresql_where=text("purpose IN ('service', 'promotion')"),
    ),
    Index(
        "ix_outbox_expires_at",
        "expires_at",
        postgresql_where=text("state IN ('waiting', 'held') AND expires_at IS NOT NULL"),
    ),
    Index("ix_outbox_lease_until", "lease_until", postgresql_where=text("state = 'sending'")),
    Index("ix_outbox_turn_id", "turn_id", postgresql_where=text("turn_id IS NOT NULL")),
    Index("ix_outbox_passive", "passive_inbox_id", postgresql_where=text("passive_inbox_id IS NOT NULL")),
    Index("ix_outbox_person_id", "person_id"),
    Index("ix_outbox_platform_id", "platform_id", postgresql_where=text("platform_id IS NOT NULL")),
    CheckConstraint("body_enc IS NOT NULL OR occurrence_id IS NOT NULL", name="body_or_occurrence"),
)

send_window = Table(  # what the platform still lets us push to a contact
    "send_window",
    metadata,
    Column("contact_id", BigInteger, ForeignKey("contact.id"), primary_key=True),
    Column("act", Text, primary_key=True),  # what opened it: message | click
    Column("closes_at", Moment, nullable=False),
    Column("allowance", Integer, nullable=False),
    Column("used", Integer, nullable=False, server_default=text("0")),
    Column("opening", BigInteger, nullable=False, server_default=text("1")),  # grows with each act
)

platform_token = Table(
    "platform_token",
    metadata,
    Column("account", Text, primary_key=True),
    Column("token_enc", LargeBinary),  # under a key derived from the master key; null: there never was one
    Column("expires_at", Moment),  # real time until which it is used; then it is renewed
    Column("failures", Integer, nullable=False, server_default=text("0")),  # of asking, in a row
    Column("ask_after", Moment),  # real time; nobody asks before
    Column("fault", Text),  # of the last failure
)

served = Table(  # which accounts some process sends for, and when that was last seen
    "served",
    metadata,
    Column("account", Text, primary_key=True),
    Column("seen_at", Moment, nullable=False),  # real time
)

circuit = Table(  # what keeps us from sending for a while: the account's daily or minute quota
    "circuit",
    metadata,
    Column("account", Text, primary_key=True),
    Column("open_until", Moment, nullable=False),
    Column("fault", Text, nullable=False),
)
