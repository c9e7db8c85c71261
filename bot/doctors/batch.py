"""One batch of an import: what is new, what changed, whose account it is."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from bot.doctors.binding import bind, detach
from bot.doctors.identity import identity_digest
from bot.doctors.row import DoctorRow, RowFault
from bot.model import Account, Audience, Fault, MedrepError
from bot.staff import find_reps
from bot.store import contacts, doctors, people
from bot.store.database import Tx
from bot.store.people import Holder
from bot.store.vault import Vault


@dataclass(frozen=True, slots=True)
class Loaded:
    """External ids by what became of them, and the rows refused."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    unchanged: tuple[str, ...]
    faults: tuple[RowFault, ...]


async def load(tx: Tx, vault: Vault, rows: list[DoctorRow], now: datetime) -> Loaded:
    """Load rows whose external ids differ."""
    await doctors.lock_import(tx)
    imported = await doctors.imported(tx, [row.external_id for row in rows])
    digests = {row.row: row.digest(vault.keyring) for row in rows}
    graves = {row.row: doctors.tombstone_digest(vault.keyring, row.external_id) for row in rows}
    buried = await doctors.entombed(tx, list(graves.values()))
    named = [row for row in rows if row.address]
    people_of = {imported[row.external_id][0] for row in named if row.external_id in imported}
    await people.lock_contacts(tx, _addresses(vault, named), people_of)
    holders = await _holders(tx, vault, named)
    new, old, same, faults = [], [], [], []
    for row in rows:
        person_id, digest = imported.get(row.external_id, (None, b""))
        holder = holders.get(row.row)
        if graves[row.row] in buried:
            faults.append(RowFault(row.row, "此人已按本人要求删除，不再导入"))
        elif holder is not None and holder.kind != "newcomer" and holder.person_id != person_id:
            faults.append(RowFault(row.row, "渠道账号已属于另一位医生"))
        elif person_id is None:
            new.append(row)
        elif digest == digests[row.row]:
            same.append(row)
        else:
            old.append(row)
    ids = dict(zip([r.row for r in new], await vault.create_many(tx, "doctor", len(new), now), strict=True))
    ids |= {row.row: imported[row.external_id][0] for row in old}
    await vault.prepare(tx, [ids[row.row] for row in old])
    reps = await find_reps(tx, {row.rep for row in (*new, *old) if row.rep}, now)
    values = [
        {**await _values(tx, vault, row, ids[row.row], reps, now), "digest": digests[row.row]}
        for row in (*new, *old)
    ]
    await doctors.add_many(tx, values[: len(new)])
    await doctors.change_many(tx, values[len(new) :])
    await _contacts(tx, vault, [row for row in (*new, *old) if row.address], ids, holders, now)
    return Loaded(_names(new), _names(old), _names(same), tuple(faults))


def _names(rows: list[DoctorRow]) -> tuple[str, ...]:
    return tuple(row.external_id for row in rows)


def _addresses(vault: Vault, rows: list[DoctorRow]) -> dict[Account, dict[bytes, int]]:
    """The digests of the rows' addresses, and their row numbers, by account."""
    by_account: dict[Account, dict[bytes, int]] = defaultdict(dict)
    for row in rows:
        if row.account is not None and row.address:
            by_account[row.account][contacts.address_digest(vault, row.account, row.address)] = row.row
    return by_account


async def _holders(tx: Tx, vault: Vault, rows: list[DoctorRow]) -> dict[int, Holder]:
    """Who has the rows' addresses now, by row number."""
    found = {}
    for account, wanted in _addresses(vault, rows).items():
        for digest, holder in (await people.holders(tx, account, list(wanted))).items():
            found[wanted[digest]] = holder
    return found


async def _values(
    tx: Tx, vault: Vault, row: DoctorRow, person_id: UUID, reps: dict[str, UUID], now: datetime
) -> dict[str, Any]:
    identity = identity_digest(vault.keyring, row.name, row.hospital, row.phone) if row.phone else None
    return {
        "person_id": person_id,
        "external_id": row.external_id,
        "name_enc": await vault.seal(tx, person_id, row.name, "doctor.name"),
        "phone_enc": await vault.seal(tx, person_id, row.phone, "doctor.phone") if row.phone else None,
        "identity_hmac": identity,
        "hospital": row.hospital,
        "tier": row.tier,
        "department": row.department,
        "title": row.title,
        "city": row.city,
        "interests": list(row.interests),
        "rep_id": reps.get(row.rep),
        "verified_at": now if row.address else None,
        "verified_by": "import" if row.address else None,
        "updated_at": now,
    }


async def _contacts(
    tx: Tx,
    vault: Vault,
    rows: list[DoctorRow],
    ids: dict[int, UUID],
    holders: dict[int, Holder],
    now: datetime,
) -> None:
    """Give each doctor the account the file names."""
    fresh = [row for row in rows if row.row not in holders]
    await people.add_contacts(tx, [await _contact(tx, vault, row, ids[row.row], now) for row in fresh])
    # Looked up again: whoever wrote to us before this moment is there as a newcomer.
    now_there = {**holders, **await _holders(tx, vault, fresh)}
    for row in rows:
        holder = now_there[row.row]
        if holder.person_id != ids[row.row]:
            await bind(tx, vault, holder.contact_id, ids[row.row], "import", now)
    moved = {row.row for row in rows if row.row not in holders or holders[row.row].kind == "newcomer"}
    await _replaced(tx, vault, [row for row in rows if row.row in moved], ids, now_there, now)


async def _replaced(
    tx: Tx,
    vault: Vault,
    rows: list[DoctorRow],
    ids: dict[int, UUID],
    now_there: dict[int, Holder],
    now: datetime,
) -> None:
    """The file names another id than before on this account: a mistake corrected, or a new phone.

    Either way the old one is no longer known to be this doctor.
    """
    kept = {(ids[row.row], row.account): now_there[row.row].contact_id for row in rows}
    for contact in await people.contacts_of(tx, [ids[row.row] for row in rows]):
        if kept.get((contact.person_id, contact.account), contact.contact_id) != contact.contact_id:
            await detach(tx, vault, contact.contact_id, now)


async def _contact(tx: Tx, vault: Vault, row: DoctorRow, person_id: UUID, now: datetime) -> dict[str, Any]:
    if row.account is None:
        raise MedrepError(Fault.BAD_INPUT, "an address needs an account")
    return {
        "channel": row.account.channel.value,
        "account": row.account.name,
        "audience": Audience.DOCTOR.value,
        "person_id": person_id,
        "address_hmac": contacts.address_digest(vault, row.account, row.address),
        "address_enc": await vault.seal(tx, person_id, row.address, "contact.address"),
        "created_at": now,
    }
