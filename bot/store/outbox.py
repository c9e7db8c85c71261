"""Outbound messages: what a row holds, and writing it with the turn; `outbox_claims` sends it once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import exists, func, select

from bot.model import Account, Attachment, Basis, Choice, Fault, MedrepError, OutboxState, Purpose, Reply
from bot.store import channels
from bot.store.contact_keys import key_of
from bot.store.contacts import Contact
from bot.store.database import Tx, hot
from bot.store.occurrences import Origin
from bot.store.tables import outbox
from bot.store.vault import Vault

OPEN = (OutboxState.WAITING.value, OutboxState.SENDING.value)


# Of an outbox row `earlier`: ordered, and on its way. Later messages of its lane wait for it, unless it waits
# for its hour.
IN_LINE = """earlier.state IN ('waiting', 'sending') AND NOT earlier.unordered
              AND NOT (earlier.parked AND earlier.not_before IS NOT NULL)"""


@dataclass(frozen=True, slots=True)
class Part:
    """One reply within a message, with what entitles it to leave."""

    text: str
    basis: Basis | None


@dataclass(frozen=True, slots=True)
class Draft:
    """One message to write into the outbox: its parts leave as one text, with the choices below; or, in place
    of its one part, a picture that this part says in words."""

    parts: tuple[Part, ...]
    purpose: Purpose
    choices: tuple[Choice, ...] = ()
    unordered: bool = False
    fields: Mapping[str, str] = field(default_factory=dict)  # words of it that a platform's template may take
    template: str = ""  # the account's that is made for it; "": that of its purpose
    attachment: Attachment | None = None
    author: str = ""  # the login of the colleague who picked it; what one typed has that as its basis

    @classmethod
    def of(cls, reply: Reply) -> Draft:
        parts = (Part(reply.text, reply.basis),)
        return cls(parts, reply.purpose, reply.choices, attachment=reply.attachment)

    @property
    def basis(self) -> str | None:
        """What entitles its parts, as the row shows it."""
        return " ".join(str(part.basis) for part in self.parts if part.basis) or None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An outbox row. The text of a timer's occurrence is made when it is sent, from its `origin`."""

    id: int
    contact_id: int
    account: Account
    person_id: UUID
    turn_id: UUID | None
    purpose: Purpose
    priority: int
    state: OutboxState
    body_enc: bytes | None
    occurrence_id: int | None
    basis: str | None
    unordered: bool
    fault: str | None
    fence: int
    attempts: int
    pieces_sent: int
    halved: int
    expires_at: datetime | None
    subject: str | None = None  # what it is about, where we began it
    origin: Origin | None = None  # read where the row is about to be sent

    @classmethod
    def of(cls, row: Any) -> Outgoing:
        """From a row with all columns of the table."""
        return cls(
            id=row.id,
            contact_id=row.contact_id,
            account=Account.parse(row.account),
            person_id=row.person_id,
            turn_id=row.turn_id,
            purpose=Purpose(row.purpose),
            priority=row.priority,
            state=OutboxState(row.state),
            body_enc=None if row.body_enc is None else bytes(row.body_enc),
            occurrence_id=row.occurrence_id,
            basis=row.basis,
            unordered=row.unordered,
            fault=row.fault,
            fence=row.fence,
            attempts=row.attempts,
            pieces_sent=row.pieces_sent,
            halved=row.halved,
            expires_at=row.expires_at,
            subject=row.subject,
        )


async def sealed(tx: Tx, vault: Vault, key_id: UUID, draft: Draft) -> bytes:
    """What a row keeps of a message. Raises MedrepError(ERASED)."""
    body: dict[str, Any] = {
        "parts": [[part.text, str(part.basis) if part.basis else None] for part in draft.parts],
        "choices": [[choice.id, choice.label] for choice in draft.choices],
    }
    if draft.fields:
        body["fields"] = dict(draft.fields)
    if draft.attachment is not None:
        one = draft.attachment
        body["attachment"] = [one.ref, one.version, one.digest]
    if draft.author:
        body["author"] = draft.author
    return await vault.seal(tx, key_id, json.dumps(body), "outbox.body")


async def opened(tx: Tx, vault: Vault, row: Outgoing) -> Draft:
    """The message that a row keeps. Raises MedrepError(ERASED | NO_BASIS: it keeps none)."""
    if row.body_enc is None:
        raise MedrepError(Fault.NO_BASIS, "its text is not made yet")
    body = json.loads(await vault.open_text(tx, row.person_id, row.body_enc, "outbox.body"))
    return Draft(
        parts=tuple(Part(words, Basis.parse(basis) if basis else None) for words, basis in body["parts"]),
        purpose=row.purpose,
        choices=tuple(Choice(*choice) for choice in body["choices"]),
        unordered=row.unordered,
        fields=body.get("fields", {}),
        attachment=Attachment(*body["attachment"]) if body.get("attachment") else None,
        author=body.get("author", ""),
    )


@dataclass(frozen=True, slots=True)
class Added:
    """A message as it was queued. `passive`: a connection may carry it."""

    row: Outgoing
    passive: bool


async def add(
    tx: Tx,
    vault: Vault,
    contact: Contact,
    draft: Draft,
    *,
    now: datetime,
    retry_at: datetime,
    turn_id: UUID | None = None,
    passive: tuple[int, datetime] | None = None,
    written_until: datetime | None = None,
    expires_at: datetime | None = None,
    subject: str | None = None,
) -> Added:
    """Queue a message.

    `passive`: the message whose connection may carry it, unless an earlier answer is still on its way, which
    nothing may overtake; whoever ends that message's turn wakes the connection. With `written_until` (real
    time) it is taken for that connection at once, and uncertain if nothing is settled until then.
    `subject`: the row that it is about, where we began it.
    """
    body = await sealed(tx, vault, await key_of(tx, vault, contact), draft)
    inbox_id, until = passive or (None, None)
    values = {
        "contact": contact.id,
        "person": contact.person_id,
        "account": str(contact.account),
        "turn": turn_id,
        "body": body,
        "basis": draft.basis,
        "purpose": draft.purpose.value,
        "subject": subject,
        "unordered": draft.unordered,
        "inbox": inbox_id,
        "until": until,
        "written_until": written_until,
        "now": now,
        "expires_at": expires_at,
        "retry_at": retry_at,
    }
    (row,) = await hot(tx, _ADD, values)
    return Added(Outgoing.of(row), row.passive_inbox_id is not None)


# A row that is taken at once is as `outbox_claims.take` leaves it. The sender is woken unless a connection
# has its chance first.
_ADD = f"""
    WITH carried AS (
        SELECT %(inbox)s::bigint AS inbox_id, %(until)s::timestamptz AS until
        WHERE %(unordered)s OR NOT EXISTS (
            SELECT FROM outbox AS earlier
            WHERE earlier.contact_id = %(contact)s AND earlier.lane = 'reply' AND {IN_LINE})
    ), way AS (
        SELECT inbox_id, until,
               inbox_id IS NOT NULL AND %(written_until)s::timestamptz IS NOT NULL AS taken
        FROM (SELECT) AS always LEFT JOIN carried ON true
    ), added AS (
        INSERT INTO outbox (contact_id, person_id, account, turn_id, body_enc, basis, purpose, subject,
                            unordered, passive_inbox_id, passive_until, created_at, expires_at, retry_at,
                            state, via, written_at, lease_until, fence)
        SELECT %(contact)s, %(person)s, %(account)s, %(turn)s, %(body)s, %(basis)s, %(purpose)s, %(subject)s,
               %(unordered)s, inbox_id, until, %(now)s, %(expires_at)s, %(retry_at)s,
               CASE WHEN taken THEN 'sending' ELSE 'waiting' END, CASE WHEN taken THEN 'passive' END,
               CASE WHEN taken THEN %(retry_at)s::timestamptz END,
               CASE WHEN taken THEN %(written_until)s::timestamptz END, CASE WHEN taken THEN 1 ELSE 0 END
        FROM way
        RETURNING *
    )
    SELECT *, CASE WHEN passive_inbox_id IS NULL THEN pg_notify('{channels.OUTBOX}', '') END AS woken
    FROM added
    """  # noqa: S608 - the name is a constant of ours


async def read(tx: Tx, outbox_id: int) -> Outgoing:
    return Outgoing.of((await tx.execute(select(outbox).where(outbox.c.id == outbox_id))).one())


async def choices(tx: Tx, vault: Vault, contact_id: int, outbox_id: int) -> tuple[Choice, ...]:
    """What this message to this contact offered, in order; nothing, if there is no such message to read."""
    query = select(outbox).where(outbox.c.id == outbox_id, outbox.c.contact_id == contact_id)
    row = (await tx.execute(query)).first()
    if row is None or not row.body_enc:
        return ()
    try:
        return (await opened(tx, vault, Outgoing.of(row))).choices
    except MedrepError as error:
        if error.fault != Fault.ERASED:
            raise
        return ()


async def said_since(tx: Tx, vault: Vault, contact_id: int, since: datetime, limit: int) -> list[Draft]:
    """What this contact was last told since then, the newest first; what never leaves is not told."""
    query = (
        select(outbox)
        .where(
            outbox.c.contact_id == contact_id,
            outbox.c.created_at > since,
            outbox.c.body_enc.is_not(None),
            outbox.c.state.not_in(_UNTOLD),
        )
        .order_by(outbox.c.id.desc())
        .limit(limit)
    )
    return [await opened(tx, vault, Outgoing.of(row)) for row in await tx.execute(query)]


_UNTOLD = ("failed", "blocked", "expired", "cancelled")


async def has_left(tx: Tx, contact_id: int, response: str) -> bool:
    """Whether a message with this response has left for the contact."""
    query = exists().where(
        outbox.c.contact_id == contact_id,
        outbox.c.state.in_([OutboxState.SENT.value, OutboxState.DELIVERED.value]),
        outbox.c.basis.contains(f"response:{response}@", autoescape=True),
    )
    return bool((await tx.execute(select(query))).scalar_one())


async def depth(tx: Tx) -> dict[str, int]:
    """How many rows stand in each open or stuck state."""
    rows = await tx.execute(
        select(outbox.c.state, func.count())
        .where(outbox.c.state.in_([*OPEN, OutboxState.HELD.value, OutboxState.UNKNOWN.value]))
        .group_by(outbox.c.state)
    )
    return {str(row[0]): int(row[1]) for row in rows.all()}
