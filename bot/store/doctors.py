"""Doctors as imported, how they were verified, and the codes that invite them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, delete, exists, func, select, text, true, update
from sqlalchemy.dialects.postgresql import insert

from bot.model import Fault, MedrepError
from bot.store.advisory import Lock, wait_for
from bot.store.database import Tx, copy_in
from bot.store.keyring import Keyring
from bot.store.tables import contact, doctor, invitation_code, person, staff, tombstone


async def verified(tx: Tx, people: Collection[UUID]) -> frozenset[UUID]:
    """Those of these people who are verified doctors."""
    return frozenset((await tx.execute(_VERIFIED, {"people": list(people)})).scalars())


_VERIFIED = text(
    """
    SELECT person_id FROM doctor
    WHERE person_id = ANY(CAST(:people AS uuid[])) AND verified_at IS NOT NULL
    """
)


async def person_of(tx: Tx, external_id: str) -> UUID:
    """Raises MedrepError(NOT_FOUND)."""
    found = (
        await tx.execute(select(doctor.c.person_id).where(doctor.c.external_id == external_id))
    ).scalar_one_or_none()
    if not isinstance(found, UUID):
        raise MedrepError(Fault.NOT_FOUND, "no doctor has this external id")
    return found


async def external_id_of(tx: Tx, people: Collection[UUID]) -> str | None:
    """The external id of the doctor among these people, if one is."""
    found: str | None = (
        await tx.execute(select(doctor.c.external_id).where(doctor.c.person_id.in_(people)))
    ).scalar()
    return found


async def rep_name(tx: Tx, rep_id: UUID | None) -> str | None:
    found: str | None = (await tx.execute(select(staff.c.name).where(staff.c.id == rep_id))).scalar()
    return found


async def rep_of(tx: Tx, person_id: UUID) -> str | None:
    """The name of a doctor's rep."""
    query = select(staff.c.name).join(doctor, doctor.c.rep_id == staff.c.id)
    found: str | None = (await tx.execute(query.where(doctor.c.person_id == person_id))).scalar()
    return found


# ---------------------------------------------------------------- import


async def lock_import(tx: Tx) -> None:
    """One batch at a time, whoever imports; released with the transaction."""
    await wait_for(tx, Lock.IMPORTING)


async def imported(tx: Tx, external_ids: Collection[str]) -> dict[str, tuple[UUID, bytes]]:
    """Which of these were imported before: external id -> (person, digest of their row)."""
    rows = await tx.execute(
        select(doctor.c.external_id, doctor.c.person_id, doctor.c.digest).where(
            doctor.c.external_id == func.any(list(external_ids))
        )
    )
    return {row.external_id: (row.person_id, bytes(row.digest)) for row in rows}


def tombstone_digest(keyring: Keyring, external_id: str) -> bytes:
    return keyring.digest("doctor.external_id", external_id)


async def entombed(tx: Tx, digests: Collection[bytes]) -> set[bytes]:
    """Which of these external ids (as tombstone digests) belong to people erased on request."""
    rows = await tx.execute(
        select(tombstone.c.external_hmac).where(tombstone.c.external_hmac == func.any(list(digests)))
    )
    return {bytes(digest) for digest in rows.scalars()}


async def add_many(tx: Tx, rows: list[dict[str, Any]]) -> None:
    await copy_in(tx, doctor, rows)


async def change_many(tx: Tx, rows: list[dict[str, Any]]) -> None:
    """Overwrite what the file says; a verification once made stays."""
    if not rows:
        return
    kept = {"person_id", "external_id", "verified_at", "verified_by"}
    values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in rows[0] if name not in kept}
    for name in ("verified_at", "verified_by"):
        column = doctor.c[name]
        values[name] = func.coalesce(column, bindparam(f"new_{name}", type_=column.type))
    await tx.execute(
        update(doctor).where(doctor.c.person_id == bindparam("new_person_id")).values(values),
        [{f"new_{name}": value for name, value in row.items()} for row in rows],
    )


# ---------------------------------------------------------------- verification


async def mark_verified(tx: Tx, person_id: UUID, now: datetime, by: str) -> None:
    """The first verification is the one remembered."""
    await tx.execute(
        update(doctor)
        .where(doctor.c.person_id == person_id, doctor.c.verified_at.is_(None))
        .values(verified_at=now, verified_by=by)
    )


@dataclass(frozen=True, slots=True)
class Listed:
    person_id: UUID
    external_id: str
    rep_id: UUID | None
    identity: bytes | None
    hospital: str


async def listed(tx: Tx, identities: Collection[bytes]) -> list[Listed]:
    """The imported doctors with this name, hospital and phone, the hospital named in one of several ways."""
    return await _listed(tx, doctor.c.identity_hmac == func.any(list(identities)))


async def invited(tx: Tx, code: bytes, now: datetime) -> Listed | None:
    """The doctor a code was issued to, while it is good; locks the doctor and the code until the transaction
    ends, in the order of an erasure, which deletes the code."""
    issued_to = select(invitation_code.c.person_id).where(invitation_code.c.code_hmac == code)
    concerned = select(person.c.id).where(person.c.id == issued_to.scalar_subquery())
    await tx.execute(concerned.with_for_update(read=True, key_share=True))
    person_id = (
        await tx.execute(
            select(invitation_code.c.person_id)
            .where(
                invitation_code.c.code_hmac == code,
                invitation_code.c.used_at.is_(None),
                invitation_code.c.expires_at > now,
            )
            .with_for_update()
        )
    ).scalar()
    found = await _listed(tx, doctor.c.person_id == person_id)
    return found[0] if found else None


async def _listed(tx: Tx, which: Any) -> list[Listed]:
    rows = await tx.execute(
        select(
            *(doctor.c.person_id, doctor.c.external_id, doctor.c.rep_id, doctor.c.identity_hmac),
            doctor.c.hospital,
        )
        .where(which)
        .order_by(doctor.c.external_id)
    )
    return [
        Listed(
            *(r.person_id, r.external_id, r.rep_id),
            None if r.identity_hmac is None else bytes(r.identity_hmac),
            r.hospital,
        )
        for r in rows
    ]


async def use_code(tx: Tx, code: bytes, now: datetime) -> None:
    await tx.execute(update(invitation_code).where(invitation_code.c.code_hmac == code).values(used_at=now))


async def without_code(
    tx: Tx, external_ids: Collection[str], now: datetime, *, renew: bool
) -> list[tuple[str, UUID]]:
    """Of these, whom a code would help: not verified, with a phone to match, no contact of their own.

    Without `renew` those who hold a code that is still good are left out.
    """
    good = exists().where(
        invitation_code.c.person_id == doctor.c.person_id,
        invitation_code.c.used_at.is_(None),
        invitation_code.c.expires_at > now,
    )
    rows = await tx.execute(
        select(doctor.c.external_id, doctor.c.person_id)
        .where(
            doctor.c.external_id == func.any(list(external_ids)),
            doctor.c.verified_at.is_(None),
            doctor.c.identity_hmac.is_not(None),
            ~exists().where(contact.c.person_id == doctor.c.person_id),
            ~good if not renew else true(),
        )
        .order_by(doctor.c.external_id)
    )
    return [(row.external_id, row.person_id) for row in rows]


async def add_codes(
    tx: Tx, codes: list[tuple[bytes, UUID]], expires_at: datetime, now: datetime, by: str
) -> None:
    """Issue these codes; earlier ones of the same doctors that were not used are void."""
    if not codes:
        return
    await tx.execute(
        delete(invitation_code).where(
            invitation_code.c.person_id.in_([person_id for _, person_id in codes]),
            invitation_code.c.used_at.is_(None),
        )
    )
    await tx.execute(
        insert(invitation_code),
        [
            {
                "code_hmac": code,
                "person_id": whom,
                "expires_at": expires_at,
                "issued_at": now,
                "issued_by": by,
            }
            for code, whom in codes
        ],
    )


@dataclass(frozen=True, slots=True)
class Invitation:
    """The newest code of a doctor, without the code. `used_at`: it has proved who they are."""

    expires_at: datetime
    used_at: datetime | None
    issued_at: datetime | None
    issued_by: str


async def invitation_of(tx: Tx, person_id: UUID) -> Invitation | None:
    names = (invitation_code.c[name] for name in ("expires_at", "used_at", "issued_at", "issued_by"))
    query = select(*names).where(invitation_code.c.person_id == person_id)
    row = (await tx.execute(query.order_by(invitation_code.c.expires_at.desc()).limit(1))).first()
    return None if row is None else Invitation(row[0], row[1], row[2], row[3] or "")


async def is_rep(tx: Tx, name: str) -> bool:
    """Whether a colleague has this name."""
    return (await tx.execute(select(staff.c.id).where(staff.c.name == name))).first() is not None
