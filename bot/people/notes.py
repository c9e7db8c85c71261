"""What colleagues tell each other about a conversation: kept with it, sealed, never sent.

What forbids a text forbids a note, since notes are read when a conversation is looked into; and an adverse
event that a colleague writes down is a case, as if the person had told it.
"""

from __future__ import annotations

from datetime import datetime

from bot.compliance import check_text
from bot.evidence import note
from bot.model import Fault, MedrepError
from bot.people.takeover import ROLES, refusal
from bot.safety import screen
from bot.staff import colleague
from bot.store import chat_notes
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.vault import Vault
from bot.tasks import report_case

LONGEST = 1000  # characters


async def write(tx: Tx, vault: Vault, contact: Contact, login: str, text: str, now: datetime) -> int:
    """The note's id. Raises MedrepError(BAD_INPUT | REFUSED_TEXT | NOT_FOUND | CONFLICT)."""
    writer = await colleague(tx, login, ROLES)
    if not text.strip() or len(text) > LONGEST:
        raise MedrepError(Fault.BAD_INPUT, f"a note is 1 to {LONGEST} characters")
    if findings := check_text(text, contact.audience):
        raise refusal(text, findings)
    number, sealed = await chat_notes.add(tx, vault, contact, writer.id, text, now)
    await note(tx, "note.written", now, f"note:{number}", contact, body_enc=sealed, login=login)
    if screen(text, contact.audience).adverse_event:
        await report_case(tx, vault, now=now, contact=contact, key=f"note:{number}", words=text)
    return number
