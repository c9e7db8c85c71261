"""Verification from the rows alone: finds any edit, deletion, reorder or truncation."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import text

from bot.evidence.chain import digest, link, signed_text
from bot.evidence.sealer import signing_key
from bot.store import evidence
from bot.store.database import Database, Tx
from bot.store.evidence import Head

GRACE = 3.0  # seconds the sealer may take for rows that are new while we look


@dataclass(frozen=True, slots=True)
class Verdict:
    """`rows` were checked; `broken` names the first row that does not hold, and why."""

    rows: int
    broken: str | None

    @property
    def ok(self) -> bool:
        return self.broken is None


async def verify(db: Database, home: Path) -> Verdict:
    """Check every row, link, head and the heads kept outside the database."""
    public = signing_key(home / "keys").public_key()
    kept = await asyncio.to_thread(read_kept, home / "evidence" / "heads.jsonl")
    async with db.begin() as tx:
        # One snapshot for rows, links and heads: the sealer goes on while we look.
        await tx.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        verdict, links = await _walk(tx)
        if not verdict.ok:
            return verdict
        signed = await evidence.heads(tx)
        broken = _check_heads(signed, links, public, "database") or _check_heads(kept, links, public, "file")
        if broken is None and links and (not signed or signed[-1].seq != len(links)):
            broken = f"seal {len(links)}: no signed head covers it"
    if broken is None and await _unsealed(db):
        await asyncio.sleep(GRACE)
        if count := await _unsealed(db):
            broken = f"{count} evidence rows are not sealed"
    return Verdict(verdict.rows, broken)


async def _unsealed(db: Database) -> int:
    async with db.begin() as tx:
        return await evidence.unsealed_count(tx)


async def _walk(tx: Tx) -> tuple[Verdict, list[bytes]]:
    links: list[bytes] = []
    previous = b""
    async for seq, found, evidence_id, row in evidence.chain(tx):
        if row is not None:
            previous = link(previous, seq, evidence_id, row.digest)
        fault = None
        if seq != len(links) + 1:
            fault = f"seal {len(links) + 1} is missing"
        elif row is None:
            fault = "the row is gone"
        elif digest(row) != row.digest:
            fault = "the row does not match its digest"
        elif previous != found:
            fault = "the link does not match"
        if fault is not None:
            return Verdict(len(links), f"seal {seq}, evidence {evidence_id}: {fault}"), links
        links.append(previous)
    return Verdict(len(links), None), links


def _check_heads(heads: list[Head], links: list[bytes], public: Ed25519PublicKey, where: str) -> str | None:
    for head in heads:
        try:
            public.verify(head.signature, signed_text(head.seq, head.link, head.sealed_at))
        except InvalidSignature:
            return f"head {head.seq} ({where}): the signature does not match"
        if head.seq > len(links):
            return f"head {head.seq} ({where}): the chain ends at {len(links)}, rows were cut off"
        if links[head.seq - 1] != head.link:
            return f"head {head.seq} ({where}): the chain was rewritten"
    return None


def read_kept(path: Path) -> list[Head]:
    """The heads kept outside the database."""
    if not path.exists():
        return []
    heads = []
    for line in path.read_text(encoding="ascii").splitlines(keepends=True):
        if not line.endswith("\n"):
            break  # cut off while it was written; the database holds that head whole
        said = json.loads(line)
        heads.append(
            Head(
                said["seq"],
                bytes.fromhex(said["link"]),
                datetime.fromisoformat(said["sealed_at"]),
                bytes.fromhex(said["signature"]),
            )
        )
    return heads
