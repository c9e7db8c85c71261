"""Outbound messages: written with the turn, claimed in order, sent once."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, FromClause, and_, case, exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from bot.model import Account, Basis, Channel, Choice, Fault, MedrepError, OutboxState, Purpose, Reply
from bot.store import channels, tables
from bot.store.contacts import Contact
from bot.store.database import Tx, notify
from bot.store.keys import Vault
from bot.store.tables import circuit, outbox

OPEN = (OutboxState.WAITING.value, OutboxState.SENDING.value)


_account = tables.contact.c.channel + ":" + tables.contact.c.account


def in_line(row: FromClause) -> ColumnElement[bool]:
    """Ordered, and on its way: later messages of its lane wait for it, unless it waits for its hour."""
    return and_(row.c.state.in_(OPEN), ~row.c.unordered, row.c.fault.is_distinct_from(Fault.NOT_NOW.value))


def answers(row: FromClause) -> ColumnElement[bool]:
    """In the lane of what was asked for, which reminders and visits never hold up."""
    return row.c.lane == "reply"


@dataclass(frozen=True, slots=True)
class Part:
    """One reply within a message, with what entitles it to leave."""

    text: str
    basis: Basis | None


@dataclass(frozen=True, slots=True)
class Draft:
    """One message to write into the outbox: its parts leave as one text, with the choices below."""

    parts: tuple[Part, ...]
    purpose: Purpose
    choices: tuple[Choice, ...] = ()
    unordered: bool = False

    @classmethod
    def of(cls, reply: Reply, *, unordered: bool = False) -> Draft:
        return cls((Part(reply.text, reply.basis),), reply.purpose, reply.choices, unordered)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One claimed outbox row.

    `draft` is None for an occurrence of a timer until its text is made (`bot.outbound.wording`), at each try
    anew; `fields` are then what may stand in a platform's template. `sealed` is the ciphertext of the text.
    """

    id: int
    contact_id: int
    account: Account
    person_id: UUID
    turn_id: UUID | None
    purpose: Purpose
    draft: Draft | None
    occurrence_id: int | None
    basis: str | None
    sealed: bytes | None
    fence: int
    attempts: int
    pieces_sent: int
    halved: int
    expires_at: datetime | None
    fields: Mapping[str, str] = field(default_factory=dict)


async def seal(
    tx: Tx, vault: Vault, person_id: UUID, draft: Draft, fields: Mapping[str, str] | None = None
) -> tuple[bytes, str | None]:
    """The ciphertext of a message, and its bases. `fields`: its words that a platform's template takes."""
    body: dict[str, Any] = {
        "parts": [[part.text, str(part.basis) if part.basis else None] for part in draft.parts],
        "choices": [[choice.id, choice.label] for choice in draft.choices],
    }
    if fields:
        body["fields"] = dict(fields)
    sealed = await vault.seal(tx, person_id, json.dumps(body), "outbox.body")
    return sealed, " ".join(str(part.basis) for part in draft.parts if part.basis) or None


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
    expires_at: datetime | None = None,
) -> tuple[int, bytes]:
    """Queue a message; its id and ciphertext. `passive`: the message whose connection may carry it."""
    sealed, basis = await seal(tx, vault, contact.person_id, draft)
    outbox_id: int = (
        await tx.execute(
            insert(outbox)
            .values(
                contact_id=contact.id,
                person_id=contact.person_id,
                turn_id=turn_id,
                body_enc=sealed,
                basis=basis,
                purpose=draft.purpose.value,
                state=OutboxState.WAITING.value,
                unordered=draft.unordered,
                passive_inbox_id=passive[0] if passive else None,
                passive_until=passive[1] if passive else None,
                created_at=now,
                expires_at=expires_at,
                retry_at=retry_at,
            )
            .returning(outbox.c.id)
        )
    ).scalar_one()
    if passive:
        await notify(tx, channels.PASSIVE, str(passive[0]))
    await notify(tx, channels.OUTBOX)
    return outbox_id, sealed


async def claim(
    tx: Tx,
    now: datetime,
    business_now: datetime,
    lease: timedelta,
    limit: int,
    accounts: Collection[Account],
) -> tuple[int, ...]:
    """Take rows of these accounts that may be pushed now, the oldest of each contact's lane; the ids, in
    state `sending`. What is urgent goes first: safety, replies, reminders, service, promotion.

    `written_at` stays empty until the row is handed to the platform: whose sender dies before that has
    certainly not left.
    """
    earlier = outbox.alias()
    first_in_line = or_(
        outbox.c.unordered,
        ~exists().where(
            earlier.c.contact_id == outbox.c.contact_id,
            earlier.c.lane == outbox.c.lane,
            in_line(earlier),
            earlier.c.id < outbox.c.id,
        ),
    )
    quiet = exists().where(circuit.c.account == _account, circuit.c.open_until > now)
    ready = (
        await tx.execute(
            select(outbox.c.id)
            .join(tables.contact, tables.contact.c.id == outbox.c.contact_id)
            .where(
                outbox.c.state == OutboxState.WAITING.value,
                outbox.c.retry_at <= now,
                _account.in_([str(account) for account in accounts]),
                or_(outbox.c.passive_until.is_(None), outbox.c.passive_until < now),
                or_(outbox.c.not_before.is_(None), outbox.c.not_before <= business_now),
                or_(outbox.c.expires_at.is_(None), outbox.c.expires_at >= business_now),
                first_in_line,
                ~quiet,
            )
            .order_by(outbox.c.priority, outbox.c.id)
            .limit(limit)
            .with_for_update(of=outbox, skip_locked=True)
        )
    ).scalars()
    taken = await tx.execute(
        update(outbox)
        .where(outbox.c.id.in_(list(ready)))
        .values(
            state=OutboxState.SENDING.value,
            via="active",
            lease_until=now + lease,
            written_at=None,
            fence=outbox.c.fence + 1,
            attempts=outbox.c.attempts + 1,
        )
        .returning(outbox.c.id)
    )
    return tuple(sorted(taken.scalars()))


async def unserved(tx: Tx, since: datetime, accounts: Collection[Account]) -> list[str]:
    """Other accounts than these with messages that could have left since then and were never claimed."""
    rows = await tx.execute(
        select(_account)
        .distinct()
        .join_from(outbox, tables.contact, tables.contact.c.id == outbox.c.contact_id)
        .where(
            outbox.c.state == OutboxState.WAITING.value,
            outbox.c.attempts == 0,
            outbox.c.retry_at < since,
            _account.not_in([str(account) for account in accounts]),
        )
    )
    return list(rows.scalars())


async def hand_over(tx: Tx, row: Outgoing, now: datetime, lease: timedelta, *, pieces: int) -> None:
    """From the commit on it may be with the platform; `pieces` of it certainly are.

    Raises MedrepError(LEASE_LOST) when it is no longer ours.
    """
    done = await tx.execute(
        update(outbox)
        .where(
            outbox.c.id == row.id,
            outbox.c.fence == row.fence,
            outbox.c.state == OutboxState.SENDING.value,
        )
        .values(written_at=now, lease_until=now + lease, pieces_sent=pieces, **_words(row))
        .returning(outbox.c.id)
    )
    if done.first() is None:
        raise MedrepError(Fault.LEASE_LOST, "somebody else decides about this row")


async def take(
    tx: Tx, row: Outgoing, now: datetime, lease: timedelta, *, via: str, held: bool = False
) -> Outgoing | None:
    """The row, on another way than the loop's push; None when somebody else has it meanwhile.

    `held`: only if it is still on hold.
    """
    ours = [outbox.c.id == row.id, outbox.c.fence == row.fence]
    if held:
        ours.append(outbox.c.state == OutboxState.HELD.value)
    fence: int | None = (
        await tx.execute(
            update(outbox)
            .where(*ours)
            .values(
                state=OutboxState.SENDING.value,
                via=via,
                lease_until=now + lease,
                written_at=now,
                fence=outbox.c.fence + 1,
                **_words(row),
            )
            .returning(outbox.c.fence)
        )
    ).scalar()
    return None if fence is None else replace(row, fence=fence)


def _words(row: Outgoing) -> dict[str, Any]:
    """What may be with the platform from now on is what the row says; an erasure meanwhile stays one."""
    if row.occurrence_id is None or row.sealed is None:
        return {}
    erased = outbox.c.body_enc == b""
    return {"basis": row.basis, "body_enc": case((erased, outbox.c.body_enc), else_=row.sealed)}


async def read(tx: Tx, vault: Vault, outbox_id: int) -> Outgoing:
    """A row with its body decrypted. Raises MedrepError(ERASED)."""
    row = (
        await tx.execute(
            select(outbox, tables.contact.c.channel, tables.contact.c.account)
            .join(tables.contact, tables.contact.c.id == outbox.c.contact_id)
            .where(outbox.c.id == outbox_id)
        )
    ).one()
    purpose, draft = Purpose(row.purpose), None
    if row.occurrence_id is None or row.pieces_sent:  # the rest of a text belongs to its beginning
        body = json.loads(await vault.open_text(tx, row.person_id, row.body_enc, "outbox.body"))
        draft = Draft(
            parts=tuple(Part(text, Basis.parse(basis) if basis else None) for text, basis in body["parts"]),
            purpose=purpose,
            choices=tuple(Choice(*choice) for choice in body["choices"]),
            unordered=row.unordered,
        )
    return Outgoing(
        id=row.id,
        contact_id=row.contact_id,
        account=Account(Channel(row.channel), row.account),
        person_id=row.person_id,
        turn_id=row.turn_id,
        purpose=purpose,
        draft=draft,
        occurrence_id=row.occurrence_id,
        basis=row.basis,
        sealed=row.body_enc,
        fence=row.fence,
        attempts=row.attempts,
        pieces_sent=row.pieces_sent,
        halved=row.halved,
        expires_at=row.expires_at,
    )


async def choices(tx: Tx, vault: Vault, contact_id: int, outbox_id: int) -> tuple[Choice, ...]:
    """What this message to this contact offered, in order; nothing, if there is no such message to read."""
    query = select(outbox.c.person_id, outbox.c.body_enc)
    row = (await tx.execute(query.where(outbox.c.id == outbox_id, outbox.c.contact_id == contact_id))).first()
    if row is None or not row.body_enc:
        return ()
    try:
        body = json.loads(await vault.open_text(tx, row.person_id, row.body_enc, "outbox.body"))
    except MedrepError as error:
        if error.fault != Fault.ERASED:
            raise
        return ()
    return tuple(Choice(*choice) for choice in body["choices"])


async def depth(tx: Tx) -> dict[str, int]:
    """How many rows stand in each open or stuck state."""
    rows = await tx.execute(
        select(outbox.c.state, func.count())
        .where(outbox.c.state.in_([*OPEN, OutboxState.HELD.value, OutboxState.UNKNOWN.value]))
        .group_by(outbox.c.state)
    )
    return {str(row[0]): int(row[1]) for row in rows.all()}
