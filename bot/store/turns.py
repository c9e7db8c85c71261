"""Turns: claimed by contact, one at a time, fenced."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import exists, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert

from bot.model import Fault, InboundKind, InboxState, MedrepError, Purpose
from bot.store import channels
from bot.store.database import Tx
from bot.store.tables import contact, effect, inbox, turn

TOGETHER = 20  # rows that may form one turn


@dataclass(frozen=True, slots=True)
class Claim:
    """A turn that this worker owns until `lease_until` (real time), while `fence` is the newest.

    With a `purpose` it is a trigger's: all that is said in it is for that, and expires with it.
    """

    turn_id: UUID
    contact_id: int
    fence: int
    attempts: int
    failures: int = 0  # of the engine, in earlier attempts; a worker that died is no failure of it
    purpose: Purpose | None = None
    subject: str | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """What a turn was made of; `entities` is ciphertext, since they quote the person."""

    intent: str
    confidence: float
    model: str
    actions: tuple[str, ...]
    entries: tuple[str, ...]
    slots: dict[str, Any]
    entities: bytes


async def claim_next(tx: Tx, now: datetime, lease: timedelta) -> Claim | None:
    """Take over a turn whose owner died, else open one for a contact that waits. None: nothing to do."""
    abandoned = (
        select(turn.c.id)
        .where(turn.c.state.in_(["running", "retry"]), turn.c.lease_until < now)
        .order_by(turn.c.lease_until)
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    row = (
        await tx.execute(
            update(turn)
            .where(turn.c.id == abandoned)
            .values(
                state="running",
                fence=turn.c.fence + 1,
                attempts=turn.c.attempts + 1,
                lease_until=now + lease,
            )
            .returning(*_CLAIM)
        )
    ).first()
    if row is not None:
        return _claim(row)
    for _ in range(3):
        opened = await _open(tx, now, lease)
        if opened is not CONTENDED:
            return opened
    return None


_CLAIM = (
    turn.c.id,
    turn.c.contact_id,
    turn.c.fence,
    turn.c.attempts,
    turn.c.failures,
    turn.c.purpose,
    turn.c.subject,
    turn.c.expires_at,
)


def _claim(row: Any) -> Claim:
    purpose = Purpose(row.purpose) if row.purpose else None
    return Claim(
        row.id,
        row.contact_id,
        row.fence,
        row.attempts,
        row.failures,
        purpose,
        row.subject,
        row.expires_at,
    )


CONTENDED = Claim(UUID(int=0), 0, 0, 0)  # another worker was faster than our snapshot: look again


async def _open(tx: Tx, now: datetime, lease: timedelta) -> Claim | None:
    busy = exists().where(turn.c.contact_id == inbox.c.contact_id, turn.c.state.in_(["running", "retry"]))
    words = inbox.alias()
    # A trigger does not begin while words of theirs wait, be it for their continuation.
    spoken = exists().where(
        words.c.contact_id == inbox.c.contact_id, words.c.state == "waiting", words.c.priority == 0
    )
    candidate = (
        await tx.execute(
            select(inbox.c.contact_id)
            .join(contact, contact.c.id == inbox.c.contact_id)
            .where(
                inbox.c.state == "waiting",
                inbox.c.ready_at <= now,
                ~busy,
                or_(inbox.c.priority == 0, ~spoken),
            )
            .order_by(inbox.c.priority, inbox.c.id)
            .limit(1)
            # NO KEY: storing a further message of this contact must not wait for us.
            .with_for_update(of=contact, skip_locked=True, key_share=True)
        )
    ).scalar()
    if candidate is None:
        return None
    # Our snapshot may be older than the lock: what we saw waiting can be done by now.
    rows = (
        await tx.execute(
            select(
                inbox.c.id,
                inbox.c.kind,
                inbox.c.ready_at,
                inbox.c.purpose,
                inbox.c.subject,
                inbox.c.expires_at,
            )
            .where(inbox.c.contact_id == candidate, inbox.c.state == "waiting")
            .order_by(inbox.c.priority, inbox.c.id)
            .limit(TOGETHER)
        )
    ).all()
    if not rows:
        return CONTENDED
    turn_id = uuid4()
    opened = await tx.execute(
        insert(turn)
        .values(
            id=turn_id,
            contact_id=candidate,
            state="running",
            fence=1,
            lease_until=now + lease,
            started_at=now,
            purpose=rows[0].purpose,
            subject=rows[0].subject,
            expires_at=rows[0].expires_at,
        )
        .on_conflict_do_nothing()  # uq_turn_open
        .returning(*_CLAIM)
    )
    claimed = opened.first()
    if claimed is None:
        return CONTENDED
    together = [rows[0].id]
    if rows[0].kind == InboundKind.TEXT:
        for row in rows[1:]:
            if row.kind != InboundKind.TEXT or row.ready_at > now:
                break
            together.append(row.id)
    await tx.execute(
        update(inbox).where(inbox.c.id.in_(together)).values(state=InboxState.CLAIMED.value, turn_id=turn_id)
    )
    return _claim(claimed)


async def finish(
    tx: Tx,
    claim: Claim,
    state: InboxState,
    now: datetime,
    *,
    record: Record | None = None,
    fault: str | None = None,
) -> tuple[int, datetime] | None:
    """Close the turn and its messages; the last of them whose connection can still carry a reply, and until
    when (real time). Raises MedrepError(LEASE_LOST): roll everything back then."""
    done = await tx.execute(
        update(turn)
        .where(turn.c.id == claim.turn_id, turn.c.fence == claim.fence, turn.c.state == "running")
        .values(state=state.value, ended_at=now, fault=fault, **_recorded(claim, record))
        .returning(turn.c.id)
    )
    if done.first() is None:
        raise MedrepError(Fault.LEASE_LOST, "another worker owns this turn")
    rows = await tx.execute(
        update(inbox)
        .where(inbox.c.turn_id == claim.turn_id)
        .values(state=state.value)
        .returning(inbox.c.id, inbox.c.passive_until)
    )
    connections = sorted((row.id, row.passive_until) for row in rows if row.passive_until is not None)
    if connections:
        ids = [str(inbox_id) for inbox_id, _ in connections]
        await tx.execute(_WAKE_CONNECTIONS, {"channel": channels.PASSIVE, "ids": ids})
    return connections[-1] if connections else None


_WAKE_CONNECTIONS = text("SELECT pg_notify(:channel, id) FROM unnest(CAST(:ids AS text[])) AS id")


def _recorded(claim: Claim, record: Record | None) -> dict[str, Any]:
    if record is None:
        return {}
    # The last action that took the question somewhere decides; its effect committed before the turn.
    route = (
        select(effect.c.route)
        .where(effect.c.turn_id == claim.turn_id, effect.c.route.is_not(None))
        .order_by(effect.c.ordinal.desc())
        .limit(1)
        .scalar_subquery()
    )
    return {
        "intent": record.intent,
        "confidence": record.confidence,
        "model": record.model,
        "actions": list(record.actions),
        "route": route,
        "entries": list(record.entries),
        "slots": record.slots,
        "entities_enc": record.entities,
    }


async def postpone(tx: Tx, claim: Claim, until: datetime, fault: str, *, counts: bool) -> None:
    """Give the turn back for later. `counts`: the engine failed, which counts towards giving up; else the
    attempt is forgotten."""
    await tx.execute(
        update(turn)
        .where(turn.c.id == claim.turn_id, turn.c.fence == claim.fence, turn.c.state == "running")
        .values(
            state="retry",
            lease_until=until,
            fault=fault,
            attempts=turn.c.attempts if counts else turn.c.attempts - 1,
            failures=turn.c.failures + 1 if counts else turn.c.failures,
        )
    )
