"""Whoever asks for a person: whose request it is, and those nobody has taken on. All in business time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from bot.store.database import Tx, hot

_SPOKEN_WITH_NOBODY = """
    NOT EXISTS (
        SELECT FROM takeover
        WHERE takeover.contact_id = task.contact_id
          AND (takeover.started_at >= task.opened_at OR takeover.ended_at IS NULL))
    """
# Nobody has said that they do it, and nobody has spoken with them since.
_UNCLAIMED = f"""
    task.kind = 'hand_over' AND task.state = 'open' AND task.passed_on_at IS NULL AND task.due_at <= %(now)s
    AND task.contact_id IS NOT NULL AND {_SPOKEN_WITH_NOBODY}
    """


@dataclass(frozen=True, slots=True)
class Owner:
    """A colleague a request is for. `here`: not disabled."""

    id: UUID
    name: str
    login: str
    here: bool


@dataclass(frozen=True, slots=True)
class Unclaimed:
    task: int
    contact_id: int
    owner_id: UUID | None


async def owner_of(tx: Tx, task_id: int) -> Owner | None:
    rows = await hot(tx, _OWNER, {"task": task_id})
    return Owner(*rows[0]) if rows else None


_OWNER = """
    SELECT staff.id, staff.name, coalesce(staff.login, '') AS login, staff.disabled_at IS NULL AS here
    FROM task JOIN staff ON staff.id = task.owner_id WHERE task.id = %(task)s
    """


async def manager_on_duty(
    tx: Tx, person_id: UUID, real_now: datetime, but: Collection[UUID] = ()
) -> Owner | None:
    """The manager who has this person now: of the team of their rep, then who is signed in, then who has the
    fewest requests open. `but`: not one of these, where there is another. None: there is no manager."""
    rows = await hot(tx, _MANAGER, {"person": person_id, "real": real_now, "but": list(but)})
    return Owner(*rows[0]) if rows else None


_MANAGER = """
    SELECT staff.id, staff.name, staff.login, true AS here
    FROM staff JOIN staff_role ON staff_role.staff_id = staff.id AND staff_role.role = 'manager'
    LEFT JOIN doctor ON doctor.person_id = %(person)s
    LEFT JOIN staff AS rep ON rep.id = doctor.rep_id
    WHERE staff.disabled_at IS NULL AND staff.login IS NOT NULL
      AND (rep.id IS NULL OR rep.team = '' OR rep.team = staff.team)
    ORDER BY staff.id = ANY(CAST(%(but)s AS uuid[])),
             NOT EXISTS (SELECT FROM staff_session AS one
                         WHERE one.staff_id = staff.id AND one.expires_at > %(real)s),
             (SELECT count(*) FROM task
              WHERE task.owner_id = staff.id AND task.kind = 'hand_over' AND task.state <> 'done'),
             staff.name, staff.id
    LIMIT 1
    """


async def give_to(tx: Tx, task_id: int, owner_id: UUID, role: str) -> None:
    """It is this colleague's from now on, and they are told."""
    await hot(tx, _GIVE, {"task": task_id, "owner": owner_id, "role": role})


_GIVE = """
    UPDATE task SET owner_id = %(owner)s, owner_role = %(role)s, notified_at = NULL WHERE id = %(task)s
    RETURNING id
    """


async def transfer(tx: Tx, task_id: int, owner_id: UUID, role: str) -> None:
    """It waits for this colleague, who has yet to say that they do it, and is told."""
    await hot(tx, _TRANSFER, {"task": task_id, "owner": owner_id, "role": role})


_TRANSFER = """
    UPDATE task SET owner_id = %(owner)s, owner_role = %(role)s, state = 'open', acknowledged_at = NULL,
                    acknowledged_by = NULL, notified_at = NULL
    WHERE id = %(task)s RETURNING id
    """


async def open_of(tx: Tx, contact_id: int) -> list[int]:
    """The contact's requests that are not done, the oldest first; locked."""
    return [row.id for row in await hot(tx, _OPEN, {"contact": contact_id})]


_OPEN = """
    SELECT id FROM task WHERE contact_id = %(contact)s AND kind = 'hand_over' AND state <> 'done'
    ORDER BY id FOR UPDATE
    """


@dataclass(frozen=True, slots=True)
class Standing:
    """The newest request that is not done. `owner`: a name, or ""; `claimed_by`: who said that they do it."""

    due: datetime
    owner: str
    claimed_by: str


async def standing(tx: Tx, contact_id: int) -> Standing | None:
    rows = await hot(tx, _STANDING, {"contact": contact_id})
    return Standing(*rows[0]) if rows else None


_STANDING = """
    SELECT task.due_at, coalesce(owner.name, '') AS owner,
           coalesce(claimer.name, task.acknowledged_by, '') AS claimed_by
    FROM task LEFT JOIN staff AS owner ON owner.id = task.owner_id AND owner.disabled_at IS NULL
    LEFT JOIN staff AS claimer ON claimer.login = task.acknowledged_by
    WHERE task.contact_id = %(contact)s AND task.kind = 'hand_over' AND task.state <> 'done'
    ORDER BY task.id DESC LIMIT 1
    """


async def awaiting(tx: Tx, contact_ids: Collection[int]) -> frozenset[int]:
    """Of these those whose person asked for somebody on any of theirs, and spoke with nobody since."""
    return frozenset(row.id for row in await hot(tx, _AWAITING, {"contacts": list(contact_ids)}))


# By contact, not by the task's person: who is verified after they asked is another person (`merged_into`).
_AWAITING = f"""
    SELECT contact.id FROM contact
    WHERE contact.id = ANY(CAST(%(contacts)s AS bigint[])) AND EXISTS (
        SELECT FROM contact AS theirs JOIN task ON task.contact_id = theirs.id
        WHERE theirs.person_id = contact.person_id AND task.kind = 'hand_over' AND task.state <> 'done'
          AND {_SPOKEN_WITH_NOBODY})
    """  # noqa: S608 - parts of ours


async def unclaimed(tx: Tx, now: datetime, limit: int) -> list[Unclaimed]:
    """Those whose time has come and that nobody has taken on; the longest first."""
    rows = await hot(tx, _DUE, {"now": now, "limit": limit})
    return [Unclaimed(*row) for row in rows]


_DUE = f"""
    SELECT task.id, task.contact_id, task.owner_id FROM task WHERE {_UNCLAIMED}
    ORDER BY task.due_at LIMIT %(limit)s
    """  # noqa: S608 - parts of ours


async def lock_unclaimed(tx: Tx, task_ids: Sequence[int], now: datetime) -> list[Unclaimed]:
    """Those of these that are still so and that nobody else has locked, locked."""
    rows = await hot(tx, _LOCK, {"now": now, "ids": list(task_ids)})
    return [Unclaimed(*row) for row in rows]


_LOCK = f"""
    SELECT task.id, task.contact_id, task.owner_id FROM task
    WHERE task.id = ANY(CAST(%(ids)s AS bigint[])) AND {_UNCLAIMED}
    ORDER BY task.id FOR UPDATE SKIP LOCKED
    """  # noqa: S608 - parts of ours


async def pass_on(tx: Tx, task_id: int, owner_id: UUID | None, now: datetime, due: datetime) -> None:
    """It is this manager's from now on (None: nobody's in particular), and they are told."""
    await hot(tx, _TO_MANAGER, {"task": task_id, "owner": owner_id, "now": now, "due": due})


_TO_MANAGER = """
    UPDATE task SET owner_id = CAST(%(owner)s AS uuid), due_at = %(due)s, passed_on_at = %(now)s,
                    notified_at = NULL, notify_after = '1970-01-01 00:00:00+00'
    WHERE id = %(task)s RETURNING id
    """
