"""Private notes of colleagues on a conversation. They are sealed, and never sent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from bot.store.contact_keys import key_of
from bot.store.contacts import Contact
from bot.store.database import Tx, hot
from bot.store.desk import opened
from bot.store.desk_chats import HELD
from bot.store.vault import Vault

BODY = "chat_note.body"


@dataclass(frozen=True, slots=True)
class ChatNote:
    """`withheld`: the role whose talk it belongs to, as of a message."""

    id: int
    at: datetime
    login: str
    name: str
    text: str
    withheld: str


async def add(
    tx: Tx, vault: Vault, contact: Contact, staff_id: UUID, text: str, now: datetime
) -> tuple[int, bytes]:
    """Its id, and its words as they are kept."""
    sealed = await vault.seal(tx, await key_of(tx, vault, contact), text, BODY)
    values = {
        "contact": contact.id,
        "person": contact.person_id,
        "staff": staff_id,
        "body": sealed,
        "at": now,
    }
    (row,) = await hot(tx, _ADD, values)
    return row.id, sealed


_ADD = """
    INSERT INTO chat_note (contact_id, person_id, staff_id, body_enc, at)
    VALUES (%(contact)s, %(person)s, %(staff)s, %(body)s, %(at)s) RETURNING id
    """

# A note belongs to the talk of medical or pv when one of them wrote it, or had the conversation by then; what
# goes along as it is handed to them was written before.
_BY = HELD.format(table="chat_note", at="at").replace("started_at <=", "started_at <")
_OF_CONTACT = f"""
    SELECT chat_note.id, chat_note.at, chat_note.person_id, chat_note.body_enc, staff.login, staff.name,
           coalesce({_BY}, (SELECT min(role) FROM staff_role
                            WHERE staff_role.staff_id = chat_note.staff_id AND role IN ('medical', 'pv'))
           ) AS withheld
    FROM chat_note JOIN staff ON staff.id = chat_note.staff_id
    WHERE chat_note.contact_id = %(contact)s ORDER BY chat_note.id DESC LIMIT %(limit)s
    """  # noqa: S608 - parts of ours


async def of_contact(tx: Tx, vault: Vault, contact_id: int, limit: int) -> list[ChatNote]:
    """The newest, the oldest of them first."""
    found = []
    for row in reversed(await hot(tx, _OF_CONTACT, {"contact": contact_id, "limit": limit})):
        text = await opened(tx, vault, row.person_id, row.body_enc, BODY)
        found.append(ChatNote(row.id, row.at, row.login or "", row.name, text, row.withheld or ""))
    return found
