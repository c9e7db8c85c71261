"""A contact turns out to be a doctor of the list, or turns out not to be."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from bot.evidence import Owner, note
from bot.model import Fault, MedrepError
from bot.store import contact_keys, contacts, doctors, people, profiles, tasks
from bot.store.database import Tx
from bot.store.vault import Vault


async def bind(tx: Tx, vault: Vault, contact_id: int, doctor: UUID, by: str, now: datetime) -> None:
    """Give the contact of a newcomer to this doctor, who is verified by it.

    `by`: import, code, or the person who confirmed. Raises MedrepError(CONFLICT: it is another doctor's |
    ERASED: the doctor was).
    """
    holder = await people.lock_contact(tx, contact_id)
    await people.lock_present(tx, doctor)
    if holder.person_id != doctor:
        if holder.kind != "newcomer":
            raise MedrepError(Fault.CONFLICT, "the contact belongs to another doctor")
        await _merge(tx, vault, holder.person_id, doctor, by, now)
    await doctors.mark_verified(tx, doctor, now, by)
    await note(tx, "doctor.verified", now, f"contact:{contact_id}", Owner(doctor, contact_id), by=by)


async def _merge(tx: Tx, vault: Vault, newcomer: UUID, doctor: UUID, by: str, now: datetime) -> None:
    for contact in await contacts.of_person(tx, newcomer):
        await contact_keys.assign(tx, vault, contact.id, doctor)
    await people.merge(tx, newcomer, doctor)
    await profiles.take_over(tx, newcomer, doctor, now)
    if (waiting := await people.open_task_of(tx, newcomer, "identity")) is not None:
        await tasks.close(tx, waiting, now, by, "verified")


async def detach(tx: Tx, vault: Vault, contact_id: int, now: datetime) -> None:
    """The list names another account for its doctor: whoever is behind this one must verify anew.

    It may be this contact that said stop, so the stop goes with it and stays with the doctor.
    """
    newcomer = await vault.create(tx, "newcomer", now)
    holder = await people.lock_contact(tx, contact_id)
    if (stopped := await people.stopped_at(tx, holder.person_id)) is not None:
        await people.stop(tx, newcomer, stopped)
    await contact_keys.assign(tx, vault, contact_id, newcomer)
    await people.forget_talk(tx, contact_id)
    await profiles.forget_contact(tx, contact_id, now)
    owner = Owner(newcomer, contact_id)
    await note(tx, "contact.detached", now, f"contact:{contact_id}", owner, reason="import")
