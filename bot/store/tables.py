"""The tables.

`*_enc` columns hold ciphertext under the data key of the row's person; `*_hmac` columns hold keyed
digests for look-ups. Columns named in business terms (`received_at`, `due_at`, …) hold business time,
written by the caller; `lease_until`, `retry_at` and the like hold real time.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP, UUID

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
Moment = TIMESTAMP(timezone=True)


def _id() -> Column[int]:
    return Column("id", BigInteger, Identity(always=True), primary_key=True)


clock_offset = Table(
    "clock_offset",
    metadata,
    Column("single", Boolean, primary_key=True, server_default=text("true")),
    Column("seconds", BigInteger, nullable=False, server_default=text("0")),
    CheckConstraint("single", name="one_row"),
)

# ------------------------------------------------------------ people

person = Table(
    "person",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("kind", Text, nullable=False),  # newcomer | doctor | patient | case
    Column("wrapped_key", LargeBinary),  # null: erased
    Column("master_key", Text),  # which master key wrapped it
    Column("merged_into", UUID, ForeignKey("person.id")),  # a newcomer who turned out to be this doctor
    Column("created_at", Moment, nullable=False),
    Column("erased_at", Moment),
    Index("ix_person_merged_into", "merged_into", postgresql_where=text("merged_into IS NOT NULL")),
)

contact = Table(
    "contact",
    metadata,
    _id(),
    Column("channel", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("audience", Text, nullable=False),
    Column("person_id", UUID, ForeignKey("person.id"), nullable=False, index=True),
    Column("address_hmac", LargeBinary),  # null: erased, so the same address is somebody new
    Column("address_enc", LargeBinary, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("introduced_at", Moment),  # when it was told that this is an AI, and whose
    Column("stopped_at", Moment),
    Column("unreachable_at", Moment),  # unfollowed or blocked us
    UniqueConstraint("channel", "account", "address_hmac"),
)

rep = Table(
    "rep",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("login", Text, unique=True),
)

doctor = Table(
    "doctor",
    metadata,
    Column("person_id", UUID, ForeignKey("person.id"), primary_key=True),
    Column("external_id", Text, nullable=False, unique=True),
    Column("name_enc", LargeBinary, nullable=False),
    Column("phone_enc", LargeBinary),
    # name + hospital + phone, as one keyed digest: what verification asks for
    Column("identity_hmac", LargeBinary, index=True),
    Column("hospital", Text, nullable=False),
    Column("tier", Text, nullable=False, server_default=""),
    Column("department", Text, nullable=False, server_default=""),
    Column("title", Text, nullable=False, server_default=""),
    Column("city", Text, nullable=False, server_default=""),
    Column("interests", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("rep_id", UUID, ForeignKey("rep.id"), index=True),
    Column("digest", LargeBinary, nullable=False),  # keyed digest of the imported row: same row, no write
    Column("verified_at", Moment),
    Column("verified_by", Text),  # import | code | the person who confirmed
    Column("updated_at", Moment, nullable=False),
)

invitation_code = Table(
    "invitation_code",
    metadata,
    Column("code_hmac", LargeBinary, primary_key=True),
    Column("person_id", UUID, ForeignKey("person.id"), nullable=False, index=True),
    Column("expires_at", Moment, nullable=False),
    Column("used_at", Moment),
)

tombstone = Table(  # doctors erased on request: an import must not bring them back unasked
    "tombstone",
    metadata,
    Column("external_hmac", LargeBinary, primary_key=True),
    Column("erased_at", Moment, nullable=False),
)

attempt = Table(  # what is rate-limited: one row a try
    "attempt",
    metadata,
    _id(),
    Column("what", Text, nullable=False),
    Column("subject", LargeBinary, nullable=False),  # keyed digest of who tries
    Column("at", Moment, nullable=False),
    Index("ix_attempt_what_subject_at", "what", "subject", "at"),
)

# ------------------------------------------------------------ messages

inbox = Table(
    "inbox",
    metadata,
    _id(),
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
    UniqueConstraint("channel", "account", "key"),
    Index("ix_inbox_contact_id", "contact_id"),
    Index("ix_inbox_waiting", "contact_id", "id", postgresql_where=text("state = 'waiting'")),
    Index("ix_inbox_next", "id", postgresql_where=text("state = 'waiting'")),
    Index("ix_inbox_turn_id", "turn_id"),
    Index("ix_inbox_person_id", "person_id"),
)

turn = Table(
    "turn",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("contact_id", BigInteger, ForeignKey("contact.id"), nullable=False),
    Column("state", Text, nullable=False),  # running | retry | done | failed
    Column("fence", BigInteger, nullable=False),  # a worker that lost its lease cannot commit
    Column("attempts", Integer, nullable=False, server_default=text("1")),
    Column("lease_until", Moment, nullable=False),  # real time
    Column("fault", Text),
    Column("intent", Text),
    Column("started_at", Moment, nullable=False),
    Column("ended_at", Moment),
    # strictly serial per contact: at most one open turn
    Index(
        "uq_turn_open",
        "contact_id",
        unique=True,
        postgresql_where=text("state IN ('running', 'retry')"),
    ),
    Index("ix_turn_contact_id", "contact_id"),
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
    Column("person_id", UUID, ForeignKey("person.id"), nullable=False, index=True),
    Column("result_enc", LargeBinary, nullable=False),
    Column("at", Moment, nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    _id(),
    Column("contact_id", BigInteger, ForeignKey("contact.id"), nullable=False),
    Column("person_id", UUID, ForeignKey("person.id"), nullable=False),
    Column("turn_id", UUID),
    Column("body_enc", LargeBinary),  # either a body …
    Column("template", Text),  # … or a template with references, rendered at send
    Column("refs", JSONB),
    Column("basis", Text),
    Column("purpose", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("unordered", Boolean, nullable=False, server_default=text("false")),  # safety text: leaves at once
    Column("passive_inbox_id", BigInteger),  # offered to the connection of this message …
    Column("passive_until", Moment),  # … until then (real time); later it is pushed
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment),
    Column("retry_at", Moment, nullable=False),  # real time
    Column("lease_until", Moment),
    Column("fence", BigInteger, nullable=False, server_default=text("0")),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("pieces_sent", Integer, nullable=False, server_default=text("0")),
    Column("halved", Integer, nullable=False, server_default=text("0")),  # how often it was too long
    Column("sent_at", Moment),
    Column("written_at", Moment),  # real time it was handed to a connection; null: certainly not sent
    Column("via", Text),  # passive | active
    Column("platform_id", Text),
    Column("fault", Text),
    Index("ix_outbox_contact_id", "contact_id"),
    Index("ix_outbox_next", text("unordered DESC"), "id", postgresql_where=text("state = 'waiting'")),
    Index(
        "ix_outbox_stuck",
        "state",
        postgresql_where=text("state IN ('waiting', 'sending', 'held', 'unknown')"),
    ),
    Index("ix_outbox_open", "contact_id", "id", postgresql_where=text("state IN ('waiting', 'sending')")),
    Index("ix_outbox_held", "contact_id", postgresql_where=text("state = 'held'")),
    Index(
        "ix_outbox_expires_at",
        "expires_at",
        postgresql_where=text("state IN ('waiting', 'held') AND expires_at IS NOT NULL"),
    ),
    Index("ix_outbox_ready", "retry_at", postgresql_where=text("state IN ('waiting', 'sending')")),
    Index("ix_outbox_turn_id", "turn_id", postgresql_where=text("turn_id IS NOT NULL")),
    Index("ix_outbox_passive", "passive_inbox_id", postgresql_where=text("passive_inbox_id IS NOT NULL")),
    Index("ix_outbox_person_id", "person_id"),
    Index("ix_outbox_platform_id", "platform_id", postgresql_where=text("platform_id IS NOT NULL")),
    CheckConstraint("(body_enc IS NULL) <> (template IS NULL)", name="body_or_template"),
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
    Column("token_enc", LargeBinary, nullable=False),  # under a key derived from the master key
    Column("expires_at", Moment, nullable=False),  # real time
)

circuit = Table(  # what keeps us from sending for a while: the account's daily or minute quota
    "circuit",
    metadata,
    Column("account", Text, primary_key=True),
    Column("open_until", Moment, nullable=False),
    Column("fault", Text, nullable=False),
)

# ------------------------------------------------------------ what is said

content_version = Table(
    "content_version",
    metadata,
    Column("fingerprint", Text, primary_key=True),
    Column("body", JSONB, nullable=False),
    Column("published_at", Moment, nullable=False),
    Column("published_by", Text, nullable=False),
    Column("current", Boolean, nullable=False),
    Index("uq_content_version_current", "current", unique=True, postgresql_where=text("current")),
)

dialogue_version = Table(
    "dialogue_version",
    metadata,
    Column("fingerprint", Text, primary_key=True),
    Column("files", JSONB, nullable=False),  # path -> text
    Column("published_at", Moment, nullable=False),
    Column("published_by", Text, nullable=False),
    Column("current", Boolean, nullable=False),
    Index("uq_dialogue_version_current", "current", unique=True, postgresql_where=text("current")),
)

# ------------------------------------------------------------ schedules

plan = Table(
    "plan",
    metadata,
    _id(),
    Column("contact_id", BigInteger, ForeignKey("contact.id"), nullable=False, index=True),
    Column("person_id", UUID, ForeignKey("person.id"), nullable=False, index=True),
    Column("rrule", Text, nullable=False),  # RFC 5545
    Column("starts_at", Moment, nullable=False),
    Column("next_due", Moment),  # null: over
    Column("grace", Integer, nullable=False),  # seconds a late occurrence may still leave
    Column("template", Text, nullable=False),
    Column("refs", JSONB, nullable=False, server_default=text("'{}'")),
    Column("basis", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Index("ix_plan_next_due", "next_due", postgresql_where=text("next_due IS NOT NULL")),
)

occurrence = Table(
    "occurrence",
    metadata,
    Column("plan_id", BigInteger, ForeignKey("plan.id"), primary_key=True),
    Column("due_at", Moment, primary_key=True),
    Column("state", Text, nullable=False),  # queued | missed
    Column("reason", Text),
)

# ------------------------------------------------------------ people at work

task = Table(
    "task",
    metadata,
    _id(),
    Column("kind", Text, nullable=False),
    Column("contact_id", BigInteger, ForeignKey("contact.id")),
    Column("person_id", UUID, ForeignKey("person.id")),
    Column("owner_id", UUID, ForeignKey("rep.id")),
    Column("key", Text, unique=True),  # what makes opening it twice the same task
    # whose data key the detail is under: the person's, or one of its own for a safety case
    Column("key_id", UUID, ForeignKey("person.id")),
    Column("detail_enc", LargeBinary),
    Column("opened_at", Moment, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("state", Text, nullable=False),  # open | acknowledged | done
    Column("acknowledged_at", Moment),
    Column("acknowledged_by", Text),
    Column("escalated_at", Moment),
    Column(
        "notify_after", Moment, nullable=False, server_default=text("'1970-01-01 00:00:00+00'")
    ),  # real time
    Column("notified_at", Moment),
    Column("closed_at", Moment),
    Column("outcome", Text),
    Index("ix_task_open", "due_at", postgresql_where=text("state <> 'done'")),
    Index("ix_task_person_id", "person_id"),
    Index("ix_task_unnotified", "id", postgresql_where=text("notified_at IS NULL")),
)

# ------------------------------------------------------------ evidence

evidence = Table(  # append-only, by privilege and by trigger
    "evidence",
    metadata,
    _id(),
    Column("at", Moment, nullable=False),
    Column("kind", Text, nullable=False),
    Column("person_id", UUID),  # no foreign key: evidence outlives everything
    Column("contact_id", BigInteger),
    Column("subject", Text, nullable=False),  # what it is about: inbox:12, turn:…, outbox:7
    Column("facts", JSONB, nullable=False),  # nothing personal
    Column("body_enc", LargeBinary),
    Column("digest", LargeBinary, nullable=False),
    Index("ix_evidence_person_id", "person_id"),
)

seal = Table(  # one sealer links the rows; append-only too
    "seal",
    metadata,
    Column("seq", BigInteger, primary_key=True),
    Column("evidence_id", BigInteger, nullable=False, unique=True),
    Column("link", LargeBinary, nullable=False),
)

head = Table(  # signed by the sealer; kept outside the database too
    "head",
    metadata,
    Column("seq", BigInteger, primary_key=True),
    Column("link", LargeBinary, nullable=False),
    Column("sealed_at", Moment, nullable=False),
    Column("signature", LargeBinary, nullable=False),
)
