"""Erasing a person: their keys are destroyed, and what could still find or tell of them is removed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import UUID

from bot.clock import real_now
from bot.evidence import Owner, note
from bot.model import Fault, MedrepError
from bot.runtime.key_report import report
from bot.store import doctors, erasure, key_holders, people
from bot.store.database import Tx

if TYPE_CHECKING:
    from bot.runtime.services import Services


PATIENCE = 20.0  # seconds to wait for processes that run


@dataclass(frozen=True, slots=True)
class ErasureReceipt:
    """What became of a store: `rows` it concerned, what was `done`, and `why` what stays does."""

    store: str
    rows: int
    done: str
    why: str = ""


async def erase_person(
    services: Services, *, external_id: str | None = None, person_id: UUID | None = None, by: str
) -> tuple[ErasureReceipt, ...]:
    """Erase a doctor by external id, or anybody by person id; a receipt per store, also in the evidence.

    Raises MedrepError(BAD_INPUT: not exactly one of the two | NOT_FOUND | ERASED: already done).
    """
    if (external_id is None) == (person_id is None):
        raise MedrepError(Fault.BAD_INPUT, "name a person by external id or by person id")
    async with services.db.begin() as tx:
        await doctors.lock_import(tx)  # a batch under way has read who exists
        whom = person_id or await doctors.person_of(tx, external_id or "")
        receipts = await erase(tx, services, whom, by)
    return (await _settled(services, whom, receipts[0]), *receipts[1:])


async def _settled(services: Services, whom: UUID, keys: ErasureReceipt) -> ErasureReceipt:
    """The receipt of the keys, once they are gone from the key folders: here, and where a process runs."""
    async with services.db.begin() as tx:
        moment = await key_holders.moment(tx)
    await report(services)
    for _ in range(int(PATIENCE / 0.2)):
        async with services.db.begin() as tx:
            running = await key_holders.behind(tx, moment, running=True)
        if not running:
            break
        await asyncio.sleep(0.2)
    async with services.db.begin() as tx:
        places = await key_holders.behind(tx, moment)
        subject, owner = f"person:{whom}", Owner(whom)
        now = services.clock.now()
        await note(tx, "person.keys_destroyed", now, subject, owner, keys=keys.rows, still_in=places)
    if not places:
        return replace(keys, done=_DESTROYED)
    return replace(keys, done=f"{_DESTROYED_HERE}{'; '.join(places)}")


async def erase(tx: Tx, services: Services, whom: UUID, by: str) -> tuple[ErasureReceipt, ...]:
    """Erase this person in the caller's transaction. Raises MedrepError(NOT_FOUND | ERASED).

    The keys are out of use with the commit, and out of each key folder as soon as its processes hear of it.
    """
    now, keyring = services.clock.now(), services.vault.keyring
    family, contacts = await _locked(tx, whom)
    if not await erasure.keys_left(tx, family):
        raise MedrepError(Fault.ERASED, "this person was erased before")
    external = await doctors.external_id_of(tx, family)
    grave = None if external is None else doctors.tombstone_digest(keyring, external)
    open_turns = await erasure.turns(tx, contacts, real_now())
    talk = await erasure.talk(tx, family, contacts)
    received = await erasure.received(tx, family, contacts)
    sent, cancelled = await erasure.sent(tx, family, contacts)
    known = await erasure.known(tx, family, contacts)
    requests, steps = await erasure.requests(tx, family, contacts)
    consents = await erasure.consents(tx, family)
    timers = await erasure.timers(tx, family, contacts)
    tasks, cases, compliance = await erasure.tasks(tx, family, contacts, now, by)
    profiles = await erasure.profile(tx, family, grave, now)
    subjects = [people.tries_of(keyring, contact) for contact in contacts]
    addresses = await erasure.contacts(tx, contacts, subjects, now)
    keys, bare = await erasure.keys(tx, services.vault, family, now)
    receipts = (
        ErasureReceipt("keys", keys, _DELETED, f"{bare} of them: {_BARE}" if bare else ""),
        ErasureReceipt("doctor", profiles, "deleted with look-up digest and invitation codes", _TOMBSTONE),
        ErasureReceipt("contact", addresses, "address and its look-up digest removed", _CONTACT),
        ErasureReceipt("inbox", received, "texts and findings removed, what waited closed", _COUNTS),
        ErasureReceipt("outbox", sent, f"texts removed, {cancelled} queued cancelled", _APPROVED),
        ErasureReceipt("turn", open_turns, "open ones closed, recognised intents removed", _COUNTS),
        *(ErasureReceipt(store, rows, "deleted") for store, rows in {**talk, **known}.items()),
        ErasureReceipt("medical_request", requests, "question, product and wish removed", _COUNTS),
        ErasureReceipt("medical_step", steps, "deleted"),
        ErasureReceipt("consent", consents, "deleted, so that nothing rests on it", _CONSENT),
        ErasureReceipt("timer", timers, "ended, references removed"),
        ErasureReceipt("task", tasks, "details removed, open ones closed"),
        ErasureReceipt("safety_case", cases, "kept, readable under keys of their own", _SAFETY),
        ErasureReceipt("compliance_case", compliance, "kept, readable under keys of their own", _COMPLIANCE),
        ErasureReceipt("evidence", 0, "kept: unreadable ciphertext, digests, nothing personal", _EVIDENCE),
        ErasureReceipt("backup", 0, "not touched", _BACKUP),
    )
    counts = [f"{receipt.store}:{receipt.rows}" for receipt in receipts]
    await note(tx, "person.erased", now, f"person:{whom}", Owner(whom), by=by, receipts=counts)
    return receipts


async def _locked(tx: Tx, whom: UUID) -> tuple[list[UUID], list[int]]:
    """This person and whoever they turned out to be, and their contacts, locked.

    Asked until nothing new is found: a newcomer who was verified as this doctor while we waited for the locks
    is one of them. With all locks in hand nobody else becomes one. Raises MedrepError(NOT_FOUND).
    """
    found: tuple[list[UUID], list[int]] | None = None
    while True:
        family = await erasure.everyone(tx, whom)
        again = (family, await erasure.lock(tx, family))
        if again == found:
            return found
        found = again


_DELETED = "data keys deleted: no process uses them; their files follow within seconds"
_DESTROYED = (
    "data keys destroyed in every key folder: nothing opens what they encrypted, wherever it lies (tables, "
    "old pages and write-ahead log of the database, its archives and replicas, the evidence)"
)
_DESTROYED_HERE = (
    "data keys destroyed in this key folder and all others but those named, which follow when a process or "
    "a command starts there; until then whoever has such a folder and old pages or logs of the database can "
    "open them: "
)
_BARE = (
    "made by an earlier version under the master key alone; old pages and logs of the database from that "
    "time open with that master key"
)
_TOMBSTONE = "a keyed digest of the external id stays, so that an import does not bring the person back"
_CONTACT = (
    "the bare row stays for the rows that point to it; the same account writing again is a newcomer; the "
    "digest stays in old pages and logs of the database until PostgreSQL reuses them"
)
_CONSENT = "that and when it was given or withdrawn stays in the evidence, with nobody behind it"
_COUNTS = "the bare rows stay: times and states, with nobody behind them"
_APPROVED = "which approved texts left stays on record; a message being sent this moment cannot be recalled"
_SAFETY = "pharmacovigilance law requires adverse event reports to be kept"
_COMPLIANCE = "how a request or a suspicion was dealt with must be shown (PIPL articles 50 and 69)"
_EVIDENCE = "the record of what was sent and done must stay whole"
_BACKUP = (
    "a backup made before holds the key folder of then and opens until it ages out; after a restore, erase "
    "again; a copy of the database alone opens nothing"
)
