"""The key of a contact: what is said on it, in either direction, goes when the contact goes."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import bindparam, select, update

from bot.store.contacts import Contact, address
from bot.store.database import Tx
from bot.store.tables import contact, data_key
from bot.store.vault import Vault


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
