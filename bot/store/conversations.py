"""What a turn reads and writes besides its messages: the conversation, the offer, the effects."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from bot.model import Choice
from bot.store.contact_keys import key_of
from bot.store.contacts import Contact
from bot.store.database import Tx, hot
from bot.store.vault import Vault


async def write_conversation(
    tx: Tx, vault: Vault, contact: Contact, body: bytes, choices: tuple[Choice, ...], now: datetime
) -> None:
    """Keep how the conversation stands, and what was offered last."""
    packed = zlib.compress(body, 1)
    sealed = await vault.seal(tx, await key_of(tx, vault, contact), packed, "conversation.body")
    values = {"contact": contact.id, "person": contact.person_id, "body": sealed, "now": now}
    await hot(tx, _CONVERSATION if choices else _CONVERSATION_AND_NO_OFFER, values)
    if choices:
        await write_offer(tx, vault, contact, choices, now)


_CONVERSATION = """
    INSERT INTO conversation (contact_id, person_id, body_enc, updated_at)
    VALUES (%(contact)s, %(person)s, %(body)s, %(now)s)
    ON CONFLICT (contact_id) DO UPDATE
    SET person_id = excluded.person_id, body_enc = excluded.body_enc, updated_at = excluded.updated_at
    RETURNING contact_id
    """
_FORGOTTEN = "DELETE FROM offer WHERE contact_id = %(contact)s RETURNING contact_id"
_CONVERSATION_AND_NO_OFFER = f"WITH forgotten AS ({_FORGOTTEN}) {_CONVERSATION}"


async def write_offer(
    tx: Tx, vault: Vault, contact: Contact, choices: tuple[Choice, ...], now: datetime
) -> None:
    """Remember what was offered; nothing offered means that a later "2" is only a number."""
    if not choices:
        await hot(tx, _FORGOTTEN, {"contact": contact.id})
        return
    sealed = await sealed_offer(tx, vault, await key_of(tx, vault, contact), choices)
    await write_offers(tx, [(contact, sealed)], now)


async def sealed_offer(tx: Tx, vault: Vault, key_id: UUID, choices: tuple[Choice, ...]) -> bytes:
    """What an offer keeps of its choices. Raises MedrepError(ERASED)."""
    body = json.dumps([[choice.id, choice.label] for choice in choices])
    return await vault.seal(tx, key_id, body, "offer.body")


async def write_offers(tx: Tx, offers: Sequence[tuple[Contact, bytes]], now: datetime) -> None:
    """Remember what `sealed_offer` made; of several for one contact the last counts."""
    last = {contact.id: (contact.person_id, sealed) for contact, sealed in offers}
    contact_ids = sorted(last)
    values = {
        "contacts": contact_ids,
        "people": [last[contact_id][0] for contact_id in contact_ids],
        "bodies": [last[contact_id][1] for contact_id in contact_ids],
        "now": now,
    }
    await hot(tx, _OFFERS, values)


_OFFERS = """
    INSERT INTO offer (contact_id, person_id, body_enc, offered_at)
    SELECT contact_id, person_id, body_enc, %(now)s
    FROM unnest(%(contacts)s::bigint[], %(people)s::uuid[], %(bodies)s::bytea[])
         AS made(contact_id, person_id, body_enc)
    ORDER BY contact_id
    ON CONFLICT (contact_id) DO UPDATE
    SET person_id = excluded.person_id, body_enc = excluded.body_enc, offered_at = excluded.offered_at
    RETURNING contact_id
    """


_EFFECT = """
    SELECT person_id, result_enc FROM effect
    WHERE turn_id = %(turn)s AND action = %(action)s AND ordinal = %(ordinal)s
    """


async def read_effect(
    tx: Tx, vault: Vault, turn_id: UUID, action: str, ordinal: int
) -> dict[str, Any] | None:
    """What this action call returned before; None: it has not run."""
    rows = await hot(tx, _EFFECT, {"turn": turn_id, "action": action, "ordinal": ordinal})
    if not rows:
        return None
    person_id, sealed = rows[0]
    found: dict[str, Any] = json.loads(await vault.open_text(tx, person_id, sealed, "effect.result"))
    return found


async def write_effect(
    tx: Tx,
    vault: Vault,
    contact: Contact,
    turn_id: UUID,
    action: str,
    ordinal: int,
    result: dict[str, Any],
    now: datetime,
    route: str | None = None,
) -> None:
    """Keep the result, and where the action went with the question, in the transaction of what it did."""
    sealed = await vault.seal(tx, await key_of(tx, vault, contact), json.dumps(result), "effect.result")
    values = {"turn": turn_id, "action": action, "ordinal": ordinal, "route": route, "contact": contact.id}
    await hot(tx, _KEEP_EFFECT, {**values, "person": contact.person_id, "result": sealed, "now": now})


_KEEP_EFFECT = """
    INSERT INTO effect (turn_id, action, ordinal, contact_id, person_id, result_enc, route, at)
    VALUES (%(turn)s, %(action)s, %(ordinal)s, %(contact)s, %(person)s, %(result)s, %(route)s, %(now)s)
    RETURNING turn_id
    """
