"""Contacts: a person on one account of a channel."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from bot.model import Account, Audience, Channel
from bot.store.database import Tx, hot
from bot.store.tables import contact
from bot.store.vault import Vault


@dataclass(frozen=True, slots=True)
class Contact:
    id: int
    account: Account
    audience: Audience
    person_id: UUID
    key_id: UUID | None  # None: see `contact_keys.key_of`
    introduced_at: datetime | None
    stopped_at: datetime | None  # of the person
    unreachable_at: datetime | None


# Of every statement that reads contacts. A stop belongs to the person, so a contact that they get later is
# stopped as well.
COLUMNS = """contact.id, contact.channel, contact.account, contact.audience, contact.person_id,
           contact.key_id, contact.introduced_at, person.stopped_at, contact.unreachable_at"""
SOURCE = "contact JOIN person ON person.id = contact.person_id"


def contact_of(row: Any) -> Contact:
    """From a row with `COLUMNS`."""
    return Contact(
        id=row.id,
        account=Account(Channel(row.channel), row.account),
        audience=Audience(row.audience),
        person_id=row.person_id,
        key_id=row.key_id,
        introduced_at=row.introduced_at,
        stopped_at=row.stopped_at,
        unreachable_at=row.unreachable_at,
    )


def address_digest(vault: Vault, account: Account, address: str) -> bytes:
    return vault.keyring.digest("contact.address", f"{account}:{address}")


async def by_address(
    tx: Tx, vault: Vault, account: Account, address: str, *, erasing: bool = False
) -> Contact | None:
    """The contact with this address, locked until this transaction ends.

    So it cannot be erased meanwhile, and its messages become visible in the order of their ids: a turn that
    takes what waits never leaves an earlier message behind that is still being committed. `erasing`: this
    transaction erases it, and waits for whoever adds a row that points to it. To wait only later, with the
    weaker lock in hand, could deadlock with one of them who needs that lock, too.
    """
    digest = address_digest(vault, account, address)
    values = {"channel": account.channel.value, "account": account.name, "digest": digest}
    rows = await hot(tx, _ERASING if erasing else _BY_ADDRESS, values)
    return contact_of(rows[0]) if rows else None


_ADDRESSED = f"""
    SELECT {COLUMNS} FROM {SOURCE}
    WHERE contact.channel = %(channel)s AND contact.account = %(account)s
      AND contact.address_hmac = %(digest)s
    """  # noqa: S608 - the columns are constants of ours
_BY_ADDRESS = f"{_ADDRESSED} FOR NO KEY UPDATE OF contact"
_ERASING = f"{_ADDRESSED} FOR UPDATE OF contact"


async def by_id(tx: Tx, contact_id: int) -> Contact:
    return (await by_ids(tx, [contact_id]))[contact_id]


async def by_ids(tx: Tx, contact_ids: Collection[int]) -> dict[int, Contact]:
    rows = await hot(tx, _BY_IDS, {"contacts": list(contact_ids)})
    return {row.id: contact_of(row) for row in rows}


_BY_IDS = f"SELECT {COLUMNS} FROM {SOURCE} WHERE contact.id = ANY(%(contacts)s::bigint[])"  # noqa: S608


async def of_person(tx: Tx, person_id: UUID) -> tuple[Contact, ...]:
    return tuple(contact_of(row) for row in await hot(tx, _OF_PERSON, {"person": person_id}))


_OF_PERSON = f"SELECT {COLUMNS} FROM {SOURCE} WHERE person.id = %(person)s ORDER BY contact.id"  # noqa: S608


async def add(
    tx: Tx, vault: Vault, account: Account, audience: Audience, address: str, person_id: UUID, now: datetime
) -> Contact | None:
    """A new contact of this person; None when somebody else just added the same address."""
    added: int | None = (
        await tx.execute(
            insert(contact)
            .values(
                channel=account.channel.value,
                account=account.name,
                audience=audience.value,
                person_id=person_id,
                key_id=await vault.add_key(tx, person_id),
                address_hmac=address_digest(vault, account, address),
                address_enc=await vault.seal(tx, person_id, address, "contact.address"),
                created_at=now,
            )
            .on_conflict_do_nothing()
            .returning(contact.c.id)
        )
    ).scalar()
    return None if added is None else await by_id(tx, added)


@dataclass(frozen=True, slots=True)
class SealedAddress:
    """A platform id under the key of its person."""

    person_id: UUID
    address_enc: bytes

    async def opened(self, tx: Tx, vault: Vault) -> str:
        """Raises MedrepError(ERASED | TAMPERED)."""
        return await vault.open_text(tx, self.person_id, self.address_enc, "contact.address")


async def addresses(tx: Tx, contact_ids: Collection[int]) -> dict[int, SealedAddress]:
    query = select(contact.c.id, contact.c.person_id, contact.c.address_enc)
    rows = await tx.execute(query.where(contact.c.id.in_(contact_ids)))
    return {row.id: SealedAddress(row.person_id, bytes(row.address_enc)) for row in rows}


async def address(tx: Tx, vault: Vault, contact_id: int) -> str:
    """The platform id, in clear. Raises MedrepError(ERASED)."""
    return await (await addresses(tx, [contact_id]))[contact_id].opened(tx, vault)


async def mark(
    tx: Tx,
    contact_id: int,
    *,
    introduced_at: datetime | None = None,
    unreachable_at: datetime | None = None,
) -> None:
    values = {"introduced_at": introduced_at, "unreachable_at": unreachable_at}
    changes = {name: value for name, value in values.items() if value is not None}
    await tx.execute(update(contact).where(contact.c.id == contact_id).values(**changes))


async def hush(tx: Tx, contact_id: int, since: datetime | None) -> bool:
    """Since when they want silence; None: they do not. Whether that is news."""
    changed = await tx.execute(
        update(contact)
        .where(contact.c.id == contact_id, contact.c.hushed_at.is_distinct_from(since))
        .values(hushed_at=since)
        .returning(contact.c.id)
    )
    return changed.first() is not None
