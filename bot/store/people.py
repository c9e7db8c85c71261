"""People across their contacts: who turned out to be whom, and how often somebody tried."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.errors import UniqueViolation
from sqlalchemy import ScalarSelect, and_, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from bot.model import Account, Channel, Fault, MedrepError
from bot.store.database import Tx, copy_in
from bot.store.keyring import Keyring
from bot.store.tables import attempt, contact, conversation, offer, person, task


@dataclass(frozen=True, slots=True)
class Holder:
    """The contact with some address, and whose it is."""

    contact_id: int
    person_id: UUID
    kind: str  # of the person


async def holders(tx: Tx, account: Account, digests: Collection[bytes]) -> dict[bytes, Holder]:
    """The contacts with these address digests on an account; locked until the transaction ends."""
    rows = await tx.execute(
        select(contact.c.id, contact.c.person_id, contact.c.address_hmac, person.c.kind)
        .join(person, person.c.id == contact.c.person_id)
        .where(
            contact.c.channel == account.channel.value,
            contact.c.account == account.name,
            contact.c.address_hmac == func.any(list(digests)),
        )
        .order_by(contact.c.id)
        .with_for_update(of=contact)
    )
    return {bytes(row.address_hmac): Holder(row.id, row.person_id, row.kind) for row in rows}


async def lock_contacts(
    tx: Tx, digests: Mapping[Account, Collection[bytes]], person_ids: Collection[UUID]
) -> None:
    """Lock the contacts with these address digests and those of these people, until the transaction ends: in
    one statement, by id, as a sender locks those of its batch."""
    named = [
        and_(
            contact.c.channel == account.channel.value,
            contact.c.account == account.name,
            contact.c.address_hmac == func.any(list(wanted)),
        )
        for account, wanted in digests.items()
    ]
    theirs = contact.c.person_id == func.any(list(person_ids))
    await tx.execute(select(contact.c.id).where(or_(theirs, *named)).order_by(contact.c.id).with_for_update())


@dataclass(frozen=True, slots=True)
class Bound:
    contact_id: int
    person_id: UUID
    account: Account


async def contacts_of(tx: Tx, person_ids: Collection[UUID]) -> list[Bound]:
    """Every contact of these people."""
    rows = await tx.execute(
        select(contact.c.id, contact.c.person_id, contact.c.channel, contact.c.account)
        .where(contact.c.person_id == func.any(list(person_ids)))
        .order_by(contact.c.id)
    )
    return [Bound(row.id, row.person_id, Account(Channel(row.channel), row.account)) for row in rows]


async def lock_contact(tx: Tx, contact_id: int) -> Holder:
    """Whose this contact is now; nobody reassigns it until the transaction ends."""
    row = (
        await tx.execute(
            select(contact.c.person_id, person.c.kind)
            .join(person, person.c.id == contact.c.person_id)
            .where(contact.c.id == contact_id)
            .with_for_update(of=contact)
        )
    ).one()
    return Holder(contact_id, row.person_id, row.kind)


async def lock_present(tx: Tx, person_id: UUID) -> None:
    """Nobody erases this person before this transaction ends. Raises MedrepError(ERASED): somebody has."""
    query = select(person.c.erased_at).where(person.c.id == person_id)
    if (await tx.execute(query.with_for_update(read=True, key_share=True))).scalar_one() is not None:
        raise MedrepError(Fault.ERASED, "this person was erased")


async def add_contacts(tx: Tx, rows: list[dict[str, Any]]) -> None:
    """Insert contacts; an address that somebody has meanwhile is left as it is."""
    savepoint = await tx.begin_nested()
    try:
        await copy_in(tx, contact, rows)
    except UniqueViolation:
        await savepoint.rollback()  # somebody wrote for the first time just now: rare, so row by row
        await tx.execute(
            insert(contact).on_conflict_do_nothing(index_elements=["channel", "account", "address_hmac"]),
            rows,
        )
    else:
        await savepoint.commit()


async def merge(tx: Tx, newcomer: UUID, into: UUID) -> None:
    """The newcomer turned out to be this person. What they wrote so far stays under their own key.

    If either of them said stop, the person is stopped.
    """
    stopped: datetime | None = (
        await tx.execute(
            update(person)
            .where(person.c.id == newcomer)
            .values(merged_into=into)
            .returning(person.c.stopped_at)
        )
    ).scalar_one()
    if stopped is not None:
        # LEAST passes over null: the first of the two stops counts.
        earliest = func.least(person.c.stopped_at, stopped)
        await tx.execute(update(person).where(person.c.id == into).values(stopped_at=earliest))


async def forget_talk(tx: Tx, contact_id: int) -> None:
    """The contact changes hands: the next turn must not go on from what somebody else said."""
    for table in (conversation, offer):
        await tx.execute(table.delete().where(table.c.contact_id == contact_id))


async def stopped_at(tx: Tx, person_id: UUID) -> datetime | None:
    """When this person said stop; None: they did not, or took it back."""
    query = select(person.c.stopped_at).where(person.c.id == _now(person_id))
    found: datetime | None = (await tx.execute(query)).scalar_one()
    return found


def _now(person_id: UUID) -> ScalarSelect[UUID]:
    """Who this person turned out to be, else themselves."""
    asked = person.alias()
    return (
        select(func.coalesce(asked.c.merged_into, asked.c.id))
        .where(asked.c.id == person_id)
        .scalar_subquery()
    )


async def stop(tx: Tx, person_id: UUID, now: datetime | None) -> UUID:
    """Stop (or, with None, resume) everything proactive to this person; who it is.

    A newcomer may turn out to be a doctor while they say it (their row is locked by `merge`): then it is the
    doctor's stop.
    """
    into: UUID | None = (
        await tx.execute(
            update(person)
            .where(person.c.id == person_id)
            .values(stopped_at=now)
            .returning(person.c.merged_into)
        )
    ).scalar_one()
    return person_id if into is None else await stop(tx, into, now)


def tries_of(keyring: Keyring, contact_id: int) -> bytes:
    """The subject under which a contact's tries are counted."""
    return keyring.digest("attempt.contact", str(contact_id))


async def tries(tx: Tx, what: str, subject: bytes, since: datetime) -> int:
    """How often `subject` tried `what` since then."""
    counted = await tx.execute(
        select(func.count()).where(attempt.c.what == what, attempt.c.subject == subject, attempt.c.at > since)
    )
    return int(counted.scalar_one())


async def tried(tx: Tx, what: str, subject: bytes, now: datetime) -> None:
    await tx.execute(insert(attempt).values(what=what, subject=subject, at=now))


async def is_newcomer(tx: Tx, person_id: UUID) -> bool:
    """Whether nobody knows (yet) who this is."""
    return (await tx.execute(select(person.c.kind).where(person.c.id == person_id))).scalar() == "newcomer"


async def open_task_of(tx: Tx, person_id: UUID, kind: str) -> int | None:
    """The person's open task of this kind, if there is one."""
    found: int | None = (
        await tx.execute(
            select(task.c.id)
            .where(task.c.person_id == person_id, task.c.kind == kind, task.c.state != "done")
            .order_by(task.c.id)
            .limit(1)
        )
    ).scalar()
    return found


async def lock_task(tx: Tx, task_id: int) -> None:
    """Two colleagues decide one after the other. The task's contact is locked first: an erasure of it closes
    the task, and a decision may give it to somebody else."""
    concerned = select(task.c.contact_id).where(task.c.id == task_id).scalar_subquery()
    await tx.execute(select(contact.c.id).where(contact.c.id == concerned).with_for_update())
    await tx.execute(select(task.c.id).where(task.c.id == task_id).with_for_update())


async def give_task(tx: Tx, task_id: int, rep_id: UUID | None) -> None:
    """Make the task this rep's (or nobody's)."""
    await tx.execute(update(task).where(task.c.id == task_id).values(owner_id=rep_id))
