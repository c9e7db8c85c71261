"""Contacts: a person on one account of a channel."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects.postgresql import insert

from bot.model import Account, Audience, Channel, Fault, MedrepError
from bot.store.database import Tx, hot
from bot.store.tables import contact, data_key, person
from bot.store.vault import Vault


@dataclass(frozen=True, slots=True)
class Contact:
    id: int
    account: Account
    audience: Audience
    person_id: UUID
    key_id: UUID | None  # None: see `key_of`
    introduced_at: datetime | None
    stopped_at: datetime | None  # of the person
    unreachable_at: datetime | None


_COLUMNS = (
    contact.c.id,
    contact.c.channel,
    contact.c.account,
    contact.c.audience,
    contact.c.person_id,
    contact.c.key_id,
    contact.c.introduced_at,
    # A stop belongs to the person, so a contact that they get later is stopped as well.
    select(person.c.stopped_at)
    .where(person.c.id == contact.c.person_id)
    .correlate(contact)
    .scalar_subquery()
    .label("stopped_at"),
    contact.c.unreachable_at,
)


def contact_of(row: Any) -> Contact:
    """From a row with the columns above."""
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


async def by_address(tx: Tx, vault: Vault, account: Account, address: str) -> Contact | None:
    """The contact with this address, locked until this transaction ends.

    So it cannot be erased meanwhile, and its messages become visible in the order of their ids: a turn that
    takes what waits never leaves an earlier message behind that is still being committed.
    """
    row = (
        await tx.execute(
            select(*_COLUMNS)
            .where(
                contact.c.channel == account.channel.value,
                contact.c.account == account.name,
                contact.c.address_hmac == address_digest(vault, account, address),
            )
            .with_for_update(key_share=True, of=contact)
        )
    ).first()
    return contact_of(row) if row else None


_KNOWN = """
    SELECT place, contact.id, contact.channel, contact.account, contact.audience, contact.person_id,
           contact.key_id, contact.introduced_at, person.stopped_at, contact.unreachable_at
    FROM unnest(%(channels)s::text[], %(accounts)s::text[], %(digests)s::bytea[])
         WITH ORDINALITY AS wanted (channel, account, digest, place)
    JOIN contact ON (contact.channel, contact.account, contact.address_hmac)
                  = (wanted.channel, wanted.account, wanted.digest)
    JOIN person ON person.id = contact.person_id
"""
_KNOWN_AND_FREE = f"{_KNOWN} FOR NO KEY UPDATE OF contact SKIP LOCKED"


async def lock_known(tx: Tx, vault: Vault, addresses: Sequence[tuple[Account, str]]) -> dict[int, Contact]:
    """As `by_address` for many, by their place in `addresses`. It waits for nobody: who is unknown is left
    out, and so is who is locked."""
    return {
        place - 1: Contact(id_, Account(Channel(channel), account), Audience(audience), *rest)
        for place, id_, channel, account, audience, *rest in await hot(
            tx, _KNOWN_AND_FREE, _wanted(vault, addresses)
        )
    }


def _wanted(vault: Vault, addresses: Sequence[tuple[Account, str]]) -> dict[str, list[Any]]:
    return {
        "channels": [account.channel.value for account, _ in addresses],
        "accounts": [account.name for account, _ in addresses],
        "digests": [address_digest(vault, account, address) for account, address in addresses],
    }


async def add_newcomers(
    tx: Tx, vault: Vault, newcomers: Mapping[int, tuple[Account, Audience, str]], now: datetime
) -> dict[int, Contact]:
    """As `find_or_add` for many whom `lock_known` has left out: those who are known stay left out, the others
    become newcomers. Raises MedrepError(CONFLICT): somebody else just adds one of them; roll back."""
    wanted = [(account, address) for account, _, address in newcomers.values()]
    existing = {place - 1 for place, *_ in await hot(tx, _KNOWN, _wanted(vault, wanted))}
    unknown = [one for place, one in enumerate(newcomers.items()) if place not in existing]
    if not unknown:
        return {}
    people = await vault.create_many(tx, "newcomer", len(unknown), now)
    keys = dict(zip(people, await vault.add_keys(tx, people), strict=True))
    made, rows = {}, []
    for person_id, (place, (account, audience, address)) in zip(people, unknown, strict=True):
        made[person_id] = (place, account, audience)
        rows.append(
            {
                "channel": account.channel.value,
                "account": account.name,
                "audience": audience.value,
                "person_id": person_id,
                "key_id": keys[person_id],
                "address_hmac": address_digest(vault, account, address),
                "address_enc": await vault.seal(tx, person_id, address, "contact.address"),
                "created_at": now,
            }
        )
    added = await tx.execute(
        insert(contact).on_conflict_do_nothing().returning(contact.c.id, contact.c.person_id), rows
    )
    found = {}
    for row in added:
        place, account, audience = made[row.person_id]
        found[place] = Contact(
            row.id, account, audience, row.person_id, keys[row.person_id], None, None, None
        )
    if len(found) < len(unknown):
        for key_id in (*people, *keys.values()):
            vault.forget(key_id)
        raise MedrepError(Fault.CONFLICT, "two transactions add one contact")
    return found


async def by_id(tx: Tx, contact_id: int) -> Contact:
    return contact_of((await tx.execute(select(*_COLUMNS).where(contact.c.id == contact_id))).one())


async def by_ids(tx: Tx, contact_ids: Collection[int]) -> dict[int, Contact]:
    rows = await tx.execute(select(*_COLUMNS).where(contact.c.id.in_(contact_ids)))
    return {row.id: contact_of(row) for row in rows}


async def lock(tx: Tx, contact_id: int) -> None:
    """Wait for what this contact is just writing, and let nothing more in before this transaction ends."""
    await tx.execute(select(contact.c.id).where(contact.c.id == contact_id).with_for_update())


async def of_person(tx: Tx, person_id: UUID) -> tuple[Contact, ...]:
    rows = await tx.execute(select(*_COLUMNS).where(contact.c.person_id == person_id).order_by(contact.c.id))
    return tuple(contact_of(row) for row in rows)


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


async def find_or_add(
    tx: Tx, vault: Vault, account: Account, audience: Audience, address: str, now: datetime
) -> Contact:
    """The contact with this address; somebody unknown becomes a newcomer with a key of their own."""
    if (existing := await by_address(tx, vault, account, address)) is not None:
        return existing
    savepoint = await tx.begin_nested()
    person_id = await vault.create(tx, "newcomer", now)
    added = await add(tx, vault, account, audience, address, person_id, now)
    if added is not None:
        await savepoint.commit()
        return added
    await savepoint.rollback()  # lost the race: the newcomer we made goes with it
    vault.forget(person_id)
    found = await by_address(tx, vault, account, address)
    if found is None:
        raise RuntimeError("a contact that conflicts must exist")
    return found


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


async def key_of(tx: Tx, vault: Vault, of: Contact) -> UUID:
    """The key for what is said here, in either direction: the contact's own, so that it goes with it.

    A contact of a list gets it when the first message comes or goes. One that has just turned out to be
    somebody else's has none for what is still said in the name of the former.
    """
    return of.key_id or (await keys_of(tx, vault, [of]))[of.id]


async def keys_of(tx: Tx, vault: Vault, of: Collection[Contact]) -> dict[int, UUID]:
    """As `key_of`, for many contacts in few statements; by contact id."""
    keys = {one.id: one.key_id for one in of if one.key_id is not None}
    rest = {one.id: one for one in of if one.key_id is None}
    if not rest:
        return keys
    columns = select(contact.c.id, contact.c.person_id, contact.c.key_id)
    locked = columns.where(contact.c.id.in_(rest)).order_by(contact.c.id).with_for_update(key_share=True)
    bare = []
    for row in (await tx.execute(locked)).all():
        if row.key_id is None and row.person_id == rest[row.id].person_id:
            bare.append(row)
        else:
            keys[row.id] = row.key_id if row.person_id == rest[row.id].person_id else rest[row.id].person_id
    if bare:
        made = await vault.add_keys(tx, [row.person_id for row in bare])
        given = [{"of": row.id, "key": key_id} for row, key_id in zip(bare, made, strict=True)]
        await tx.execute(_GIVE_KEY, given)
        keys |= {one["of"]: one["key"] for one in given}
    return keys


_GIVE_KEY = update(contact).where(contact.c.id == bindparam("of")).values(key_id=bindparam("key"))


async def retire_key(tx: Tx, contact_id: int) -> None:
    """What comes now is under another key; what was said opens as before, and goes when the contact goes."""
    used = select(contact.c.key_id).where(contact.c.id == contact_id).scalar_subquery()
    await tx.execute(update(data_key).where(data_key.c.id == used).values(contact_id=contact_id))
    await tx.execute(update(contact).where(contact.c.id == contact_id).values(key_id=None))


async def assign(tx: Tx, vault: Vault, contact_id: int, person_id: UUID) -> None:
    """The contact turned out to be this person: from now on their keys cover it."""
    clear = await address(tx, vault, contact_id)
    await retire_key(tx, contact_id)
    await tx.execute(
        update(contact)
        .where(contact.c.id == contact_id)
        .values(person_id=person_id, address_enc=await vault.seal(tx, person_id, clear, "contact.address"))
    )


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
