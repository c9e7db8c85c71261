"""The contacts of messages that just arrive: found and locked together, and made for who is unknown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.dialects.postgresql import insert

from bot.model import Account, Audience, Fault, MedrepError
from bot.store.contacts import COLUMNS, SOURCE, Contact, add, address_digest, by_address, contact_of
from bot.store.database import Tx, hot
from bot.store.tables import contact
from bot.store.vault import Vault

_KNOWN = f"""
    SELECT place, {COLUMNS}
    FROM unnest(%(channels)s::text[], %(accounts)s::text[], %(digests)s::bytea[])
         WITH ORDINALITY AS wanted (channel, account, digest, place)
    JOIN ({SOURCE}) ON (contact.channel, contact.account, contact.address_hmac)
                     = (wanted.channel, wanted.account, wanted.digest)
    """  # noqa: S608 - the columns are constants of ours
_KNOWN_AND_FREE = f"{_KNOWN} FOR NO KEY UPDATE OF contact SKIP LOCKED"


async def lock_known(tx: Tx, vault: Vault, addresses: Sequence[tuple[Account, str]]) -> dict[int, Contact]:
    """As `contacts.by_address` for many, by their place in `addresses`. It waits for nobody: who is unknown
    is left out, and so is who is locked."""
    rows = await hot(tx, _KNOWN_AND_FREE, _wanted(vault, addresses))
    return {row.place - 1: contact_of(row) for row in rows}


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
    existing = {row.place - 1 for row in await hot(tx, _KNOWN, _wanted(vault, wanted))}
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
    # Two transactions that add the same people wait for each other's rows: in one order, or they deadlock.
    rows.sort(key=lambda row: (row["channel"], row["account"], row["address_hmac"]))
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


async def find_or_add(
    tx: Tx,
    vault: Vault,
    account: Account,
    audience: Audience,
    address: str,
    now: datetime,
    *,
    erasing: bool = False,
) -> Contact:
    """The contact with this address, as `contacts.by_address`; somebody unknown becomes a newcomer with a key
    of their own."""
    if (existing := await by_address(tx, vault, account, address, erasing=erasing)) is not None:
        return existing
    savepoint = await tx.begin_nested()
    person_id = await vault.create(tx, "newcomer", now)
    added = await add(tx, vault, account, audience, address, person_id, now)
    if added is not None:
        await savepoint.commit()
        return added
    await savepoint.rollback()  # lost the race: the newcomer we made goes with it
    vault.forget(person_id)
    found = await by_address(tx, vault, account, address, erasing=erasing)
    if found is None:
        raise RuntimeError("a contact that conflicts must exist")
    return found
