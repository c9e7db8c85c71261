"""Doctors as imported, and how they were verified."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import exists, select

from bot.store.database import Tx
from bot.store.tables import doctor, rep, task


@dataclass(frozen=True, slots=True)
class Standing:
    """What the dialogue needs to know of the person behind a contact."""

    verified: bool
    waiting: bool  # a colleague has yet to confirm who this is
    rep: str | None


async def standing(tx: Tx, person_id: UUID) -> Standing:
    """Whether this person is a verified doctor, and whose."""
    waiting = exists().where(task.c.person_id == person_id, task.c.kind == "identity", task.c.state != "done")
    row = (
        await tx.execute(
            select(doctor.c.verified_at, rep.c.name, waiting.label("waiting"))
            .outerjoin(rep, rep.c.id == doctor.c.rep_id)
            .where(doctor.c.person_id == person_id)
        )
    ).first()
    if row is None:
        return Standing(False, bool((await tx.execute(select(waiting))).scalar()), None)
    return Standing(row.verified_at is not None, row.waiting, row.name)
