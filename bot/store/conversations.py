"""What a turn reads and writes besides its messages: the conversation, the offer, the effects."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, delete, select, text
from sqlalchemy.dialects.postgresql import insert

from bot.model import Choice
from bot.store.contact_keys import key_of
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.tables import conversation, effect, offer
from bot.store.vault import Vault


async def read_conversation(tx: Tx, vault: Vault, contact: Contact, since: datetime) -> bytes | None:
    """The stored conversation if it went on after `since`.

    None, too, after the contact turned out to be somebody (a colleague confirmed it): what was begun with a
    stranger does not go on with a doctor.
    """
    row = (
        await tx.execute(
            select(conversation.c.person_id, conversation.c.body_enc).where(
                conversation.c.contact_id == contact.id,
                conversation.c.person_id == contact.person_id,
                conversation.c.updated_at > since,
            )
        )
    ).first()
    if row is None:
        return None
    return zlib.decompress(await vault.open(tx, row.person_id, row.body_enc, "conversation.body"))


async def write_conversation(tx: Tx, vault: Vault, contact: Contact, body: bytes, now: datetime) -> None:
    sealed = await vault.seal(
        tx, await key_of(tx, vault, contact), zlib.compress(body, 1), "conversation.body"
    )
    statement = insert(conversation).values(
        contact_id=contact.id, person_id=contact.person_id, body_enc=sealed, updated_at=now
    )
    await tx.execute(
        statement.on_conflict_do_update(
            index_elements=["contact_id"],
            set_={
                "person_id": contact.person_id,
                "body_enc": statement.excluded.body_enc,
                "updated_at": now,
            },
        )
    )


async def read_offer(tx: Tx, vault: Vault, contact_id: int, since: datetime) -> tuple[Choice, ...]:
    """The choices last shown to this contact, in order, if that was after `since`."""
    query = select(offer).where(offer.c.contact_id == contact_id, offer.c.offered_at > since)
    row = (await tx.execute(query)).first()
    if row is None:
        return ()
    body = json.loads(await vault.open_text(tx, row.person_id, row.body_enc, "offer.body"))
    return tuple(Choice(*pair) for pair in body)


async def write_offer(
    tx: Tx, vault: Vault, contact: Contact, choices: tuple[Choice, ...], now: datetime
) -> None:
    """Remember what was offered; nothing offered means that a later "2" is only a number."""
    if not choices:
        await tx.execute(delete(offer).where(offer.c.contact_id == contact.id))
        return
    sealed = await sealed_offer(tx, vault, await key_of(tx, vault, contact), choices)
    statement = insert(offer).values(
        contact_id=contact.id, person_id=contact.person_id, body_enc=sealed, offered_at=now
    )
    await tx.execute(
        statement.on_conflict_do_update(
            index_elements=["contact_id"],
            set_={"person_id": contact.person_id, "body_enc": statement.excluded.body_enc, "offered_at": now},
        )
    )


async def sealed_offer(tx: Tx, vault: Vault, key_id: UUID, choices: tuple[Choice, ...]) -> bytes:
    """What an offer keeps of its choices. Raises MedrepError(ERASED)."""
    body = json.dumps([[choice.id, choice.label] for choice in choices])
    return await vault.seal(tx, key_id, body, "offer.body")


async def write_offers(tx: Tx, offers: Sequence[tuple[Contact, bytes]], now: datetime) -> None:
    """Remember what `sealed_offer` made; the last for a contact counts."""
    last = {contact.id: (contact, sealed) for contact, sealed in offers}
    values = {
        "contacts": sorted(last),
        "people": [last[contact_id][0].person_id for contact_id in sorted(last)],
        "bodies": [last[contact_id][1] for contact_id in sorted(last)],
        "now": now,
    }
    await tx.execute(_OFFERS, values)


_OFFERS = text(
    """
    INSERT INTO offer (contact_id, person_id, body_enc, offered_at)
    SELECT contact_id, person_id, body_enc, :now
    FROM unnest(CAST(:contacts AS bigint[]), CAST(:people AS uuid[]), CAST(:bodies AS bytea[]))
         AS made(contact_id, person_id, body_enc)
    ORDER BY contact_id
    ON CONFLICT (contact_id) DO UPDATE
    SET person_id = excluded.person_id, body_enc = excluded.body_enc, offered_at = excluded.offered_at
    """
)


_EFFECT = select(effect.c.person_id, effect.c.result_enc).where(
    effect.c.turn_id == bindparam("turn"),
    effect.c.action == bindparam("action"),
    effect.c.ordinal == bindparam("ordinal"),
)


async def read_effect(
    tx: Tx, vault: Vault, turn_id: UUID, action: str, ordinal: int
) -> dict[str, Any] | None:
    """What this action call returned before; None: it has not run."""
    row = (await tx.execute(_EFFECT, {"turn": turn_id, "action": action, "ordinal": ordinal})).first()
    if row is None:
        return None
    found: dict[str, Any] = json.loads(
        await vault.open_text(tx, row.person_id, row.result_enc, "effect.result")
    )
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
    row = {"turn_id": turn_id, "action": action, "ordinal": ordinal, "route": route, "contact_id": contact.id}
    await tx.execute(insert(effect), {**row, "person_id": contact.person_id, "result_enc": sealed, "at": now})
