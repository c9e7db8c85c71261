"""Verification: finds any edit, deletion, insertion, reorder or truncation, in constant memory.

Rows come in the order of their seals, heads in the order of theirs, from each place that keeps them; both
are streams, and only the current ones are held.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import text

from bot.clock import real_now
from bot.evidence.chain import content_of, is_authentic, link, microseconds
from bot.evidence.heads import Head, signing_key
from bot.evidence.kept import Kept, lines_of
from bot.evidence.sealer import Bounds
from bot.evidence.witness import Findings, Witness, each, heads_within
from bot.store import evidence
from bot.store.database import Database, Tx
from bot.store.evidence import HeadRow, Sealed
from bot.store.keyring import evidence_key

GRACE = 3.0  # seconds the sealer may take for rows that are new while we look
LOOKS = 3  # in that time; a row may be committed just before one of them


@dataclass(frozen=True, slots=True)
class Verdict:
    """`rows` were checked; `findings` say what does not hold, the first twenty in words; `head` is the number
    of the newest head."""

    rows: int
    findings: tuple[str, ...]
    count: int
    head: int = 0

    @property
    def ok(self) -> bool:
        return self.count == 0

    @property
    def broken(self) -> str | None:
        """The first finding."""
        return self.findings[0] if self.findings else None


async def verify(
    db: Database, home: Path, *, copy: Path | None = None, others: Sequence[Path] = ()
) -> Verdict:
    """Check every row, link and head against the keys of `home` and against the heads that it keeps outside
    the database. `copy`: the file of MEDREP_EVIDENCE_COPY; `others`: files with heads in them, like logs."""
    key = signing_key(home / "keys").public_key()
    row_key = evidence_key(home / "keys")
    findings = Findings()
    # Opened before the database is looked at, and the newest before the file: each was written in the
    # opposite order, so that none may be behind the one before it.
    kept = Kept(home, key, copy)
    newest = await asyncio.to_thread(kept.newest_line)
    outside = [Witness("file", each(lines_of(kept.path)), key, findings)]
    if newest is not None:
        outside.append(Witness("key folder", each([newest.strip()]), key, findings, whole=False))
    if copy is not None:
        outside.append(Witness("copy", each(lines_of(copy)), key, findings))
    outside += [Witness(path.name, each(heads_within(path)), key, findings, whole=False) for path in others]
    async with _snapshot(db) as tx:
        stored = Witness("database", _stored(tx), key, findings)
        rows = await _walk(tx, stored, outside, findings, row_key)
    file, marked = outside[0].last, outside[1].last if newest is not None else None
    if marked is not None and (file is None or file.number < marked.number):
        findings.add(f"head {marked.number} (file): it was removed from the file")
    await _unsealed(db, row_key, stored.last, findings)
    return Verdict(rows, tuple(findings.words), findings.count, stored.last.number if stored.last else 0)


async def inspect(db: Database, key: Ed25519PublicKey) -> Verdict:
    """Check rows, links and heads in the database with the public key alone.

    Not checked is what only the key folder can tell: which rows that no head covers yet are ours."""
    findings = Findings()
    async with _snapshot(db) as tx:
        stored = Witness("database", _stored(tx), key, findings)
        rows = await _walk(tx, stored, [], findings, None)
    return Verdict(rows, tuple(findings.words), findings.count, stored.last.number if stored.last else 0)


async def walk(
    chain: AsyncIterator[Sealed],
    stored: Witness,
    outside: Sequence[Witness],
    findings: Findings,
    row_key: bytes | None,
) -> int:
    """Follow the chain beside all heads; how many rows there were. `stored` are the chain's own heads."""
    witnesses = [stored, *outside]
    for witness in witnesses:
        await witness.advance()
    before_keys = stored.head.before_keys if stored.head else 0
    rows = seq = covered = 0
    previous = b""
    async for found in chain:
        if found.seq != seq + 1:
            findings.add(f"seal {seq + 1} is missing" if found.seq > seq else f"seal {found.seq} is not ours")
        elif why := _fault(found, previous, row_key, before_keys):
            findings.add(f"seal {found.seq}, evidence {found.evidence_id}: {why}")
        rows, seq, previous = rows + 1, max(found.seq, seq), found.link
        if stored.head is not None and stored.head.seq == seq:
            covered = seq
        await _compare(seq, previous.hex(), stored, outside, findings)
    if covered != seq:
        findings.add(f"seal {seq}: no signed head covers it")
    for witness in witnesses:
        while witness.head is not None:
            why = f"the chain ends at {seq}, rows were cut off"
            findings.add(f"head {witness.head.number} ({witness.name}): {why}")
            await witness.advance()
    return rows


async def _compare(
    seq: int, chain_link: str, stored: Witness, outside: Sequence[Witness], findings: Findings
) -> None:
    """Every head that covers the chain up to here, or should have."""
    for witness in (*outside, stored):
        while (head := witness.head) is not None and head.seq <= seq:
            if head.seq < seq or head.link != chain_link:
                findings.add(f"head {head.number} ({witness.name}): the chain was rewritten")
            elif witness is not stored and (why := _against(witness, stored)):
                findings.add(f"head {head.number} ({witness.name}): {why}")
            await witness.advance()


def _against(witness: Witness, stored: Witness) -> str | None:
    """How a head kept outside differs from the database's."""
    assert witness.head is not None  # noqa: S101 - for the type checker
    if stored.head is not None and stored.head.seq == witness.head.seq:
        return None if stored.line == witness.line else "the database has another in its place"
    if stored.first is not None and witness.head.number < stored.first:
        return None  # pruned there
    return "the database has lost it"


def _fault(found: Sealed, previous: bytes, row_key: bytes | None, before_keys: int) -> str | None:
    if found.row is None:
        return "the row is gone"
    try:
        row_content = content_of(found.row)
    except ValueError as error:
        return str(error)
    if row_key is not None and not is_authentic(row_key, found.row, row_content, before_keys):
        return "the row does not match its digest"
    if link(previous, found.seq, found.evidence_id, row_content, found.row.digest) != found.link:
        return "the link does not match"
    return None


async def _stored(tx: Tx) -> AsyncIterator[str | HeadRow]:
    """The checkpoint, if there is one, and the heads."""
    for line in await evidence.checkpoints(tx):
        yield line
    async for head in evidence.heads(tx):
        yield head


async def _walk(
    tx: Tx, stored: Witness, outside: Sequence[Witness], findings: Findings, row_key: bytes | None
) -> int:
    """`walk` through the database. Somebody may have dropped its keys: nothing may stand beside the way."""
    rows = await walk(evidence.chain(tx), stored, outside, findings, row_key)
    if not findings.count and {*await evidence.totals(tx)} != {rows}:
        findings.add("two rows, or two seals, stand in one place")
    return rows


async def _unsealed(db: Database, row_key: bytes, last: Head | None, findings: Findings) -> None:
    """Rows that no seal covers: what is not ours, and what is ours but is left by the sealer for too long.

    Only what is there at the first look counts: while we work new ones come, and are sealed in their turn.
    """
    async with _snapshot(db) as tx:
        newest, sealed = await evidence.newest(tx), await evidence.newest_sealed(tx)
    before_keys, latest = (last.before_keys, last.latest) if last else (0, 0)
    bounds = Bounds.of(row_key, before_keys, sealed, latest, microseconds(real_now()))
    strangers, unsealed = await _look(db, bounds, newest)
    for _ in range(LOOKS):
        if unsealed:
            await asyncio.sleep(GRACE / LOOKS)
            strangers, unsealed = await _look(db, bounds, newest)
    findings.take(strangers)
    if unsealed:
        findings.add(f"{unsealed} evidence rows are not sealed")


async def _look(db: Database, bounds: Bounds, newest: int) -> tuple[Findings, int]:
    """Of the rows without a seal up to this id: which must not have one, and how many others there are."""
    strangers, unsealed = Findings(), 0
    after: int | None = None
    async with _snapshot(db) as tx:
        while page := await evidence.unsealed(tx, after, evidence.PAGE):
            for found in page:
                if found.row.id > newest:
                    return strangers, unsealed
                try:
                    bounds.content(found)
                    unsealed += 1
                except ValueError as error:
                    strangers.add(f"evidence {found.row.id}: {error}")
            after = page[-1].row.id
    return strangers, unsealed


@asynccontextmanager
async def _snapshot(db: Database) -> AsyncIterator[Tx]:
    """Rows, links and heads as of one moment: the sealer goes on while we look."""
    async with db.begin() as tx:
        await tx.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        yield tx
