"""The sealer: one at a time over all processes, it links new rows and signs the head.

Linking inside each transaction would need a global lock, which halves throughput (DESIGN, section 6).
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import deque
from pathlib import Path

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bot.clock import Clock
from bot.evidence.chain import link, signed_text
from bot.store import evidence
from bot.store.database import UNAVAILABLE, Database, Tx
from bot.store.evidence import Head
from bot.store.keys import secret_file

log = structlog.get_logger()
EVERY = 0.5  # seconds; the promise is "within a second"
BATCH = 5000
SETTLED = 120.0  # seconds


def signing_key(folder: Path) -> Ed25519PrivateKey:
    """The key that signs heads, kept in the key folder."""
    fresh = Ed25519PrivateKey.generate().private_bytes_raw()
    return Ed25519PrivateKey.from_private_bytes(secret_file(folder / "evidence.key", fresh))


class Sealer:
    def __init__(self, db: Database, clock: Clock, home: Path) -> None:
        self._db = db
        self._clock = clock
        self._key = signing_key(home / "keys")
        self._heads = home / "evidence" / "heads.jsonl"
        self._heads.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sealed: deque[tuple[float, int]] = deque()  # when, and up to which evidence id

    async def run(self) -> None:
        """Seal until cancelled."""
        while True:
            try:
                while await self.seal() == BATCH:
                    pass
            except (*UNAVAILABLE, OSError) as error:
                # The rows stay and are sealed later; a full disk keeps the outside heads from being written.
                log.warning("evidence.seal_failed", reason=type(error).__name__)
            await asyncio.sleep(EVERY)

    async def seal(self) -> int:
        """Link and sign what is new; how many rows that was (0 also when another process seals)."""
        async with self._db.begin() as tx:
            if not await evidence.become_sealer(tx):
                return 0
            rows = await evidence.unsealed(tx, await self._settled(tx), BATCH)
            if not rows:
                return 0
            seq, newest = await evidence.last_seal(tx)
            sealed = []
            for evidence_id, row_digest in rows:
                seq += 1
                newest = link(newest, seq, evidence_id, row_digest)
                sealed.append((seq, evidence_id, newest))
            now = self._clock.now()
            head = Head(seq, newest, now, self._key.sign(signed_text(seq, newest, now)))
            await evidence.add_seals(tx, sealed, head)
        # After the commit: a head kept outside never runs ahead of the database.
        await asyncio.to_thread(self._keep, head)
        return len(rows)

    async def _settled(self, tx: Tx) -> int:
        """Below this id nothing can appear any more: it was sealed past longer ago than any transaction
        of ours can be open (`Database` ends statements and idle transactions at 30 s)."""
        now, newest = time.monotonic(), await evidence.newest_sealed(tx)
        if not self._sealed:
            self._sealed.append((now - SETTLED, newest - evidence.LOOK_BACK))
        if self._sealed[-1][1] < newest:
            self._sealed.append((now, newest))
        while len(self._sealed) > 1 and self._sealed[1][0] <= now - SETTLED:
            self._sealed.popleft()
        return self._sealed[0][1]

    def _keep(self, head: Head) -> None:
        said = {
            "seq": head.seq,
            "link": head.link.hex(),
            "sealed_at": head.sealed_at.isoformat(),
            "signature": head.signature.hex(),
        }
        with self._heads.open("a", encoding="ascii") as file:
            file.write(json.dumps(said) + "\n")
            file.flush()
            os.fsync(file.fileno())
