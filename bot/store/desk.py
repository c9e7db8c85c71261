"""What a colleague reads at the console, as the console's role: row-level security leaves in every statement
only what they may see, so none of these asks for a colleague.

Names and words are sealed: what is wanted of them is opened by the caller, a page at a time.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from bot.model import ERASED_TEXT, Fault, MedrepError
from bot.store.database import Tx, hot
from bot.store.vault import Vault


async def become(tx: Tx, staff_id: UUID) -> None:
    """What this transaction reads, this colleague reads."""
    await tx.execute(text("SELECT set_config('medrep.staff', :staff, true)"), {"staff": str(staff_id)})


@dataclass(frozen=True, slots=True)
class Counterpart:
    """Whom a contact belongs to, as a colleague knows them. `name` is empty for who is on no list."""

    contact_id: int
    person_id: UUID
    account: str
    audience: str
    name: str
    hospital: str
    department: str
    title: str
    rep: str
    listed: bool
    verified: bool


_COUNTERPARTS = """
    SELECT contact.id AS contact_id, contact.person_id, contact.channel || ':' || contact.account AS account,
           contact.audience, doctor.name_enc, doctor.hospital, doctor.department, doctor.title,
           staff.name AS rep, doctor.person_id IS NOT NULL AS listed,
           doctor.verified_at IS NOT NULL AS verified
    FROM contact LEFT JOIN doctor ON doctor.person_id = contact.person_id
         LEFT JOIN staff ON staff.id = doctor.rep_id
    WHERE contact.id = ANY(CAST(%(contacts)s AS bigint[]))
    """


async def counterparts(tx: Tx, vault: Vault, contact_ids: Collection[int]) -> dict[int, Counterpart]:
    """Those of these contacts that one may see."""
    rows = await hot(tx, _COUNTERPARTS, {"contacts": list(contact_ids)})
    await vault.prepare(tx, [row.person_id for row in rows])
    return {row.contact_id: await _counterpart(tx, vault, row) for row in rows}


async def _counterpart(tx: Tx, vault: Vault, row: Any) -> Counterpart:
    return Counterpart(
        contact_id=row.contact_id,
        person_id=row.person_id,
        account=row.account,
        audience=row.audience,
        name=await opened(tx, vault, row.person_id, row.name_enc, "doctor.name") if row.listed else "",
        hospital=row.hospital or "",
        department=row.department or "",
        title=row.title or "",
        rep=row.rep or "",
        listed=row.listed,
        verified=row.verified,
    )


async def opened(tx: Tx, vault: Vault, owner: UUID, sealed: bytes | None, place: str) -> str:
    """The words; that they were deleted, where they were."""
    if sealed is None:
        return ""
    try:
        return await vault.open_text(tx, owner, bytes(sealed), place)
    except MedrepError as error:
        if error.fault != Fault.ERASED:
            raise
        return ERASED_TEXT


# ---------------------------------------------------------------- doctors


@dataclass(frozen=True, slots=True)
class DoctorLine:
    """A doctor in a list. `last_in` and `last_out`: when they wrote, and when something last left to them."""

    person_id: UUID
    name: str
    hospital: str
    department: str
    title: str
    city: str
    rep: str
    verified: bool
    contact_id: int | None
    last_in: datetime | None
    last_out: datetime | None


_LINES = """
    WITH page AS MATERIALIZED (
        SELECT doctor.person_id, doctor.name_enc, doctor.hospital, doctor.department, doctor.title,
               doctor.city, staff.name AS rep, doctor.verified_at IS NOT NULL AS verified
        FROM {doctors} AS doctor LEFT JOIN staff ON staff.id = doctor.rep_id
        WHERE {which} ORDER BY doctor.hospital, doctor.person_id LIMIT %(limit)s
    )
    SELECT page.*, latest.contact_id, latest.last_in, latest.last_out
    FROM page LEFT JOIN LATERAL (
        SELECT max(contact.id) AS contact_id, max(came.at) AS last_in, max(went.at) AS last_out
        FROM contact
        LEFT JOIN LATERAL (
            SELECT received_at AS at FROM inbox
            WHERE inbox.contact_id = contact.id AND inbox.kind IN ('text', 'choice', 'media')
            ORDER BY inbox.id DESC LIMIT 1) AS came ON true
        LEFT JOIN LATERAL (
            SELECT max(sent_at) AS at FROM outbox WHERE outbox.contact_id = contact.id) AS went ON true
        WHERE contact.person_id = page.person_id) AS latest ON true
    """
# What the policy leaves of all doctors, found by whose they are: else each doctor is asked.
_THEIRS = """(
    SELECT * FROM doctor WHERE (SELECT console_reads('doctors'))
    UNION ALL
    SELECT * FROM doctor
    WHERE NOT (SELECT console_reads('doctors')) AND rep_id = ANY ((SELECT console_reps())::uuid[])
    UNION ALL
    SELECT * FROM doctor
    WHERE NOT (SELECT console_reads('doctors')) AND rep_id IS NULL AND (SELECT console_reads('nobodys'))
    )"""
_OWN = _LINES.format(doctors="doctor", which="doctor.rep_id = %(staff)s")
_EVERY = _LINES.format(doctors=_THEIRS, which="doctor.hospital LIKE %(hospital)s")
_PEOPLE = _LINES.format(doctors="doctor", which="doctor.person_id = ANY(CAST(%(people)s AS uuid[]))")
_NAMES = f"""
    SELECT person_id, name_enc FROM {_THEIRS} AS doctor ORDER BY hospital, person_id LIMIT %(limit)s
    """  # noqa: S608 - parts of ours


async def own_doctors(tx: Tx, vault: Vault, staff_id: UUID, limit: int) -> list[DoctorLine]:
    """The doctors of whom this colleague is the rep."""
    return await _lines(tx, vault, _OWN, {"staff": staff_id, "limit": limit})


async def find_doctors(tx: Tx, vault: Vault, words: str, limit: int, scanned: int) -> list[DoctorLine]:
    """Doctors whose hospital or name holds these words; names are opened one by one, of at most `scanned`."""
    like = words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    found = await _lines(tx, vault, _EVERY, {"hospital": f"%{like}%", "limit": limit})
    if not words or len(found) >= limit:
        return found
    rows = await hot(tx, _NAMES, {"limit": scanned})
    await vault.prepare(tx, [row.person_id for row in rows])
    named = []
    for row in rows:
        if words in await opened(tx, vault, row.person_id, row.name_enc, "doctor.name"):
            named.append(row.person_id)
    known = {line.person_id for line in found}
    people = [person_id for person_id in named if person_id not in known][: limit - len(found)]
    return [*await _lines(tx, vault, _PEOPLE, {"people": people, "limit": limit}), *found]


async def doctors_of(tx: Tx, vault: Vault, people: Collection[UUID]) -> list[DoctorLine]:
    """Those of these people who are on the list and this colleague's to see."""
    return await _lines(tx, vault, _PEOPLE, {"people": list(people), "limit": len(people)})


async def _lines(tx: Tx, vault: Vault, statement: str, values: dict[str, Any]) -> list[DoctorLine]:
    rows = await hot(tx, statement, values)
    await vault.prepare(tx, [row.person_id for row in rows])
    return [
        DoctorLine(
            row.person_id,
            await opened(tx, vault, row.person_id, row.name_enc, "doctor.name"),
            *(row.hospital, row.department, row.title, row.city, row.rep or "", row.verified),
            *(row.contact_id, row.last_in, row.last_out),
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class DoctorCard:
    """What the list of doctors says of one, and what they have told us to do."""

    person_id: UUID
    external_id: str
    name: str
    phone: str
    hospital: str
    tier: str
    department: str
    title: str
    city: str
    interests: tuple[str, ...]
    rep: str
    verified_at: datetime | None
    verified_by: str
    stopped_at: datetime | None
    updated_at: datetime


_CARD = """
    SELECT doctor.*, staff.name AS rep, person.stopped_at
    FROM doctor JOIN person ON person.id = doctor.person_id LEFT JOIN staff ON staff.id = doctor.rep_id
    WHERE doctor.person_id = %(person)s
    """


async def doctor_card(tx: Tx, vault: Vault, person_id: UUID) -> DoctorCard:
    """Raises MedrepError(NOT_FOUND): there is no such doctor, or not for this colleague."""
    rows = await hot(tx, _CARD, {"person": person_id})
    if not rows:
        raise MedrepError(Fault.NOT_FOUND, "no such doctor")
    row = rows[0]
    return DoctorCard(
        person_id=person_id,
        external_id=row.external_id,
        name=await opened(tx, vault, person_id, row.name_enc, "doctor.name"),
        phone=await opened(tx, vault, person_id, row.phone_enc, "doctor.phone"),
        hospital=row.hospital,
        tier=row.tier,
        department=row.department,
        title=row.title,
        city=row.city,
        interests=tuple(row.interests),
        rep=row.rep or "",
        verified_at=row.verified_at,
        verified_by=row.verified_by or "",
        stopped_at=row.stopped_at,
        updated_at=row.updated_at,
    )


@dataclass(frozen=True, slots=True)
class ContactCard:
    """A contact of a person, and what the platform lets us push there: `left` messages until `closes_at`."""

    id: int
    account: str
    created_at: datetime
    introduced_at: datetime | None
    unreachable_at: datetime | None
    hushed_at: datetime | None
    closes_at: datetime | None
    left: int


_CONTACTS = """
    SELECT contact.id, contact.channel || ':' || contact.account AS account, contact.created_at,
           contact.introduced_at, contact.unreachable_at, contact.hushed_at,
           windows.closes_at, windows.quota
    FROM contact LEFT JOIN LATERAL (
        SELECT max(closes_at) AS closes_at, sum(greatest(allowance - used, 0)) AS quota FROM send_window
        WHERE send_window.contact_id = contact.id AND closes_at > %(now)s) AS windows ON true
    WHERE {which} ORDER BY contact.id
    """
_OF_PERSON = _CONTACTS.format(which="contact.person_id = %(of)s")
_ONE = _CONTACTS.format(which="contact.id = %(of)s")


async def contacts_of(tx: Tx, person_id: UUID, now: datetime) -> list[ContactCard]:
    return _contact_cards(await hot(tx, _OF_PERSON, {"of": person_id, "now": now}))


async def contact_card(tx: Tx, contact_id: int, now: datetime) -> ContactCard:
    """Raises MedrepError(NOT_FOUND): there is no such contact, or not for this colleague."""
    found = _contact_cards(await hot(tx, _ONE, {"of": contact_id, "now": now}))
    if not found:
        raise MedrepError(Fault.NOT_FOUND, "no such contact")
    return found[0]


def _contact_cards(rows: list[Any]) -> list[ContactCard]:
    return [
        ContactCard(
            *(row.id, row.account, row.created_at, row.introduced_at, row.unreachable_at),
            *(row.hushed_at, row.closes_at, int(row.quota or 0)),
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class Notice:
    """That a request is with medical information; no word of it."""

    id: int
    kind: str
    opened_at: datetime
    due_at: datetime
    state: str


_NOTICES = """
    SELECT id, kind, opened_at, due_at, state FROM task_notice
    WHERE contact_id = ANY(CAST(%(contacts)s AS bigint[])) ORDER BY id DESC LIMIT 20
    """


async def notices(tx: Tx, contact_ids: Collection[int]) -> list[Notice]:
    rows = await hot(tx, _NOTICES, {"contacts": list(contact_ids)})
    return [Notice(*row) for row in rows]


_WORK = """
    SELECT count(*) AS waiting, count(*) FILTER (WHERE due_at < %(now)s) AS overdue,
           coalesce(sum(hashtextextended(id || state || coalesce(acknowledged_by, ''), 0)), 0) AS states,
           (SELECT coalesce(sum(takeover.id), 0) FROM takeover WHERE ended_at IS NULL) AS speaking,
           (SELECT count(*) FROM visit_summary WHERE state IN ('draft', 'in_review')) AS summaries,
           (SELECT coalesce(sum(hashtextextended(task_id || state || steps, 0)), 0) FROM medical_request)
           AS requests,
           (SELECT coalesce(sum(hashtextextended(id || state, 0)), 0) FROM meeting_invitation
            WHERE ended_at IS NULL AND ends_at > %(now)s) AS invitations
    FROM task WHERE state <> 'done'
    """


async def work_state(tx: Tx, now: datetime) -> str:
    """Changes when a task, a takeover, a summary, a request or an invitation that one sees does, or becomes
    overdue."""
    (row,) = await hot(tx, _WORK, {"now": now})
    return (
        f"{row.waiting}-{row.overdue}-{row.states}-{row.speaking}-{row.summaries}-{row.requests}"
        f"-{row.invitations}"
    )
