"""Triggers: rows of the inbox that we write ourselves, so that a turn begins without words of the person.

They wait in state `deferred` for their `not_before`; how they end is in `state` and `fault`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import exists, func, select, update
from sqlalchemy.dialects.postgresql import insert

from bot.model import Fault, InboundKind, InboxState, MedrepError, Purpose
from bot.store import channels
from bot.store.contact_keys import key_of
from bot.store.contacts import Contact
from bot.store.database import Tx, notify
from bot.store.tables import inbox, turn
from bot.store.turns import Claim
from bot.store.vault import Vault

_OPEN = (InboxState.WAITING.value, InboxState.DEFERRED.value)


async def add(
    tx: Tx,
    vault: Vault,
    contact: Contact,
    intent: str,
    metadata: dict[str, Any],
    *,
    purpose: Purpose,
    subject: str,
    key: str,
    now: datetime,
    ready_at: datetime,
    expires_at: datetime,
) -> tuple[int, bytes] | None:
    """The trigger's id and ciphertext; None when there was one with this key. `ready_at` is real time."""
    body = json.dumps({"text": "", "choice": "", "event": intent, "detail": metadata})
    sealed = await vault.seal(tx, await key_of(tx, vault, contact), body, "inbox.body")
    added: int | None = (
        await tx.execute(
            insert(inbox)
            .values(
                channel=contact.account.channel.value,
                account=contact.account.name,
                key=vault.keyring.digest("inbox.key", f"trigger\0{contact.id}\0{key}").hex(),
                contact_id=contact.id,
                person_id=contact.person_id,
                kind=InboundKind.TRIGGER.value,
                body_enc=sealed,
                received_at=now,
                state=InboxState.WAITING.value,
                ready_at=ready_at,
                purpose=purpose.value,
                subject=subject,
                expires_at=expires_at,
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
) -> tuple[int, int]:
    """Close a trigger's turn without a word; the trigger itself ends, or waits (DEFERRED) for `not_before`.

    Its id, and how often the engine has failed it; `counts`: this time, too. Raises MedrepError(LEASE_LOST).
    """
    done = await tx.execute(
        update(turn)
        .where(turn.c.id == claim.turn_id, turn.c.fence == claim.fence, turn.c.state == "running")
        .values(state=state.value, ended_at=now, fault=fault)
        .returning(turn.c.id)
    )
    if done.first() is None:
        raise MedrepError(Fault.LEASE_LOST, "another worker owns this turn")
    row = (
        await tx.execute(
            update(inbox)
            .where(inbox.c.turn_id == claim.turn_id)
            .values(
                state=state.value,
                fault=fault,
                not_before=not_before,
                attempts=inbox.c.attempts + (1 if counts else 0),
            )
            .returning(inbox.c.id, inbox.c.attempts)
        )
    ).one()
    return row.id, row.attempts


async def failures(tx: Tx, claim: Claim) -> int:
    """How often the engine has failed this turn's trigger so far."""
    query = select(inbox.c.attempts).where(inbox.c.turn_id == claim.turn_id)
    return int((await tx.execute(query)).scalar_one())


async def wake(tx: Tx, now: datetime) -> int:
    """Those whose time has come (business time) may be tried; how many."""
    done = await tx.execute(
        update(inbox)
        .where(inbox.c.state == InboxState.DEFERRED.value, inbox.c.not_before <= now)
        .values(state=InboxState.WAITING.value, turn_id=None)
    )
    if done.rowcount:
        await notify(tx, channels.INBOX)
    return int(done.rowcount)


@dataclass(frozen=True, slots=True)
class Ended:
    """A trigger that will not be tried any more, as evidence needs it."""

    id: int
    person_id: UUID
    contact_id: int
    purpose: str
    subject: str
    fault: str


async def expire(tx: Tx, now: datetime, limit: int) -> list[Ended]:
    """Waiting ones past their expiry (business time) end; the reason why they waited stays."""
    late = (
        select(inbox.c.id)
        .where(inbox.c.state.in_(_OPEN), inbox.c.expires_at < now)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return await _end(tx, inbox.c.id.in_(late), InboxState.EXPIRED)


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
    return [Ended(*row) for row in rows]
