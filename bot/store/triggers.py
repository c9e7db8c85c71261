"""Triggers: rows of the inbox that we write ourselves, so that a turn begins without words of the person.

They wait in state `deferred` for their `not_before`; how they end is in `state` and `fault`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert

from bot.model import Fault, InboundKind, InboxState, MedrepError, Purpose
from bot.store import channels, occurrences
from bot.store.contact_keys import key_of
from bot.store.contacts import Contact
from bot.store.database import Tx, notify
from bot.store.tables import inbox, turn
from bot.store.turns import Claim
from bot.store.vault import Vault

_OPEN = (InboxState.WAITING.value, InboxState.DEFERRED.value)


@dataclass(frozen=True, slots=True)
class Trigger:
    """A turn that is to begin with `intent`.

    `metadata` reaches the actions: ids, not texts. `subject` names the row that it is about ("visit:12").
    There is one trigger of the contact with this `key`. `expires_at` is business time.
    """

    contact: Contact
    intent: str
    metadata: Mapping[str, Any]
    purpose: Purpose
    subject: str
    key: str
    expires_at: datetime


async def add(
    tx: Tx, vault: Vault, wanted: Trigger, now: datetime, ready_at: datetime
) -> tuple[int, bytes] | None:
    """The trigger's id and ciphertext; None when there was one with its key. `ready_at` is real time."""
    contact = wanted.contact
    body = json.dumps({"text": "", "choice": "", "event": wanted.intent, "detail": dict(wanted.metadata)})
    sealed = await vault.seal(tx, await key_of(tx, vault, contact), body, "inbox.body")
    added: int | None = (
        await tx.execute(
            insert(inbox)
            .values(
                channel=contact.account.channel.value,
                account=contact.account.name,
                key=vault.keyring.digest("inbox.key", f"trigger\0{contact.id}\0{wanted.key}").hex(),
                contact_id=contact.id,
                person_id=contact.person_id,
                kind=InboundKind.TRIGGER.value,
                body_enc=sealed,
                received_at=now,
                state=InboxState.WAITING.value,
                ready_at=ready_at,
                purpose=wanted.purpose.value,
                subject=wanted.subject,
                expires_at=wanted.expires_at,
            )
            .on_conflict_do_nothing()
            .returning(inbox.c.id)
        )
    ).scalar()
    if added is None:
        return None
    await notify(tx, channels.INBOX)
    return added, sealed


async def words_wait(tx: Tx, contact_id: int) -> bool:
    """Whether the person has written something that no turn has taken yet."""
    query = exists().where(
        inbox.c.contact_id == contact_id, inbox.c.state == "waiting", inbox.c.priority == 0
    )
    return bool((await tx.execute(select(query))).scalar_one())


async def close(
    tx: Tx,
    claim: Claim,
    state: InboxState,
    fault: str,
    now: datetime,
    *,
    not_before: datetime | None = None,
    counts: bool = False,
) -> int:
    """Close a trigger's turn without a word; the trigger itself ends, or waits (DEFERRED) for `not_before`.

    Its id. `counts`: the engine has failed it. Raises MedrepError(LEASE_LOST).
    """
    done = await tx.execute(
        update(turn)
        .where(turn.c.id == claim.turn_id, turn.c.fence == claim.fence, turn.c.state == "running")
        .values(state=state.value, ended_at=now, fault=fault)
        .returning(turn.c.id)
    )
    if done.first() is None:
        raise MedrepError(Fault.LEASE_LOST, "another worker owns this turn")
    values: dict[str, Any] = {"state": state.value, "fault": fault, "not_before": not_before}
    if counts:
        values["attempts"] = inbox.c.attempts + 1
    closed = update(inbox).where(inbox.c.turn_id == claim.turn_id).values(**values).returning(inbox.c.id)
    trigger_id = int((await tx.execute(closed)).scalar_one())
    if state != InboxState.DEFERRED:
        await occurrences.triggers_ended(tx, [trigger_id])
    return trigger_id


async def done(tx: Tx, claim: Claim) -> None:
    """Its turn is done, and what it said is queued; where that is nothing, the occurrence ends."""
    ids = await tx.execute(select(inbox.c.id).where(inbox.c.turn_id == claim.turn_id))
    await occurrences.triggers_ended(tx, list(ids.scalars()))


async def failures(tx: Tx, claim: Claim) -> int:
    """How often the engine has failed this turn's trigger so far."""
    query = select(inbox.c.attempts).where(inbox.c.turn_id == claim.turn_id)
    return int((await tx.execute(query)).scalar_one())


async def wake(tx: Tx, now: datetime) -> None:
    """Those whose time has come (business time) may be tried."""
    done = await tx.execute(
        update(inbox)
        .where(inbox.c.state == InboxState.DEFERRED.value, inbox.c.not_before <= now)
        .values(state=InboxState.WAITING.value, turn_id=None)
    )
    if done.rowcount:
        await notify(tx, channels.INBOX)


@dataclass(frozen=True, slots=True)
class Ended:
    """A trigger that will not be tried any more, as evidence needs it."""

    id: int
    person_id: UUID
    contact_id: int
    purpose: str
    subject: str
    fault: str


def _late(now: datetime) -> Select[Any]:
    return select(inbox.c.id).where(inbox.c.state.in_(_OPEN), inbox.c.expires_at < now)


async def late(tx: Tx, now: datetime, limit: int) -> list[int]:
    """Triggers that wait though their expiry (business time) is past."""
    return list((await tx.execute(_late(now).limit(limit))).scalars())


async def expire(tx: Tx, trigger_ids: Sequence[int], now: datetime) -> list[Ended]:
    """Those of these that are late and that nobody else has locked end; the reason why they waited stays."""
    which = _late(now).where(inbox.c.id.in_(trigger_ids)).with_for_update(skip_locked=True)
    return await _end(tx, inbox.c.id.in_(which), InboxState.EXPIRED)


async def cancel(tx: Tx, contact_ids: list[int], fault: Fault) -> list[Ended]:
    """Nothing that waits for these contacts begins any more."""
    which = (
        inbox.c.contact_id.in_(contact_ids)
        & inbox.c.state.in_(_OPEN)
        & (inbox.c.kind == InboundKind.TRIGGER.value)
    )
    return await _end(tx, which, InboxState.CANCELLED, fault.value)


async def cancel_one(tx: Tx, trigger_id: int, reason: str) -> bool:
    """Whether this trigger had not begun; it does not. A turn that is under way begins no second time."""
    which = (inbox.c.id == trigger_id) & inbox.c.state.in_(_OPEN)
    if await _end(tx, which, InboxState.CANCELLED, reason):
        return True
    under_way = (inbox.c.id == trigger_id) & (inbox.c.state == InboxState.CLAIMED.value)
    await tx.execute(update(inbox).where(under_way).values(expires_at=inbox.c.received_at))
    return False


async def _end(tx: Tx, which: Any, state: InboxState, fault: str | None = None) -> list[Ended]:
    rows = await tx.execute(
        update(inbox)
        .where(which)
        .values(state=state.value, not_before=None, fault=fault or func.coalesce(inbox.c.fault, state.value))
        .returning(
            inbox.c.id,
            inbox.c.person_id,
            inbox.c.contact_id,
            inbox.c.purpose,
            inbox.c.subject,
            inbox.c.fault,
        )
    )
    ended = [Ended(*row) for row in rows]
    await occurrences.triggers_ended(tx, [one.id for one in ended])
    return ended
