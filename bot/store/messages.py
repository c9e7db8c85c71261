"""Inbound messages: stored once by key, claimed by contact, one turn at a time."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import and_, exists, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from bot.model import Fault, Inbound, InboundKind, InboxState, MedrepError
from bot.store.contacts import Contact
from bot.store.database import Tx, notify
from bot.store.keys import Vault
from bot.store.tables import contact, inbox, turn

CHANNEL = "medrep_inbox"
PASSIVE_CHANNEL = "medrep_passive"  # the id of a message whose connections may look for a reply
TOGETHER = 20  # rows that may form one turn


@dataclass(frozen=True, slots=True)
class Waiting:
    """One stored message of a turn, decrypted."""

    id: int
    kind: InboundKind
    received_at: datetime
    passive_until: datetime | None
    screening: dict[str, Any]
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Claim:
    """A turn that this worker owns until `lease_until` (real time), while `fence` is the newest."""

    turn_id: UUID
    contact_id: int
    fence: int
    attempts: int


async def seal(tx: Tx, vault: Vault, whose: Contact, inbound: Inbound) -> bytes:
    """What the person said, under their key."""
    body = {
        "text": inbound.text,
        "choice": inbound.choice,
        "event": inbound.event,
        "detail": inbound.detail,
        "sent_at": inbound.sent_at.isoformat(),
    }
    return await vault.seal(tx, whose.person_id, json.dumps(body), "inbox.body")


async def known(tx: Tx, inbound: Inbound, passive_until: datetime | None) -> int:
    """The id of the message with this key; a new connection may carry its reply from now on."""
    found: int = (
        await tx.execute(
            update(inbox)
            .where(
                inbox.c.channel == inbound.account.channel.value,
                inbox.c.account == inbound.account.name,
                inbox.c.key == inbound.key,
            )
            .values(passive_until=func.greatest(passive_until, inbox.c.passive_until))
            .returning(inbox.c.id)
        )
    ).scalar_one()
    return found


async def claim(tx: Tx, now: datetime, lease: timedelta) -> Claim | None:
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
            .returning(turn.c.id, turn.c.contact_id, turn.c.fence, turn.c.attempts)
        )
    ).first()
    if row is not None:
        return Claim(row.id, row.contact_id, row.fence, row.attempts)
    for _ in range(3):
        opened = await _open(tx, now, lease)
        if opened is not CONTENDED:
            return opened
    return None


CONTENDED = Claim(UUID(int=0), 0, 0, 0)  # another worker was faster than our snapshot: look again


async def _open(tx: Tx, now: datetime, lease: timedelta) -> Claim | None:
    busy = exists().where(turn.c.contact_id == inbox.c.contact_id, turn.c.state.in_(["running", "retry"]))
    candidate = (
        await tx.execute(
            select(inbox.c.contact_id)
            .join(contact, contact.c.id == inbox.c.contact_id)
            .where(inbox.c.state == "waiting", inbox.c.ready_at <= now, ~busy)
            .order_by(inbox.c.id)
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
            select(inbox.c.id, inbox.c.kind, inbox.c.ready_at)
            .where(inbox.c.contact_id == candidate, inbox.c.state == "waiting")
            .order_by(inbox.c.id)
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
        )
        .on_conflict_do_nothing()  # uq_turn_open
        .returning(turn.c.id)
    )
    if opened.first() is None:
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
    return Claim(turn_id, candidate, 1, 1)


async def of_turn(tx: Tx, vault: Vault, turn_id: UUID) -> tuple[Waiting, ...]:
    """The messages of a turn, in order. Raises MedrepError(ERASED)."""
    rows = (await tx.execute(select(inbox).where(inbox.c.turn_id == turn_id).order_by(inbox.c.id))).all()
    return tuple(
        [
            Waiting(
                id=row.id,
                kind=InboundKind(row.kind),
                received_at=row.received_at,
                passive_until=row.passive_until,
                screening=row.screening,
                body=json.loads(await vault.open_text(tx, row.person_id, row.body_enc, "inbox.body")),
            )
            for row in rows
        ]
    )


async def finish(
    tx: Tx, mine: Claim, state: InboxState, now: datetime, *, intent: str = "", fault: str | None = None
) -> None:
    """Close the turn and its messages. Raises MedrepError(LEASE_LOST): roll everything back then."""
    done = await tx.execute(
        update(turn)
        .where(turn.c.id == mine.turn_id, turn.c.fence == mine.fence, turn.c.state == "running")
        .values(state=state.value, ended_at=now, intent=intent, fault=fault)
        .returning(turn.c.id)
    )
    if done.first() is None:
        raise MedrepError(Fault.LEASE_LOST, "another worker owns this turn")
    rows = await tx.execute(
        update(inbox)
        .where(inbox.c.turn_id == mine.turn_id)
        .values(state=state.value)
        .returning(inbox.c.id, inbox.c.passive_until)
    )
    for row in rows.all():
        if row.passive_until is not None:
            await notify(tx, PASSIVE_CHANNEL, str(row.id))
    await notify(tx, CHANNEL)  # the contact may have written meanwhile


async def is_over(tx: Tx, inbox_id: int) -> bool:
    """Whether this message's turn has ended."""
    state = (await tx.execute(select(inbox.c.state).where(inbox.c.id == inbox_id))).scalar()
    return state in (InboxState.DONE, InboxState.FAILED)


async def postpone(tx: Tx, mine: Claim, until: datetime, fault: str, *, counts: bool) -> None:
    """Give the turn back for later. `counts`: this attempt counts towards giving up."""
    await tx.execute(
        update(turn)
        .where(turn.c.id == mine.turn_id, turn.c.fence == mine.fence, turn.c.state == "running")
        .values(
            state="retry",
            lease_until=until,
            fault=fault,
            attempts=turn.c.attempts if counts else turn.c.attempts - 1,
        )
    )


async def passive_until(tx: Tx, turn_id: UUID) -> tuple[int, datetime] | None:
    """The last message of the turn whose connection can still carry a reply, and until when."""
    row = (
        await tx.execute(
            select(inbox.c.id, inbox.c.passive_until)
            .where(inbox.c.turn_id == turn_id, inbox.c.passive_until.is_not(None))
            .order_by(inbox.c.id.desc())
            .limit(1)
        )
    ).first()
    return None if row is None else (row.id, row.passive_until)


async def backlog(tx: Tx) -> tuple[int, float]:
    """How many messages wait, and how long the oldest has (seconds of real time)."""
    row = (
        await tx.execute(
            select(
                func.count().label("waiting"),
                func.coalesce(
                    func.extract("epoch", text("clock_timestamp()") - func.min(inbox.c.ready_at)), 0.0
                ).label("age"),
            ).where(and_(inbox.c.state == "waiting"))
        )
    ).one()
    return row.waiting, max(0.0, float(row.age))
