"""Whether what was accepted is answered, and what may leave has left: asked by whoever plays a history."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import update

from bot.store.database import Tx, hot
from bot.store.tables import turn


async def unanswered(tx: Tx) -> bool:
    """Whether a message or a turn is under way; what waits for its hour is not."""
    ((found,),) = await hot(tx, _UNANSWERED, {})
    return bool(found)


async def leaving(tx: Tx, now: datetime) -> bool:
    """Whether a message is with the platform, or may leave at `now` (business time)."""
    ((found,),) = await hot(tx, _LEAVING, {"now": now})
    return bool(found)


async def anybody_wrote(tx: Tx) -> bool:
    """Whether there is a message at all."""
    ((found,),) = await hot(tx, "SELECT EXISTS (SELECT FROM inbox)", {})
    return bool(found)


async def date_turns_back(tx: Tx) -> None:
    """A turn says in real time when it began; one that was played began when it ended."""
    await tx.execute(
        update(turn).where(turn.c.ended_at < turn.c.started_at).values(started_at=turn.c.ended_at)
    )


_UNANSWERED = """
    SELECT EXISTS (SELECT FROM inbox WHERE state IN ('waiting', 'claimed'))
        OR EXISTS (SELECT FROM turn WHERE state IN ('running', 'retry'))
    """
_LEAVING = """
    SELECT EXISTS (
        SELECT FROM outbox
        WHERE state = 'sending'
           OR state = 'waiting' AND (not_before IS NULL OR not_before <= %(now)s) AND NOT parked)
    """
