"""Whom we write to, and how we have been in contact with them lately: what the policy of the exit asks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from bot.store.contacts import COLUMNS, SOURCE, Contact, SealedAddress, contact_of
from bot.store.database import Tx, hot


@dataclass(frozen=True, slots=True)
class Recipient:
    contact: Contact
    address: SealedAddress


async def recipients(tx: Tx, contact_ids: Collection[int]) -> dict[int, Recipient]:
    """These contacts. An erasure of any of them waits until this transaction ends, or was before."""
    rows = await hot(tx, _RECIPIENTS, {"contacts": list(contact_ids)})
    return {
        row.id: Recipient(contact_of(row), SealedAddress(row.person_id, bytes(row.address_enc)))
        for row in rows
    }


# The lock of a foreign key: an erasure takes FOR UPDATE of the same rows, in the same order, before all else.
_RECIPIENTS = f"""
    SELECT {COLUMNS}, contact.address_enc FROM {SOURCE}
    WHERE contact.id = ANY(CAST(%(contacts)s AS bigint[])) ORDER BY contact.id FOR KEY SHARE OF contact
    """  # noqa: S608 - the columns are constants of ours


async def lock_contacts(tx: Tx, contact_ids: Collection[int]) -> None:
    """Wait for what these contacts are just writing, and let nothing more in before this transaction ends.

    Rows of ours that point to a contact may be added meanwhile: a sender that holds its windows adds an
    offer, and whoever has this lock may be waiting for those windows.
    """
    await hot(tx, _LOCK_CONTACTS, {"contacts": list(contact_ids)})


_LOCK_CONTACTS = """
    SELECT id FROM contact WHERE id = ANY(CAST(%(contacts)s AS bigint[])) ORDER BY id FOR NO KEY UPDATE
    """


async def lock(tx: Tx, person_ids: Collection[UUID]) -> dict[UUID, datetime | None]:
    """Lock the rows of these people until this transaction ends, and tell when each said stop.

    A stop, a resume and every consent change or lock the row of `person`, and so does each batch that sends
    them something we begin: what is read after this call holds until the end of the transaction.
    """
    rows = await hot(tx, _LOCK, {"people": list(person_ids)})
    return {row.id: row.stopped_at for row in rows}


_LOCK = """
    SELECT id, stopped_at FROM person
    WHERE id = ANY(CAST(%(people)s AS uuid[])) ORDER BY id FOR NO KEY UPDATE
    """


async def sent(
    tx: Tx, person_ids: Collection[UUID], since: datetime, now: datetime
) -> dict[UUID, tuple[tuple[UUID | None, datetime], ...]]:
    """When service and promotion left since then (business time), on all contacts of each person, and in
    which turn, if in any; what is with the platform at this moment counts as `now`."""
    values = {"people": list(person_ids), "since": since, "now": now}
    moments: dict[UUID, tuple[tuple[UUID | None, datetime], ...]] = defaultdict(tuple)
    for row in await hot(tx, _SENT, values):
        moments[row.person_id] += ((row.turn_id, row.moment),)
    return moments


# Two queries, each with an index of its own. The purposes stand in the text: ix_outbox_courtesy holds these
# alone, and the planner does not use it for a parameter.
_SENT = """
    SELECT contact.person_id, outbox.turn_id, outbox.sent_at AS moment
    FROM contact JOIN outbox ON outbox.contact_id = contact.id
    WHERE contact.person_id = ANY(CAST(%(people)s AS uuid[])) AND outbox.purpose IN ('service', 'promotion')
      AND outbox.sent_at > %(since)s
    UNION ALL
    SELECT contact.person_id, outbox.turn_id, CAST(%(now)s AS timestamptz)
    FROM contact JOIN outbox ON outbox.contact_id = contact.id
    WHERE contact.person_id = ANY(CAST(%(people)s AS uuid[])) AND outbox.purpose IN ('service', 'promotion')
      AND outbox.state = 'sending' AND outbox.written_at IS NOT NULL AND outbox.sent_at IS NULL
    """


async def conversations(tx: Tx, person_ids: Collection[UUID], since: datetime) -> dict[UUID, frozenset[UUID]]:
    """The turns of each person that they began since then (real time) by writing."""
    found: dict[UUID, frozenset[UUID]] = defaultdict(frozenset)
    for row in await hot(tx, _CONVERSATIONS, {"people": list(person_ids), "since": since}):
        found[row.person_id] |= {row.turn_id}
    return found


_CONVERSATIONS = """
    SELECT contact.person_id, turn.id AS turn_id
    FROM contact JOIN turn ON turn.contact_id = contact.id
    WHERE contact.person_id = ANY(CAST(%(people)s AS uuid[])) AND turn.started_at > %(since)s
      AND turn.purpose IS NULL
    """


async def wrote_since(tx: Tx, contact_id: int, moment: datetime) -> bool:
    """Whether the contact has sent us anything after then (business time)."""
    found = await tx.execute(_WROTE, {"contact": contact_id, "moment": moment})
    return bool(found.scalar_one())


_WROTE = text(
    """
    SELECT EXISTS (
        SELECT FROM inbox
        WHERE contact_id = :contact AND kind IN ('text', 'choice', 'media') AND received_at > :moment)
    """
)


@dataclass(frozen=True, slots=True)
class OpenWindow:
    """What a platform grants: what opened it (message | click), until when, how many messages may leave."""

    act: str
    closes_at: datetime
    left: int


async def windows(tx: Tx, contact_ids: Collection[int], now: datetime) -> dict[int, tuple[OpenWindow, ...]]:
    """The windows of these contacts that are open, what is used up included."""
    found: dict[int, tuple[OpenWindow, ...]] = defaultdict(tuple)
    for row in await hot(tx, _WINDOWS, {"contacts": list(contact_ids), "now": now}):
        found[row.contact_id] += (OpenWindow(row.act, row.closes_at, row.remaining),)
    return found


_WINDOWS = """
    SELECT contact_id, act, closes_at, allowance - used AS remaining FROM send_window
    WHERE contact_id = ANY(CAST(%(contacts)s AS bigint[])) AND closes_at > %(now)s ORDER BY contact_id, act
    """


async def open_windows(tx: Tx, contact_ids: Collection[int], now: datetime) -> frozenset[int]:
    """Those of these contacts to whom the platform lets us write freely."""
    rows = await tx.execute(_OPEN_WINDOWS, {"contacts": list(contact_ids), "now": now})
    return frozenset(rows.scalars())


_OPEN_WINDOWS = text(
    """
    SELECT contact_id FROM send_window
    WHERE contact_id = ANY(CAST(:contacts AS bigint[])) AND closes_at > :now
    """
)
