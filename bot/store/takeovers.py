"""Takeovers: which colleague speaks with which contact, and what they typed. All times are business time."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Text, bindparam, cast, exists, func, literal, select, update
from sqlalchemy.dialects.postgresql import ARRAY, insert

from bot.model import Basis, BasisKind, InboundKind
from bot.store.database import Tx, hot
from bot.store.tables import contact, evidence, inbox, outbox, staff, staff_role, takeover
from bot.store.vault import Vault

TYPED = "message.typed"  # the evidence of what a colleague wrote; its body is the outbox row's


@dataclass(frozen=True, slots=True)
class Takeover:
    """An open takeover. `person_id` is the contact's."""

    id: int
    contact_id: int
    person_id: UUID
    login: str
    started_at: datetime
    last_at: datetime


_OPEN = (
    select(
        takeover.c.id,
        takeover.c.contact_id,
        contact.c.person_id,
        staff.c.login,
        takeover.c.started_at,
        takeover.c.last_at,
    )
    .join(contact, contact.c.id == takeover.c.contact_id)
    .join(staff, staff.c.id == takeover.c.staff_id)
    .where(takeover.c.ended_at.is_(None))
)

_OPEN_OF = _OPEN.where(takeover.c.contact_id == func.any(bindparam("contacts", type_=ARRAY(BigInteger))))


async def open_of(tx: Tx, contact_ids: Collection[int], *, lock: bool = False) -> dict[int, Takeover]:
    """The open takeovers of these contacts, be they over by their colleague's silence; by contact."""
    query = _OPEN_OF.with_for_update(of=takeover) if lock else _OPEN_OF
    rows = await tx.execute(query, {"contacts": list(contact_ids)})
    return {row.contact_id: Takeover(*row) for row in rows}


async def silent(tx: Tx, before: datetime, limit: int) -> list[int]:
    """Open ones whose colleague has written nothing since then."""
    query = select(takeover.c.id).where(takeover.c.ended_at.is_(None), takeover.c.last_at <= before)
    return list((await tx.execute(query.limit(limit))).scalars())


async def lock_silent(tx: Tx, takeover_ids: Sequence[int], before: datetime) -> list[Takeover]:
    """Those of these that are still so and that nobody else has locked, locked."""
    query = _OPEN.where(takeover.c.id.in_(takeover_ids), takeover.c.last_at <= before)
    rows = await tx.execute(query.with_for_update(of=takeover, skip_locked=True))
    return [Takeover(*row) for row in rows]


async def add(tx: Tx, contact_id: int, staff_id: UUID, now: datetime) -> int | None:
    """A new takeover's id; None when the contact has an open one."""
    added: int | None = (
        await tx.execute(
            insert(takeover)
            .values(contact_id=contact_id, staff_id=staff_id, started_at=now, last_at=now)
            .on_conflict_do_nothing()  # uq_takeover_open
            .returning(takeover.c.id)
        )
    ).scalar()
    return added


async def renew(tx: Tx, takeover_id: int, now: datetime) -> None:
    """Its colleague has just written, or looked."""
    await tx.execute(update(takeover).where(takeover.c.id == takeover_id).values(last_at=now))


async def end(tx: Tx, takeover_id: int, now: datetime) -> None:
    await tx.execute(update(takeover).where(takeover.c.id == takeover_id).values(ended_at=now))


async def typed(tx: Tx, outbox_id: int, basis: Basis, roles: Collection[str]) -> bool:
    """Whether this outbox row is, to the letter, what the colleague of the basis typed in the takeover named
    there; and whether that colleague still has a login and one of these roles."""
    query = exists().where(
        outbox.c.id == outbox_id,
        evidence.c.contact_id == outbox.c.contact_id,
        evidence.c.kind == TYPED,
        evidence.c.subject == "outbox:" + cast(outbox.c.id, Text),
        evidence.c.body_enc == outbox.c.body_enc,
        evidence.c.facts["login"].astext == basis.ref,
        takeover.c.contact_id == outbox.c.contact_id,
        cast(takeover.c.id, Text) == basis.version,
        staff.c.id == takeover.c.staff_id,
        staff.c.login == basis.ref,
        staff.c.disabled_at.is_(None),
        staff_role.c.staff_id == staff.c.id,
        staff_role.c.role.in_(roles),
    )
    return bool((await tx.execute(select(query))).scalar_one())


@dataclass(frozen=True, slots=True)
class Receiver:
    """A colleague who may be given a conversation. `role`: as which one."""

    id: UUID
    login: str
    name: str
    role: str


async def receivers(tx: Tx, contact_id: int) -> list[Receiver]:
    """Who may be given this conversation: whoever speaks with people and sees this one (0025), by role."""
    return [Receiver(*row) for row in await hot(tx, _RECEIVERS, {"contact": contact_id})]


_RECEIVERS = """
    SELECT id, login, name, role FROM (
        SELECT DISTINCT ON (staff.id) staff.id, staff.login, staff.name, staff_role.role
        FROM contact
        LEFT JOIN doctor ON doctor.person_id = contact.person_id
        LEFT JOIN staff AS rep ON rep.id = doctor.rep_id
        JOIN staff ON staff.disabled_at IS NULL AND staff.login IS NOT NULL
        JOIN staff_role ON staff_role.staff_id = staff.id
        WHERE contact.id = %(contact)s AND (
            staff_role.role = 'pv'
            OR contact.audience = 'doctor' AND (
                staff_role.role = 'medical'
                OR staff_role.role = 'rep' AND staff.id = rep.id
                OR staff_role.role = 'manager'
                   AND (rep.id IS NULL OR rep.id = staff.id OR rep.team <> '' AND rep.team = staff.team)))
        ORDER BY staff.id, staff_role.role = 'rep' DESC, staff_role.role
    ) AS found ORDER BY role, name, login
    """


@dataclass(frozen=True, slots=True)
class ConversationMessage:
    """One message of a conversation, as a colleague reads it. `author`: person, bot, or a login."""

    at: datetime
    author: str
    text: str


async def conversation(tx: Tx, vault: Vault, contact_id: int, since: datetime) -> list[ConversationMessage]:
    """What was written on both sides since then, oldest first. Raises MedrepError(ERASED)."""
    received = select(
        literal("in").label("direction"), inbox.c.received_at, inbox.c.id, inbox.c.person_id, inbox.c.body_enc
    ).where(
        inbox.c.contact_id == contact_id,
        inbox.c.received_at > since,
        inbox.c.kind.in_([InboundKind.TEXT.value, InboundKind.CHOICE.value, InboundKind.MEDIA.value]),
    )
    sent = select(
        literal("out"), outbox.c.created_at, outbox.c.id, outbox.c.person_id, outbox.c.body_enc
    ).where(outbox.c.contact_id == contact_id, outbox.c.created_at > since, outbox.c.body_enc.is_not(None))
    found = []
    for row in [*(await tx.execute(received)), *(await tx.execute(sent))]:
        direction, at, number, person_id, sealed = row
        if sealed:
            place = "inbox.body" if direction == "in" else "outbox.body"
            body = json.loads(await vault.open_text(tx, person_id, sealed, place))
            found.append((at, direction, number, _message(at, direction, body)))
    return [message for *_, message in sorted(found, key=lambda item: item[:3])]


def _message(at: datetime, direction: str, body: dict[str, object]) -> ConversationMessage:
    if direction == "in":
        detail = body["detail"]
        media = detail.get("type", "") if isinstance(detail, dict) else ""
        return ConversationMessage(at, "person", str(body["text"]) or f"[{media or 'media'}]")
    parts: list[list[str]] = body["parts"]  # type: ignore[assignment]
    bases = [Basis.parse(basis) for _, basis in parts if basis]
    if any(basis.kind == BasisKind.ANSWER for basis in bases):
        return ConversationMessage(at, "medical", "[医学信息部的答复，内容仅医学部可见]")
    typed = next((basis.ref for basis in bases if basis.kind == BasisKind.PERSON), "bot")
    author = str(body.get("author") or typed)
    return ConversationMessage(at, author, "\n\n".join(text for text, _ in parts))
