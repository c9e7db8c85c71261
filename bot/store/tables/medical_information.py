"""Requests to medical information, and every step from the question to the answer."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import UUID

from bot.store.tables.base import Moment, metadata

medical_request = Table(
    "medical_request",
    metadata,
    Column("task_id", BigInteger, ForeignKey("task.id"), primary_key=True),  # owner, due, closed: the task's
    Column("contact_id", BigInteger, ForeignKey("contact.id"), nullable=False, index=True),
    Column("person_id", UUID, ForeignKey("person.id"), nullable=False, index=True),
    Column("question_enc", LargeBinary),  # word for word; null: it stands in the task alone
    Column("product", Text, nullable=False),  # id; '': not known
    Column("wish", Text, nullable=False),  # chat | phone | written; '': not said
    Column("off_label", Boolean, nullable=False),
    Column("state", Text, nullable=False),  # open | draft | in_review | approved | unsent | answered | erased
    Column("steps", SmallInteger, nullable=False),  # the number of the newest: what a form was made from
    Column("answer", SmallInteger),  # the step that holds the newest words of the answer
    Column("answer_digest", LargeBinary),  # keyed, of the text that was approved
    Column("outbox_id", BigInteger),  # the message it left with, or is to leave with
    Column("promised_at", Moment),  # what the doctor was told when it was late
    Column("answered_at", Moment),
    CheckConstraint("wish IN ('', 'chat', 'phone', 'written')", name="wish"),
    CheckConstraint(
        "state IN ('open', 'draft', 'in_review', 'approved', 'unsent', 'answered', 'erased')", name="state"
    ),
    CheckConstraint(
        "(state IN ('approved', 'unsent', 'answered')) <= (answer_digest IS NOT NULL)", name="approved"
    ),
    Index("ix_medical_request_approved", "task_id", postgresql_where=text("state = 'approved'")),
)

medical_step = Table(  # all that was done with a request; never changed
    "medical_step",
    metadata,
    Column(
        "task_id", BigInteger, ForeignKey("medical_request.task_id", ondelete="CASCADE"), primary_key=True
    ),
    Column("number", SmallInteger, primary_key=True),  # from 1
    Column("contact_id", BigInteger, ForeignKey("contact.id"), nullable=False, index=True),
    Column("person_id", UUID, ForeignKey("person.id"), nullable=False, index=True),
    Column("kind", Text, nullable=False),  # taken | saved | submitted | returned | approved | corrected | …
    Column("login", Text, nullable=False),
    Column("body_enc", LargeBinary, nullable=False),
    Column("at", Moment, nullable=False),
)
