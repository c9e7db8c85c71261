"""Old heads go: a later head covers all that they covered. Rows and their links stay."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from bot.clock import real_now
from bot.evidence.heads import Checkpoint, Head, parse, signing_key
from bot.evidence.kept import Kept
from bot.model import Fault, MedrepError
from bot.store import evidence
from bot.store.database import Database, Tx


async def prune_heads(db: Database, home: Path, before: datetime, *, limit: int = 1000) -> int:
    """Remove up to `limit` of the oldest heads that were signed before `before` (real time), from the
    database and from this home's file; how many. The newest one always stays.
    What another machine has pruned in the database goes from this home's file, too.

    What stands in their place is a signed checkpoint, so the rest still verifies. Call it until it
    returns 0. Raises MedrepError(TAMPERED): a head is not as it was signed; nothing is removed then.
    """
    key = signing_key(home / "keys")
    kept = Kept(home, key.public_key())
    async with db.begin() as tx:
        await evidence.become_sealer(tx, wait=True)
        first = await _first_to_stay(tx, key.public_key(), before, limit)
        if first is None:
            removed, checkpoint = 0, await _checkpoint(tx, key.public_key())
        else:
            checkpoint = Checkpoint(checkpoint=first.number, mark=first.mark, made_at=real_now()).sign(key)
            removed = await evidence.prune(tx, first.number, checkpoint.line())
    # A file that still has them after a crash here is longer than it need be until the next time.
    if checkpoint is not None:
        await asyncio.to_thread(kept.prune, checkpoint)
    return removed


async def _checkpoint(tx: Tx, key: Ed25519PublicKey) -> Checkpoint | None:
    """The one in force."""
    for line in await evidence.checkpoints(tx):
        try:
            found = parse(line)
        except ValueError:
            continue
        if isinstance(found, Checkpoint) and found.holds(key):
            return found
    return None


async def _first_to_stay(tx: Tx, key: Ed25519PublicKey, before: datetime, limit: int) -> Head | None:
    """The head that will be the oldest; None where nothing is to go."""
    first = last = None
    async for stored in evidence.heads(tx):
        try:
            head = parse(stored.line)
        except ValueError:
            head = None
        if not isinstance(head, Head) or head.number != stored.number or not head.holds(key):
            raise MedrepError(Fault.TAMPERED, f"head {stored.number} is not as it was signed")
        if last is not None and head.previous != last.mark:
            raise MedrepError(Fault.TAMPERED, f"head {stored.number} does not follow the one before")
        first, last = first or head, head
        if head.sealed_at >= before or head.number - first.number == limit:
            break
    return last if last != first else None
