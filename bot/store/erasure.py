"""Everything that rests about a person: where it is, and how it goes.

Destroying the keys makes all ciphertext unreadable wherever it lies. What these statements remove besides
is what could still link or tell: digests for look-ups, what a message was about, references, queues.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Delete,
    ScalarSelect,
    Table,
    Update,
    delete,
    exists,
    func,
    or_,
    select,
    update,
)
from sqlalchemy import case as case_of
from sqlalchemy.dialects.postgresql import insert

from bot.model import Fault, InboxState, MedrepError, OutboxState
from bot.store import occurrences
from bot.store.database import Tx
from bot.store.occurrences import CANCELLED, PENDING
from bot.store.tables import (
    affiliation,
    appointment,
    attempt,
    change_request,
    chat_note,
    consent,
    contact,
    conversation,
    crm_delivery,
    data_key,
    doctor,
    effect,
    engagement,
    inbox,
    invitation_code,
    material_open,
    material_sent,
    medical_request,
    medical_step,
    meeting_invitation,
    occurrence,
    offer,
    outbox,
    own_visit,
    own_visit_version,
    person,
    profile_event,
    profile_tag,
    send_window,
    suggestion,
    task,
    timer,
    tombstone,
    turn,
    visit,
    visit_fact,
    visit_plan,
    visit_summary,
    visit_summary_version,
)
from bot.store.timers import Action
from bot.store.vault import Vault

SAFETY = ("adverse_event",)  # kinds of tasks that pharmacovigilance keeps; other cases are compliance's
REASON = "erased"
_UNDER_WAY = (InboxState.WAITING.value, InboxState.CLAIMED.value, InboxState.DEFERRED.value)


async def everyone(tx: Tx, person_id: UUID) -> list[UUID]:
    """This person, and whoever turned out to be them or they to be. Raises MedrepError(NOT_FOUND)."""
    family = select(person.c.id, person.c.merged_into).where(person.c.id == person_id).cte(recursive=True)
    linked = or_(person.c.merged_into == family.c.id, person.c.id == family.c.merged_into)
    family = family.union(select(person.c.id, person.c.merged_into).join(family, linked))
    found = list((await tx.execute(select(family.c.id))).scalars())
    if not found:
        raise MedrepError(Fault.NOT_FOUND, "no such person")
    return sorted(found)


async def lock(tx: Tx, people: Sequence[UUID]) -> list[int]:
    """Nobody else changes or adds anything of theirs until the transaction ends; their contacts."""
    # Contacts before people: the order in which the foreign keys of an arriving message lock them.
    rows = await tx.execute(
        select(contact.c.id).where(contact.c.person_id.in_(people)).order_by(contact.c.id).with_for_update()
    )
    ids = list(rows.scalars())
    await tx.execute(
        select(person.c.id).where(person.c.id.in_(people)).order_by(person.c.id).with_for_update()
    )
    return ids


async def keys(tx: Tx, vault: Vault, people: Sequence[UUID], now: datetime) -> tuple[int, int]:
    """(data keys destroyed, of these once wrapped under the master key alone)."""
    owned = data_key.c.person_id.in_(people)
    bare = await tx.execute(
        select(func.count()).where(owned, data_key.c.bare, data_key.c.wrapped.is_not(None))
    )
    await tx.execute(update(person).where(person.c.id.in_(people)).values(erased_at=now))
    return await vault.destroy(tx, owned), int(bare.scalar_one())


async def contact_keys(tx: Tx, vault: Vault, contact_id: int) -> int:
    """Destroy the keys of all that was said on this contact; what comes after is under a new one."""
    used = select(contact.c.key_id).where(contact.c.id == contact_id).scalar_subquery()
    count = await vault.destroy(tx, or_(data_key.c.id == used, data_key.c.contact_id == contact_id))
    await tx.execute(update(contact).where(contact.c.id == contact_id).values(key_id=None))
    return count


async def has_bare_key(tx: Tx, person_id: UUID) -> bool:
    """Whether this person was there before contacts had keys of their own."""
    found = await tx.execute(select(data_key.c.id).where(data_key.c.id == person_id, data_key.c.bare))
    return found.first() is not None


async def _count(tx: Tx, statement: Update | Delete) -> int:
    return int((await tx.execute(statement)).rowcount)


def _belongs_to(table: Table, people: Sequence[UUID], contacts: Sequence[int]) -> ColumnElement[bool]:
    return or_(table.c.person_id.in_(people), table.c.contact_id.in_(contacts))


async def profile(tx: Tx, people: Sequence[UUID], grave: bytes | None, now: datetime) -> int:
    """The imported row and its codes; `grave`: an import may not bring this external id back."""
    if grave is not None:
        await tx.execute(
            insert(tombstone).values(external_hmac=grave, erased_at=now).on_conflict_do_nothing()
        )
    await tx.execute(delete(invitation_code).where(invitation_code.c.person_id.in_(people)))
    return await _count(tx, delete(doctor).where(doctor.c.person_id.in_(people)))


async def contacts(tx: Tx, ids: Sequence[int], subjects: Sequence[bytes], now: datetime) -> int:
    """Their addresses; the same address writing again is somebody new."""
    await tx.execute(delete(send_window).where(send_window.c.contact_id.in_(ids)))
    await tx.execute(delete(attempt).where(attempt.c.subject.in_(subjects)))
    return await _count(
        tx,
        update(contact)
        .where(contact.c.id.in_(ids))
        .values(
            address_hmac=None,
            address_enc=b"",
            hushed_at=None,
            unreachable_at=func.coalesce(contact.c.unreachable_at, now),
        ),
    )


async def turns(tx: Tx, ids: Sequence[int], real_now: datetime) -> int:
    """Open turns are closed: their worker finds its fence outrun and commits nothing."""
    closed = await _count(
        tx,
        update(turn)
        .where(turn.c.contact_id.in_(ids), turn.c.state.in_(["running", "retry"]))
        .values(state="failed", fence=turn.c.fence + 1, ended_at=real_now, fault=REASON),
    )
    await tx.execute(
        update(turn)
        .where(turn.c.contact_id.in_(ids))
        .values(intent=None, route=None, entries=[], slots={}, entities_enc=None)
    )
    return closed


async def received(tx: Tx, people: Sequence[UUID], ids: Sequence[int]) -> int:
    """Their messages: no words, no findings; what still waited is over."""
    owned = _belongs_to(inbox, people, ids)
    over = await tx.execute(
        update(inbox)
        .where(owned, inbox.c.state.in_(_UNDER_WAY))
        .values(state=InboxState.FAILED.value, passive_until=None, fault=REASON)
        .returning(inbox.c.id)
    )
    await occurrences.triggers_ended(tx, list(over.scalars()))
    return await _count(tx, update(inbox).where(owned).values(body_enc=b"", screening={}))


async def sent(tx: Tx, people: Sequence[UUID], ids: Sequence[int]) -> tuple[int, int]:
    """(messages without their words, of these cancelled). One being sent this moment cannot be recalled."""
    owned = _belongs_to(outbox, people, ids)
    cancelled = await tx.execute(
        update(outbox)
        .where(owned, outbox.c.state.in_([OutboxState.WAITING.value, OutboxState.HELD.value]))
        .values(state=OutboxState.CANCELLED.value, fault=REASON)
        .returning(outbox.c.id)
    )
    cancelled_ids = list(cancelled.scalars())
    emptied = await _count(tx, update(outbox).where(owned).values(body_enc=b"", platform_id=None))
    # Occurrences after all messages: whoever settles a further message of the turn locks in this order.
    await occurrences.ended(tx, cancelled_ids)
    return emptied, len(cancelled_ids)


async def talk(tx: Tx, people: Sequence[UUID], ids: Sequence[int]) -> dict[str, int]:
    """Conversations, offers, what actions returned, what materials were sent and read, visits, appointments,
    invitations to meetings and who was told of them: removed."""
    talked = (
        *(conversation, offer, effect, material_open, material_sent, appointment, chat_note),
        meeting_invitation,
        *(visit_fact, visit_summary_version, visit_summary, visit),
        *(own_visit_version, own_visit, crm_delivery),
    )
    place = visit_plan.c.looked_after.in_(people)
    await tx.execute(update(visit_plan).where(place).values(looked_after=None))
    return {
        table.name: await _count(tx, delete(table).where(_belongs_to(table, people, ids))) for table in talked
    }


async def requests(tx: Tx, people: Sequence[UUID], ids: Sequence[int]) -> tuple[int, int]:
    """(requests to medical information without their words, steps removed). The bare row stays for who
    opens it, and says that nobody is there to be answered."""
    removed = await _count(tx, delete(medical_step).where(_belongs_to(medical_step, people, ids)))
    emptied = await _count(
        tx,
        update(medical_request)
        .where(_belongs_to(medical_request, people, ids))
        .values(
            state="erased", question_enc=b"", product="", wish="", answer=None, answer_digest=None, steps=0
        ),
    )
    return emptied, removed


async def known(tx: Tx, people: Sequence[UUID], ids: Sequence[int]) -> dict[str, int]:
    """Tags, what they rest on and what was made of them: removed."""
    return {
        table.name: await _count(tx, delete(table).where(_belongs_to(table, people, ids)))
        for table in (profile_tag, profile_event, affiliation, engagement, suggestion, change_request)
    }


async def consents(tx: Tx, people: Sequence[UUID]) -> int:
    return await _count(tx, delete(consent).where(consent.c.person_id.in_(people)))


async def timers(tx: Tx, people: Sequence[UUID], ids: Sequence[int]) -> int:
    """They end, and so do turns of theirs that had not begun; their references go."""
    owned = _belongs_to(timer, people, ids)
    await tx.execute(
        update(occurrence)
        .where(
            occurrence.c.timer_id.in_(select(timer.c.id).where(owned)),
            occurrence.c.state == PENDING,
            occurrence.c.action != Action.MESSAGE.value,
        )
        .values(state=CANCELLED, reason=REASON)
    )
    return await _count(tx, update(timer).where(owned).values(next_due=None, slot_at=None, refs={}))


async def tasks(
    tx: Tx, people: Sequence[UUID], ids: Sequence[int], now: datetime, by: str
) -> tuple[int, int, int]:
    """(tasks without their detail, safety cases kept, other cases kept). What was still open of the rest
    cannot be done any more."""
    owned = _belongs_to(task, people, ids)
    # A case's words are under a key of nobody.
    case = exists().where(data_key.c.id == task.c.key_id, data_key.c.person_id.is_(None))
    safety, other = case & task.c.kind.in_(SAFETY), case & task.c.kind.not_in(SAFETY)
    kept = (await tx.execute(select(*(_how_many(owned & kind) for kind in (safety, other))))).one()
    rest = (owned, ~case)
    await tx.execute(
        update(task)
        .where(*rest, task.c.state != "done")
        .values(
            state="done",
            closed_at=now,
            outcome=REASON,
            acknowledged_at=func.coalesce(task.c.acknowledged_at, now),
            acknowledged_by=func.coalesce(task.c.acknowledged_by, by),
        )
    )
    # Not null: words were there, and a colleague reads that they were deleted.
    erased_detail = case_of((task.c.detail_enc.is_not(None), b""), else_=None)
    emptied = await _count(tx, update(task).where(*rest).values(detail_enc=erased_detail, key_id=None))
    return emptied, kept[0], kept[1]


def _how_many(which: ColumnElement[bool]) -> ScalarSelect[int]:
    return select(func.count()).select_from(task).where(which).scalar_subquery()


async def rows_of(tx: Tx, table: Table, people: Sequence[UUID]) -> list[Any]:
    """A table's rows of these people, whole, in order."""
    order = table.c.get("id", next(iter(table.primary_key)))
    return list((await tx.execute(select(table).where(table.c.person_id.in_(people)).order_by(order))).all())


async def keys_of(tx: Tx, people: Sequence[UUID]) -> list[UUID]:
    """The data keys of these people and their contacts."""
    return list((await tx.execute(select(data_key.c.id).where(data_key.c.person_id.in_(people)))).scalars())


async def keys_left(tx: Tx, people: Sequence[UUID]) -> int:
    """How many of them can still be read."""
    counted = await tx.execute(
        select(func.count()).where(data_key.c.person_id.in_(people), data_key.c.wrapped.is_not(None))
    )
    return int(counted.scalar_one())
