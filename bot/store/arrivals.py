"""The one insert of accepting a message, and all that an arrival means for its contact.

One statement instead of seven: this is what stands between a webhook and its acknowledgement.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import LargeBinary, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from bot.model import Inbound, InboxState
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.messages import CHANNEL
from bot.store.outgoing import SEND_CHANNEL
from bot.store.platform import Grant
from bot.store.records import EvidenceRow


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message to store. `received_at` is business time; `ready_at` and `passive_until` are real time."""

    inbound: Inbound
    whose: Contact
    sealed: bytes
    screening: dict[str, Any]
    state: InboxState
    received_at: datetime
    ready_at: datetime
    passive_until: datetime | None
    grant: Grant | None  # what the act lets us push; None: nothing (a trigger, a receipt)
    present: bool  # the person is there: what was held for them may leave
    hurry: bool  # nothing of this contact waits any longer for a continuation


# Data-modifying CTEs see the same snapshot and run once each; every one hangs on `stored`, so a message
# that was already there changes nothing at all.
_STORE = text(
    f"""
    WITH stored AS (
        INSERT INTO inbox (channel, account, key, contact_id, person_id, kind, body_enc, screening,
                           received_at, state, ready_at, passive_until)
        VALUES (:channel, :account, :key, :contact, :person, :kind, :sealed, :screening,
                :received_at, :state, :ready_at, :passive_until)
        ON CONFLICT (channel, account, key) DO NOTHING
        RETURNING id
    ), noted AS (
        INSERT INTO evidence (at, kind, person_id, contact_id, subject, facts, body_enc, digest)
        SELECT :received_at, :e_kind, :person, :contact, :e_subject, :e_facts, :sealed, :e_digest FROM stored
    ), granted AS (
        INSERT INTO send_window (contact_id, act, closes_at, allowance, used)
        SELECT :contact, :act, :closes_at, :allowance, 0 FROM stored WHERE :allowance > 0
        ON CONFLICT (contact_id, act) DO UPDATE
        SET closes_at = excluded.closes_at, allowance = excluded.allowance, used = 0,
            opening = send_window.opening + 1
    ), released AS (
        UPDATE outbox SET state = 'waiting', retry_at = :ready_at, attempts = 0, fault = NULL
        FROM stored WHERE contact_id = :contact AND outbox.state = 'held' AND :present
        RETURNING outbox.id
    ), followed AS (
        UPDATE contact SET unreachable_at = NULL
        FROM stored WHERE contact.id = :contact AND unreachable_at IS NOT NULL AND :present
    ), hurried AS (
        UPDATE inbox SET ready_at = :ready_at
        FROM stored
        WHERE contact_id = :contact AND inbox.state = 'waiting' AND inbox.ready_at > :ready_at AND :hurry
    )
    SELECT stored.id,
           CASE WHEN :state = 'waiting' THEN pg_notify('{CHANNEL}', '') END,
           CASE WHEN EXISTS (SELECT 1 FROM released) THEN pg_notify('{SEND_CHANNEL}', '') END
    FROM stored
    """  # noqa: S608 - the two names are constants of ours
).bindparams(
    bindparam("screening", type_=JSONB),
    bindparam("e_facts", type_=JSONB),
    bindparam("sealed", type_=LargeBinary),
    bindparam("e_digest", type_=LargeBinary),
)


async def store(tx: Tx, arrival: Arrival, evidence: EvidenceRow) -> int | None:
    """Store the message with its evidence; its id. None: it was already there, and nothing changed."""
    inbound, whose, grant = arrival.inbound, arrival.whose, arrival.grant
    stored: int | None = (
        await tx.execute(
            _STORE,
            {
                "channel": inbound.account.channel.value,
                "account": inbound.account.name,
                "key": inbound.key,
                "contact": whose.id,
                "person": whose.person_id,
                "kind": inbound.kind.value,
                "sealed": arrival.sealed,
                "screening": arrival.screening,
                "received_at": arrival.received_at,
                "state": arrival.state.value,
                "ready_at": arrival.ready_at,
                "passive_until": arrival.passive_until,
                "e_kind": evidence.kind,
                "e_subject": evidence.subject,
                "e_facts": evidence.facts,
                "e_digest": evidence.digest,
                "act": grant.act if grant else "",
                "closes_at": arrival.received_at + grant.span if grant else arrival.received_at,
                "allowance": grant.count if grant else 0,
                "present": arrival.present,
                "hurry": arrival.hurry,
            },
        )
    ).scalar()
    return stored
