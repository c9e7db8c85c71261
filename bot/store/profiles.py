"""Tags, events, affiliations and the score of people."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, exists, func, select, text, true, update
from sqlalchemy.dialects.postgresql import insert

from bot.store.database import Tx
from bot.store.tables import (
    change_request,
    contact,
    doctor,
    engagement,
    person,
    profile_event,
    profile_tag,
    staff,
    suggestion,
    task,
)

EVIDENCE = 20  # of a tag, the newest


@dataclass(frozen=True, slots=True)
class TagRow:
    person_id: UUID
    name: str
    value: str
    source: str
    times: int
    first_at: datetime
    seen_at: datetime
    evidence: tuple[str, ...]
    written_by: str | None


async def tags(tx: Tx, people: Collection[UUID]) -> dict[UUID, list[TagRow]]:
    """The tags of these people that stand."""
    columns = (profile_tag.c[name] for name in TagRow.__dataclass_fields__)
    query = select(*columns).where(
        profile_tag.c.person_id == func.any(list(people)), profile_tag.c.ended_at.is_(None)
    )
    found: dict[UUID, list[TagRow]] = {}
    for row in await tx.execute(query.order_by(profile_tag.c.id)):
        found.setdefault(row.person_id, []).append(
            TagRow(**{**row._mapping, "evidence": tuple(row.evidence)})
        )
    return found


async def lock(tx: Tx, contact_id: int) -> None:
    """Rows that point to the contact follow: nobody erases it before this transaction ends."""
    concerned = select(contact.c.id).where(contact.c.id == contact_id)
    await tx.execute(concerned.with_for_update(read=True, key_share=True))


async def note(tx: Tx, of: TagRow, contact_id: int | None, *, ends: Collection[str], now: datetime) -> None:
    """The value was seen once more, unless its evidence was there before.

    Other values of the name end where they come from one of the sources `ends`. The contact is locked first,
    as an erasure does.
    """
    if contact_id is not None:
        await lock(tx, contact_id)
    await tx.execute(
        update(profile_tag)
        .where(
            profile_tag.c.person_id == of.person_id,
            profile_tag.c.name == of.name,
            profile_tag.c.source.in_(ends),
            (profile_tag.c.value != of.value) | (profile_tag.c.source != of.source),
            profile_tag.c.ended_at.is_(None),
        )
        .values(ended_at=now, ended_why="replaced")
    )
    values = {
        **{name: getattr(of, name) for name in TagRow.__dataclass_fields__},
        "evidence": list(of.evidence),
        "contact_id": contact_id,
    }
    await tx.execute(_NOTE, values)


_NOTE = text(
    f"""
    INSERT INTO profile_tag (person_id, contact_id, name, value, source, times, first_at, seen_at, evidence,
                             written_by)
    VALUES (:person_id, :contact_id, :name, :value, :source, :times, :first_at, :seen_at, :evidence,
            :written_by)
    ON CONFLICT (person_id, name, value, source) WHERE ended_at IS NULL DO UPDATE
    SET times = profile_tag.times + excluded.times, seen_at = greatest(profile_tag.seen_at, excluded.seen_at),
        contact_id = excluded.contact_id, written_by = excluded.written_by,
        evidence = (profile_tag.evidence || excluded.evidence)[
            greatest(cardinality(profile_tag.evidence || excluded.evidence) - {EVIDENCE - 1}, 1):]
    WHERE cardinality(excluded.evidence) = 0 OR NOT profile_tag.evidence @> excluded.evidence
    """  # noqa: S608 - the number is a constant of ours
)


async def end(
    tx: Tx,
    person_id: UUID,
    now: datetime,
    why: str,
    *,
    names: Collection[str],
    value: str | None = None,
) -> list[str]:
    """These tags, or those of them with this value, hold no more; the names of those that did."""
    ended = await tx.execute(
        update(profile_tag)
        .where(
            profile_tag.c.person_id == person_id,
            profile_tag.c.name.in_(names),
            true() if value is None else profile_tag.c.value == value,
            profile_tag.c.ended_at.is_(None),
        )
        .values(ended_at=now, ended_why=why)
        .returning(profile_tag.c.name)
    )
    return sorted(set(ended.scalars()))


async def shown(
    tx: Tx,
    people: Collection[UUID],
    found: Sequence[Mapping[str, Any]],
    names: Collection[str],
    now: datetime,
) -> None:
    """What the behaviour of these people shows now, in place of what it showed: values of `profile_tag`."""
    keep = [f"{row['person_id']} {row['name']} {row['value']}" for row in found]
    key = func.concat_ws(" ", profile_tag.c.person_id, profile_tag.c.name, profile_tag.c.value)
    await tx.execute(
        update(profile_tag)
        .where(
            profile_tag.c.person_id == func.any(list(people)),
            profile_tag.c.source == "behaviour",
            profile_tag.c.name.in_(names),
            profile_tag.c.ended_at.is_(None),
            ~key.op("=")(func.any(keep)),
        )
        .values(ended_at=now, ended_why="faded")
    )
    if found:
        added = insert(profile_tag).values(list(found))
        changed = {name: added.excluded[name] for name in ("times", "seen_at", "evidence", "contact_id")}
        await tx.execute(
            added.on_conflict_do_update(
                index_elements=["person_id", "name", "value", "source"],
                index_where=text("ended_at IS NULL"),
                set_=changed,
            )
        )


async def forget(tx: Tx, person_id: UUID) -> int:
    """All that behaviour showed of this person, the score and what was suggested, is deleted."""
    await tx.execute(delete(engagement).where(engagement.c.person_id == person_id))
    await tx.execute(delete(profile_event).where(profile_event.c.person_id == person_id))
    derived = profile_tag.c.source == "behaviour"
    gone = await tx.execute(delete(profile_tag).where(profile_tag.c.person_id == person_id, derived))
    return int(gone.rowcount)


async def delete_tags(tx: Tx, person_id: UUID, names: Collection[str]) -> int:
    gone = await tx.execute(
        delete(profile_tag).where(profile_tag.c.person_id == person_id, profile_tag.c.name.in_(names))
    )
    return int(gone.rowcount)


async def forget_contact(tx: Tx, contact_id: int, now: datetime) -> dict[str, int]:
    """What was said, shown and asked for on this contact is deleted: its owner is gone, or was not who we
    thought; rows by store. Tasks of its change requests are closed."""
    asked = select(change_request.c.task_id).where(change_request.c.contact_id == contact_id)
    await tx.execute(
        update(task)
        .where(task.c.id.in_(asked), task.c.state != "done")
        .values(state="done", closed_at=now, outcome="erased")
    )
    removed = {}
    for table in (profile_tag, profile_event, engagement, suggestion, change_request):
        gone = await tx.execute(delete(table).where(table.c.contact_id == contact_id))
        removed[table.name] = int(gone.rowcount)
    return removed


async def add_event(tx: Tx, **values: Any) -> bool:
    """Whether it was not there yet, by its key."""
    added = await tx.execute(
        insert(profile_event).values(**values).on_conflict_do_nothing().returning(profile_event.c.id)
    )
    return added.first() is not None


@dataclass(frozen=True, slots=True)
class ListEntry:
    """What the company's list says of a doctor."""

    person_id: UUID
    external_id: str
    hospital: str
    tier: str
    department: str
    title: str
    city: str
    interests: tuple[str, ...]
    rep: str | None
    updated_at: datetime
    verified_at: datetime | None


async def entries(tx: Tx, people: Collection[UUID]) -> dict[UUID, ListEntry]:
    """The list's entries of these people, where they have one."""
    rows = await tx.execute(
        select(
            *(doctor.c.person_id, doctor.c.external_id, doctor.c.hospital, doctor.c.tier),
            *(doctor.c.department, doctor.c.title, doctor.c.city, doctor.c.interests),
            *(staff.c.name, doctor.c.updated_at, doctor.c.verified_at),
        )
        .outerjoin(staff, staff.c.id == doctor.c.rep_id)
        .where(doctor.c.person_id == func.any(list(people)))
    )
    return {
        row.person_id: ListEntry(
            *row[:7],
            interests=tuple(row.interests),
            rep=row.name,
            updated_at=row.updated_at,
            verified_at=row.verified_at,
        )
        for row in rows
    }


async def take_over(tx: Tx, newcomer: UUID, into: UUID, now: datetime) -> None:
    """The newcomer turned out to be this person: what was noted of them is theirs. What the person has
    already is kept; what was suggested of the newcomer is done with."""
    theirs = profile_tag.alias()
    same = exists().where(
        theirs.c.person_id == into,
        theirs.c.name == profile_tag.c.name,
        theirs.c.ended_at.is_(None),
    )
    standing = profile_tag.c.person_id == newcomer, profile_tag.c.ended_at.is_(None)
    await tx.execute(update(profile_tag).where(*standing, same).values(ended_at=now, ended_why="replaced"))
    await tx.execute(
        update(suggestion)
        .where(suggestion.c.person_id == newcomer, suggestion.c.state == "open")
        .values(state="moot", decided_at=now)
    )
    await tx.execute(delete(engagement).where(engagement.c.person_id == newcomer))
    for table in (profile_tag, profile_event, suggestion, change_request):
        await tx.execute(update(table).where(table.c.person_id == newcomer).values(person_id=into))


async def is_doctor(tx: Tx, person_id: UUID) -> bool:
    """Whether the person is on the company's list."""
    return (
        await tx.execute(select(doctor.c.person_id).where(doctor.c.person_id == person_id))
    ).first() is not None


async def now_of(tx: Tx, person_id: UUID) -> UUID:
    """Who this person turned out to be, else themselves."""
    found: UUID = (
        await tx.execute(
            select(func.coalesce(person.c.merged_into, person.c.id)).where(person.c.id == person_id)
        )
    ).scalar_one()
    return found
