"""Automated visits: what is planned, how each went, and what was noticed in it."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from bot.store.tables.base import Moment, identity, metadata

visit_plan = Table(
    "visit_plan",
    metadata,
    Column("id", Text, primary_key=True),
    Column("product", Text, nullable=False),
    Column("objective", Text, nullable=False),
    Column("key_messages", ARRAY(Text), nullable=False),  # ids of approved ones; empty: all of the product
    Column("specialties", ARRAY(Text), nullable=False),  # departments; empty: all
    Column("interests", ARRAY(Text), nullable=False),  # empty: all
    Column("valid_from", Date, nullable=False),
    Column("valid_until", Date, nullable=False),
    Column("reentry_days", Integer, nullable=False),  # a doctor is not visited again for so long
    Column("rank", SmallInteger, nullable=False),  # the lower goes first where several fit
    Column("automatic", Boolean, nullable=False),  # begins by itself, when pacing lets it
    Column("stopped_at", Moment),
    Column("digest", Text, nullable=False),  # of the imported text: the same again changes nothing
    Column("looked_at", Moment),  # real time, when a process looked whose visit of this plan may begin
    Column("looked_after", UUID),  # the person whom that look ended with; NULL: the next begins anew
    Column("imported_by", Text, nullable=False),
    Column("imported_at", Moment, nullable=False),
    CheckConstraint("reentry_days > 0", name="reentry"),
    CheckConstraint("valid_until >= valid_from", name="dates"),
)

visit = Table(
    "visit",
    metadata,
    identity(),
    Column("plan_id", Text, ForeignKey("visit_plan.id"), nullable=False),
    Column("person_id", UUID, ForeignKey("person.id"), nullable=False, index=True),
    Column("contact_id", BigInteger, ForeignKey("contact.id"), nullable=False, index=True),
    Column("state", Text, nullable=False),  # waiting | under_way | moved | ended
    Column("step", Text, nullable=False),  # what is asked, or is to be asked first: permission | need | …
    Column("asked", SmallInteger, nullable=False, server_default=text("0")),  # how often that was asked
    Column("unclear", SmallInteger, nullable=False, server_default=text("0")),  # answers to it that said none
    Column("forced", Boolean, nullable=False),  # by a colleague's command: no pacing, caps or quiet hours
    Column("requested", Boolean, nullable=False),  # the doctor asked for it
    Column("timer_id", BigInteger),  # of the turn that begins or resumes it
    Column("moved_to", Moment),
    Column("moves", SmallInteger, nullable=False, server_default=text("0")),
    Column("need", Text, nullable=False, server_default=text("''")),
    Column("key_message", Text, nullable=False, server_default=text("''")),  # content:ID@REVISION, as told
    Column("planned_at", Moment, nullable=False),
    Column("begun_at", Moment),
    Column("last_at", Moment, nullable=False),  # of what happened in it last
    Column("ended_at", Moment),
    Column("ending", Text),  # completed | refused | no_answer | stopped | expired | …
    CheckConstraint("state IN ('waiting', 'under_way', 'moved', 'ended')", name="state"),
    CheckConstraint("(state = 'ended') = (ended_at IS NOT NULL AND ending IS NOT NULL)", name="ended"),
    # one at a time for a doctor, over all contacts
    Index("uq_visit_open", "person_id", unique=True, postgresql_where=text("state <> 'ended'")),
    Index("ix_visit_open", "last_at", postgresql_where=text("state <> 'ended'")),
)

visit_summary = Table(
    "visit_summary",
    metadata,
    Column("visit_id", BigInteger, ForeignKey("visit.id"), primary_key=True),
    Column("contact_id", BigInteger, ForeignKey("contact.id"), nullable=False, index=True),
    Column("person_id", UUID, ForeignKey("person.id"), nullable=False, index=True),
    Column("state", Text, nullable=False),  # draft | in_review | approved | amended
    Column("version", SmallInteger, nullable=False, server_default=text("1")),  # the newest
    Column("body_enc", LargeBinary, nullable=False),  # what that one says: it quotes the doctor
    Column("made_at", Moment, nullable=False),
    Column("approved_by", Text),  # login
    Column("approved_at", Moment),
    Column("phrased_at", Moment),  # when the assistant was asked for its wording, whatever came of it
    CheckConstraint("state IN ('draft', 'in_review', 'approved', 'amended')", name="state"),
    CheckConstraint(
        "(state IN ('approved', 'amended')) = (approved_by IS NOT NULL AND approved_at IS NOT NULL)",
        name="approved",
    ),
    Index("ix_visit_summary_open", "visit_id", postgresql_where=text("state IN ('draft', 'in_review')")),
    Index("ix_visit_summary_approved", "approved_at", postgresql_where=text("approved_at IS NOT NULL")),
)

visit_summary_version = Table(  # all that a summary ever said; never changed
    "visit_summary_version",
    metadata,
    Column(
        "visit_id", BigInteger, ForeignKey("visit_summary.visit_id", ondelete="CASCADE"), primary_key=True
    ),
    Column("number", SmallInteger, primary_key=True),  # from 1
    Column("contact_id", BigInteger, ForeignKey("contact.id"), nullable=False, index=True),
    Column("person_id", UUID, ForeignKey("person.id"), nullable=False, index=True),
    Column("kind", Text, nullable=False),  # draft | phrasing | edit | amendment
    Column("login", Text, nullable=False),  # whose; '': made by rules, or phrased by the assistant
    Column("body_enc", LargeBinary, nullable=False),  # the summary's own ciphertext of then
    Column("at", Moment, nullable=False),
    CheckConstraint("kind IN ('draft', 'phrasing', 'edit', 'amendment')", name="kind"),
)

own_visit = Table(  # a visit (拜访) that a colleague made themselves: a kind of its own
    "own_visit",
    metadata,
    identity(),
    Column("person_id", UUID, ForeignKey("person.id"), nullable=False, index=True),
    # of the chat that it is told from; null: they met otherwise
    Column("contact_id", BigInteger, ForeignKey("contact.id"), index=True),
    Column("takeover_id", BigInteger, ForeignKey("takeover.id"), unique=True),  # one for a conversation
    Column("visited_by", Text, nullable=False),  # login
    Column("visited_at", Moment, nullable=False),
    Column("state", Text, nullable=False),  # draft | in_review | approved | amended
    Column("version", SmallInteger, nullable=False, server_default=text("1")),
    Column("body_enc", LargeBinary, nullable=False),  # the five fields
    Column("made_at", Moment, nullable=False),
    Column("approved_by", Text),  # login
    Column("approved_at", Moment),
    CheckConstraint("state IN ('draft', 'in_review', 'approved', 'amended')", name="state"),
    CheckConstraint(
        "(state IN ('approved', 'amended')) = (approved_by IS NOT NULL AND approved_at IS NOT NULL)",
        name="approved",
    ),
    Index("ix_own_visit_open", "id", postgresql_where=text("state IN ('draft', 'in_review')")),
)

own_visit_version = Table(  # all that it ever said; never changed
    "own_visit_version",
    metadata,
    Column("own_visit_id", BigInteger, ForeignKey("own_visit.id", ondelete="CASCADE"), primary_key=True),
    Column("number", SmallInteger, primary_key=True),  # from 1
    Column("person_id", UUID, ForeignKey("person.id"), nullable=False, index=True),
    Column("contact_id", BigInteger, ForeignKey("contact.id"), index=True),
    Column("kind", Text, nullable=False),  # entry | edit | amendment
    Column("login", Text, nullable=False),  # whose
    Column("body_enc", LargeBinary, nullable=False),
    Column("at", Moment, nullable=False),
    CheckConstraint("kind IN ('entry', 'edit', 'amendment')", name="kind"),
)

visit_fact = Table(  # what was noticed, by the turn that shows it; codes, never words
    "visit_fact",
    metadata,
    identity(),
    Column("visit_id", BigInteger, ForeignKey("visit.id"), nullable=False, index=True),
    Column("contact_id", BigInteger, ForeignKey("contact.id"), nullable=False, index=True),
    Column("person_id", UUID, ForeignKey("person.id"), nullable=False, index=True),
    Column(
        "kind", Text, nullable=False
    ),  # goes_on | permission | need | told | reaction | next | moved | ended
    Column("value", Text, nullable=False),
    Column("turn_id", UUID),
    Column("at", Moment, nullable=False),
)

appointment = Table(  # a time that a colleague proposed, for a call or a visit of their own
    "appointment",
    metadata,
    identity(),
    Column("contact_id", BigInteger, ForeignKey("contact.id"), nullable=False, index=True),
    Column("person_id", UUID, ForeignKey("person.id"), nullable=False, index=True),
    Column("staff_id", UUID, ForeignKey("staff.id"), nullable=False, index=True),
    Column("kind", Text, nullable=False),  # call | visit
    Column("at", Moment, nullable=False, index=True),
    Column("state", Text, nullable=False),  # waiting | asked | agreed | declined | other | withdrawn
    Column("asked", SmallInteger, nullable=False, server_default=text("0")),  # how often the question was put
    Column("other_at", Moment),  # the time that the doctor named instead
    Column("timer_id", BigInteger),  # of the turn that asks
    Column("turn_id", UUID),  # in which they answered
    Column("proposed_at", Moment, nullable=False),
    Column("asked_at", Moment),
    Column("ended_at", Moment),
    CheckConstraint("kind IN ('call', 'visit')", name="kind"),
    CheckConstraint(
        "state IN ('waiting', 'asked', 'agreed', 'declined', 'other', 'withdrawn')", name="state"
    ),
    CheckConstraint("(state IN ('waiting', 'asked')) = (ended_at IS NULL)", name="ended"),
)
