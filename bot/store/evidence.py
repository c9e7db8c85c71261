"""Evidence rows, their seals, the signed heads and the checkpoint."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import SecretBytes
from sqlalchemy import Select, Text, cast, delete, exists, func, insert, literal, or_, select

from bot.model import Fault, MedrepError
from bot.store.advisory import Lock, taken, wait_for
from bot.store.database import EVIDENCE_KEY, Tx, copy_in, hot
from bot.store.tables import checkpoint, evidence, head, seal

# A row whose transaction is still open has a lower id than rows already sealed, so a look back is needed;
# at the start, before the sealer knows what was sealed when, it is this many rows.
LOOK_BACK = 100_000
PAGE = 500


@dataclass(frozen=True, slots=True)
class EvidenceRow:
    """A row to append; its id is given by the database."""

    at: datetime
    kind: str
    person_id: UUID | None
    contact_id: int | None
    subject: str
    facts: dict[str, Any]
    body_enc: bytes | None
    digest: bytes


@dataclass(frozen=True, slots=True)
class Recorded:
    """A row as it rests. `at` and `facts` are the database's own text: a forged one may be unreadable."""

    id: int
    at: str
    kind: str
    person_id: UUID | None
    contact_id: int | None
    subject: str
    facts: str
    body_hash: bytes | None
    digest: bytes


@dataclass(frozen=True, slots=True)
class Sealed:
    """A seal and its row; None when that is gone."""

    seq: int
    link: bytes
    evidence_id: int
    row: Recorded | None


@dataclass(frozen=True, slots=True)
class Unsealed:
    """A row without a seal. `copied`: another row, sealed or older, has the same digest."""

    row: Recorded
    copied: bool


def key_of(tx: Tx) -> bytes:
    """The key that row digests are made with. Raises MedrepError(CONFIGURATION): opened without it."""
    connection = tx.sync_connection
    key = connection.get_execution_options().get(EVIDENCE_KEY) if connection is not None else None
    if not isinstance(key, SecretBytes):
        raise MedrepError(Fault.CONFIGURATION, "this database was opened without the key for evidence")
    return key.get_secret_value()


async def add(tx: Tx, rows: Sequence[EvidenceRow]) -> None:
    """Append rows."""
    await hot(tx, _ADD, {"rows": _ENCODE([_values(row) for row in rows])})


def _values(row: EvidenceRow) -> dict[str, Any]:
    return {
        "at": row.at.isoformat(),
        "kind": row.kind,
        "person": row.person_id and row.person_id.hex,
        "contact": row.contact_id,
        "subject": row.subject,
        "facts": row.facts,
        "body": None if row.body_enc is None else b64encode(row.body_enc).decode(),
        "digest": b64encode(row.digest).decode(),
    }


_ENCODE = json.JSONEncoder(separators=(",", ":")).encode
# One JSON parameter for any number of rows: it is one prepared statement.
_ADD = """
    INSERT INTO evidence (at, kind, person_id, contact_id, subject, facts, body_enc, digest)
    SELECT at, kind, person, contact, subject, facts, decode(body, 'base64'), decode(digest, 'base64')
    FROM json_to_recordset(%(rows)s::json) AS row (
        at timestamptz, kind text, person uuid, contact bigint, subject text, facts jsonb, body text,
        digest text)
    RETURNING id
    """


# ---------------------------------------------------------------- sealing


async def become_sealer(tx: Tx, *, wait: bool = False) -> bool:
    """Whether this transaction alone seals, or prunes, now; `wait` until it does."""
    if wait:
        await wait_for(tx, Lock.SEALING)
        return True
    return await taken(tx, Lock.SEALING)


async def last_seq(tx: Tx) -> int:
    """The newest sequence number; 0 before the first."""
    return int((await tx.execute(select(func.coalesce(func.max(seal.c.seq), 0)))).scalar_one())


async def newest_sealed(tx: Tx) -> int:
    """The highest evidence id that has a seal; 0 before the first."""
    return int((await tx.execute(select(func.coalesce(func.max(seal.c.evidence_id), 0)))).scalar_one())


async def newest(tx: Tx) -> int:
    """The highest evidence id; 0 before the first."""
    return int((await tx.execute(select(func.coalesce(func.max(evidence.c.id), 0)))).scalar_one())


async def unsealed(tx: Tx, after: int | None, limit: int) -> list[Unsealed]:
    """Rows with a higher id than `after` and without a seal, in order of their ids."""
    other, its = evidence.alias("other"), seal.alias("its")
    copied = exists(
        select(literal(1))
        .select_from(other.outerjoin(its, its.c.evidence_id == other.c.id))
        .where(
            other.c.digest == evidence.c.digest,
            other.c.id != evidence.c.id,
            or_(its.c.seq.is_not(None), other.c.id < evidence.c.id),
        )
    )
    # The body's hash by the database: one that lied here would only make the keyed digest not fit.
    query = (
        select(*_ROW, func.sha256(evidence.c.body_enc).label("body_hash"), copied.label("copied"))
        .outerjoin(seal, seal.c.evidence_id == evidence.c.id)
        .where(seal.c.seq.is_(None))
        .order_by(evidence.c.id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(evidence.c.id > after)
    return [Unsealed(_recorded(row, row.body_hash), row.copied) for row in await tx.execute(query)]


@dataclass(frozen=True, slots=True)
class HeadRow:
    """A signed head; `line` is all of it, the numbers are for finding it."""

    number: int
    seq: int
    line: str


async def add_seals(tx: Tx, rows: list[tuple[int, int, bytes]], signed: HeadRow) -> None:
    """Append seals (seq, evidence id, link) and the head that signs the last of them."""
    await copy_in(tx, seal, [{"seq": seq, "evidence_id": row, "link": link} for seq, row, link in rows])
    await tx.execute(insert(head).values(number=signed.number, seq=signed.seq, line=signed.line))


# ---------------------------------------------------------------- reading


async def chain(tx: Tx) -> AsyncIterator[Sealed]:
    """Every seal in order with its row, a page at a time."""
    query = (
        select(seal, *_ROW, evidence.c.body_enc)
        .outerjoin(evidence, evidence.c.id == seal.c.evidence_id)
        .order_by(seal.c.seq)
    )
    async for row in _pages(tx, query, seal.c.seq, "seq"):
        recorded = None if row.id is None else _recorded(row, hash_of(row.body_enc))
        yield Sealed(row.seq, bytes(row.link or b""), row.evidence_id, recorded)


async def totals(tx: Tx) -> tuple[int, int]:
    """How many seals there are, and how many rows with one."""
    sealed = exists(select(literal(1)).where(seal.c.evidence_id == evidence.c.id))
    seals = select(func.count()).select_from(seal).scalar_subquery()
    rows = select(func.count()).select_from(evidence).where(sealed).scalar_subquery()
    row = (await tx.execute(select(seals, rows))).one()
    return row[0], row[1]


async def heads(tx: Tx, after: int | None = None) -> AsyncIterator[HeadRow]:
    """The heads with higher numbers than `after`, in order, a page at a time."""
    query = select(head).order_by(head.c.number)
    if after is not None:
        query = query.where(head.c.number > after)
    async for row in _pages(tx, query, head.c.number, "number"):
        yield HeadRow(row.number, row.seq, row.line or "")


async def newest_heads(tx: Tx, count: int) -> list[HeadRow]:
    """The newest heads, the newest first."""
    rows = await tx.execute(select(head).order_by(head.c.number.desc()).limit(count))
    return [HeadRow(row.number, row.seq, row.line or "") for row in rows]


async def checkpoints(tx: Tx) -> list[str]:
    """The lines of the newest two: there is never more than one, unless somebody wrote another."""
    rows = await tx.execute(select(checkpoint.c.line).order_by(checkpoint.c.number.desc()).limit(2))
    return [line or "" for line in rows.scalars()]


async def prune(tx: Tx, number: int, line: str) -> int:
    """Put this checkpoint in force and remove the heads before it; how many those were."""
    await tx.execute(insert(checkpoint).values(number=number, line=line))
    await tx.execute(delete(checkpoint).where(checkpoint.c.number < number))
    return int((await tx.execute(delete(head).where(head.c.number < number))).rowcount)


async def _pages(tx: Tx, query: Select[Any], column: Any, name: str) -> AsyncIterator[Any]:
    """Every row of the query, which is ordered by this unique column; no more than a page in memory."""
    page = (await tx.execute(query.limit(PAGE))).all()
    while page:
        for row in page:
            yield row
        if len(page) < PAGE:
            return
        page = (await tx.execute(query.where(column > getattr(page[-1], name)).limit(PAGE))).all()


_ROW = (
    evidence.c.id,
    cast(evidence.c.at, Text).label("at"),
    evidence.c.kind,
    evidence.c.person_id,
    evidence.c.contact_id,
    evidence.c.subject,
    cast(evidence.c.facts, Text).label("facts"),
    evidence.c.digest,
)


def _recorded(row: Any, body_hash: bytes | None) -> Recorded:
    return Recorded(
        row.id,
        row.at,
        row.kind,
        row.person_id,
        row.contact_id,
        row.subject,
        row.facts,
        None if body_hash is None else bytes(body_hash),
        bytes(row.digest or b""),
    )


def hash_of(body: bytes | None) -> bytes | None:
    """SHA-256 of a body, None of none."""
    return None if body is None else hashlib.sha256(body).digest()
