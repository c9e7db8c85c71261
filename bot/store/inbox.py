"""Inbound messages: stored once by their key, with all that an arrival means for its contact.

Storing is one statement for all that arrives together: it stands between webhooks and their acknowledgement.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, select, text

from bot.clock import real_now
from bot.model import Account, Inbound, InboundKind, InboxState
from bot.store import channels, contact_keys
from bot.store.contacts import Contact
from bot.store.database import Tx, hot
from bot.store.evidence import EvidenceRow
from bot.store.platform import Grant
from bot.store.tables import inbox
from bot.store.vault import Vault


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message to store. `received_at` is business time; `ready_at` and `passive_until` are real time."""

    inbound: Inbound
    key: str  # of `key_of`
    contact: Contact
    sealed: bytes
    screening: dict[str, Any]
    state: InboxState
    received_at: datetime
    ready_at: datetime
    joined_at: datetime | None  # until then it waits where words of its contact wait, and so do they
    passive_until: datetime | None
    grant: Grant | None  # what the act lets us push; None: nothing (a trigger, a receipt)
    present: bool  # the person is there: what was held for them may leave
    hurry: bool  # nothing of this contact waits any longer for a continuation
    evidence: EvidenceRow


CALLS = 4  # workers that one transaction of many messages wakes, at most

# Data-modifying CTEs see the same snapshot and run once each; every one hangs on `stored`, so a message
# that was already there changes nothing at all. One JSON parameter for any number of messages: it is one
# prepared statement, and each further value costs next to nothing.
_STORE = f"""
    WITH arrived AS (
        SELECT * FROM json_to_recordset(%(arrivals)s::json) AS message(
            channel text, account text, key text, contact bigint, person uuid, kind text, sealed text,
            screening jsonb, received_at timestamptz, state text, ready_at timestamptz, joined_at timestamptz,
            passive_until timestamptz, e_kind text, e_subject text, e_facts jsonb, e_digest text,
            act text, closes_at timestamptz, allowance int, present boolean, hurry boolean)
    ), stored AS (
        INSERT INTO inbox (channel, account, key, contact_id, person_id, kind, body_enc, screening,
                           received_at, state, ready_at, passive_until)
        SELECT channel, account, key, contact, person, kind, decode(sealed, 'base64'), screening,
               received_at, state,
               CASE WHEN joined_at IS NULL THEN ready_at ELSE (
                   SELECT greatest(arrived.ready_at, CASE WHEN count(*) > 0 THEN joined_at END)
                   FROM inbox AS piece
                   WHERE piece.contact_id = contact AND piece.kind = 'text' AND piece.state = 'waiting'
                     AND piece.ready_at > %(now)s)
               END,
               passive_until
        FROM arrived
        ON CONFLICT (channel, account, key) DO NOTHING
        RETURNING id, contact_id
    ), fresh AS (
        SELECT stored.id, arrived.* FROM stored JOIN arrived ON arrived.contact = stored.contact_id
    ), noted AS (
        INSERT INTO evidence (at, kind, person_id, contact_id, subject, facts, body_enc, digest)
        SELECT received_at, e_kind, person, contact, e_subject, e_facts, decode(sealed, 'base64'),
               decode(e_digest, 'base64')
        FROM fresh
    ), granted AS (
        INSERT INTO send_window (contact_id, act, closes_at, allowance, used)
        SELECT contact, act, closes_at, allowance, 0 FROM fresh WHERE allowance > 0
        ORDER BY contact -- the order in which the ledger of a sender locks them
        ON CONFLICT (contact_id, act) DO UPDATE
        SET closes_at = excluded.closes_at, allowance = excluded.allowance, used = 0,
            opening = send_window.opening + 1
    ), released AS (
        UPDATE outbox SET state = 'waiting', retry_at = %(now)s, attempts = 0, fault = NULL
        WHERE contact_id = ANY (ARRAY(SELECT contact FROM fresh WHERE present)) AND state = 'held'
        RETURNING id
    ), followed AS (
        UPDATE contact SET unreachable_at = NULL
        WHERE id = ANY (ARRAY(SELECT contact FROM fresh WHERE present)) AND unreachable_at IS NOT NULL
    ), hurried AS (
        UPDATE inbox SET ready_at = %(now)s
        WHERE contact_id = ANY (ARRAY(SELECT contact FROM fresh WHERE hurry))
          AND state = 'waiting' AND ready_at > %(now)s
    ), prolonged AS (
        UPDATE inbox SET ready_at = greatest(inbox.ready_at, fresh.joined_at)
        FROM fresh
        WHERE inbox.contact_id = fresh.contact AND fresh.joined_at IS NOT NULL AND inbox.kind = 'text'
          AND inbox.state = 'waiting' AND inbox.ready_at > %(now)s
          -- a reply that nobody can carry any more waits for no further piece
          AND (inbox.passive_until IS NULL
               OR inbox.passive_until > %(now)s::timestamptz - interval '3 seconds')
    )
    SELECT id, contact,
           -- Each call wakes one idle worker, and PostgreSQL makes one of equal calls in a transaction.
           CASE WHEN state = 'waiting' THEN pg_notify('{channels.INBOX}', mod(id, {CALLS})::text) END
               AS called,
           CASE WHEN EXISTS (SELECT 1 FROM released) THEN pg_notify('{channels.OUTBOX}', '') END AS woken
    FROM fresh
    """  # noqa: S608 - the names and the number are constants of ours


async def store(tx: Tx, arrivals: Sequence[Arrival]) -> dict[int, int]:
    """Store messages of as many contacts, each with its evidence; their ids by contact. Of a contact that is
    missing the message was already there, and nothing changed."""
    if not arrivals:
        return {}
    values = {"arrivals": _ENCODE([_values(arrival) for arrival in arrivals]), "now": real_now()}
    return {contact: inbox_id for inbox_id, contact, *_ in await hot(tx, _STORE, values)}


_ENCODE = json.JSONEncoder(separators=(",", ":")).encode


def _values(arrival: Arrival) -> dict[str, Any]:
    inbound, contact, grant, evidence = arrival.inbound, arrival.contact, arrival.grant, arrival.evidence
    received_at = arrival.received_at.isoformat()
    return {
        "channel": inbound.account.channel.value,
        "account": inbound.account.name,
        "key": arrival.key,
        "contact": contact.id,
        "person": contact.person_id.hex,
        "kind": inbound.kind.value,
        "sealed": b64encode(arrival.sealed).decode(),
        "screening": arrival.screening,
        "received_at": received_at,
        "state": arrival.state.value,
        "ready_at": arrival.ready_at.isoformat(),
        "joined_at": arrival.joined_at and arrival.joined_at.isoformat(),
        "passive_until": arrival.passive_until and arrival.passive_until.isoformat(),
        "e_kind": evidence.kind,
        "e_subject": evidence.subject,
        "e_facts": evidence.facts,
        "e_digest": b64encode(evidence.digest).decode(),
        "act": grant.act if grant else "",
        "closes_at": (arrival.received_at + grant.span).isoformat() if grant else received_at,
        "allowance": grant.count if grant else 0,
        "present": arrival.present,
        "hurry": arrival.hurry,
    }


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One stored message of a turn, decrypted."""

    id: int
    kind: InboundKind
    received_at: datetime
    passive_until: datetime | None
    screening: dict[str, Any]
    body: dict[str, Any]


def key_of(vault: Vault, inbound: Inbound) -> str:
    """What a message is stored once by: a keyed digest over sender and platform key, in hex.

    The sender belongs to it: nothing promises that two people never carry the same message id. And the key
    outlives an erasure, so it must not name the sender.
    """
    return vault.keyring.digest("inbox.key", f"{inbound.address}\0{inbound.key}").hex()


async def seal(tx: Tx, vault: Vault, contact: Contact, inbound: Inbound) -> bytes:
    """What the person said, under their key."""
    body = {
        "text": inbound.text,
        "choice": inbound.choice,
        "event": inbound.event,
        "detail": inbound.detail,
        "sent_at": inbound.sent_at.isoformat(),
    }
    return await vault.seal(tx, await contact_keys.key_of(tx, vault, contact), json.dumps(body), "inbox.body")


async def found_again(
    tx: Tx, account: Account, key: str, passive_until: datetime | None
) -> tuple[int, datetime | None]:
    """The id of the message with this key, and until when its connections waited up to now.

    A new connection may carry its reply from now on.
    """
    of_it = {"channel": account.channel.value, "account": account.name, "key": key, "until": passive_until}
    ((inbox_id, earlier),) = await hot(tx, _FOUND_AGAIN, of_it)
    return inbox_id, earlier


_FOUND_AGAIN = """
    WITH earlier AS (
        SELECT id, passive_until FROM inbox
        WHERE channel = %(channel)s AND account = %(account)s AND key = %(key)s FOR NO KEY UPDATE
    )
    UPDATE inbox SET passive_until = greatest(%(until)s::timestamptz, earlier.passive_until)
    FROM earlier WHERE inbox.id = earlier.id
    RETURNING inbox.id, earlier.passive_until
    """


async def of_turn(tx: Tx, vault: Vault, turn_id: UUID) -> tuple[StoredMessage, ...]:
    """The messages of a turn, in order. Raises MedrepError(ERASED)."""
    rows = await hot(tx, _OF_TURN, {"turn": turn_id})
    return tuple(
        [
            StoredMessage(
                id=row.id,
                kind=InboundKind(row.kind),
                received_at=row.received_at,
                passive_until=row.passive_until,
                screening=row.screening,
                body=json.loads(await vault.open_text(tx, row.person_id, row.body_enc, "inbox.body")),
            )
            for row in rows
        ]
    )


_OF_TURN = """
    SELECT id, kind, received_at, passive_until, screening, person_id, body_enc
    FROM inbox WHERE turn_id = %(turn)s ORDER BY id
    """


def voice_words(body: Mapping[str, Any]) -> str:
    """What the platform understood of a voice; "" for any other message."""
    return str(body.get("text") or "") if (body.get("detail") or {}).get("type") == "voice" else ""


async def is_over(tx: Tx, inbox_id: int) -> bool:
    """Whether this message's turn has ended."""
    state = (await tx.execute(select(inbox.c.state).where(inbox.c.id == inbox_id))).scalar()
    return state in (InboxState.DONE, InboxState.FAILED)


async def backlog(tx: Tx) -> tuple[int, float]:
    """How many messages of people wait, and how long the oldest has (seconds of real time)."""
    row = (
        await tx.execute(
            select(
                func.count().label("waiting"),
                func.coalesce(
                    func.extract("epoch", text("clock_timestamp()") - func.min(inbox.c.ready_at)), 0.0
                ).label("age"),
            ).where(and_(inbox.c.state == "waiting", inbox.c.priority == 0))
        )
    ).one()
    return row.waiting, max(0.0, float(row.age))
