"""What an action call did, once: a repeated call of the same turn returns the stored result."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from bot.knowledge import Considered
from bot.model import Fault, MedrepError
from bot.runtime.killpoints import reached
from bot.runtime.services import Services
from bot.store import conversations, scenes
from bot.store.contacts import Contact
from bot.store.database import Tx
from bot.store.scenes import Standing


@dataclass(slots=True)
class ActionCall:
    """One action call: the turn's person, and the transaction in which all it does takes effect.

    The action sets `route` when it takes a question somewhere: answer, clarify, medical_information, human.
    """

    services: Services
    tx: Tx
    turn_id: UUID
    contact: Contact
    standing: Standing
    now: datetime
    ordinal: int = 0  # how many actions of this turn have run before
    route: str | None = None
    considered: tuple[Considered, ...] = ()  # what approved content says to the words, once looked up


async def once(
    services: Services,
    turn_id: UUID,
    action: str,
    ordinal: int,
    run: Callable[[ActionCall], Awaitable[dict[str, Any]]],
) -> dict[str, Any]:
    """The result of this call: `run`'s the first time, the stored one after that.

    What `run` writes through its transaction and its result commit together, by (turn, action, ordinal); a
    repeat that comes while the first still runs waits for it. The commit need not reach the disk by itself:
    the turn's own commit, without which the turn is done again, takes it along.
    Raises MedrepError(NOT_FOUND) for a turn that is not ours or not under way any more.
    """
    async with services.db.begin() as tx:
        running = await scenes.running(tx, turn_id)
        if running is None:
            raise MedrepError(Fault.NOT_FOUND, "no such turn, or it is over")
        stored = await conversations.read_effect(tx, services.vault, turn_id, action, ordinal)
        if stored is not None:
            return stored
        now = services.clock.now()
        contact, standing = running
        call = ActionCall(services, tx, turn_id, contact, standing, now, ordinal)
        result = await run(call)
        await conversations.write_effect(
            tx, services.vault, contact, turn_id, action, ordinal, result, now, call.route
        )
        reached("effects.before_commit")
    reached("effects.committed")
    return result
