"""Evidence rows, their seals and the signed heads."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select, text

from bot.store.database import Tx
from bot.store.tables import evidence, head, seal

SEALER_LOCK = 7_263_502
# A row whose transaction is still open has a lower id than rows already sealed, so a look back is needed;
# at the start, before the sealer knows what was sealed when, it is this many rows.
LOOK_BACK = 100_000
PAGE = 2_000


@dataclass(frozen=True, slots=True)
class EvidenceRow:
    id: int
    at: datetime
    kind: str
    person_id: UUID | None
    contact_id: int | None
    subject: str
    facts: dict[str, Any]
    body_enc: bytes | None
    digest: bytes


@dataclass(frozen=True, slots=True)
class Head:
    seq: int
    link: bytes
    sealed_at: datetime
    signature: bytes


async def add(tx: Tx, row: EvidenceRow) -> None:
    """Append a row; its id is given by the database."""
    await tx.execute(
        insert(evidence).values(
            at=row.at,
            kind=row.kind,
            person_id=row.person_id,
            contact_id=row.contact_id,
            subject=row.subject,
            facts=row.facts,
            body_enc=row.body_enc,
            digest=row.digest,
        )
    )


async def become_sealer(tx: Tx) -> bool:
    """Whether this transaction alone seals now."""
    return bool(
        (await tx.execute(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": SEALER_LOCK})).scalar()
    )


async def last_seal(tx: Tx) -> tuple[int, bytes]:
    """The newest sequence number and its link; (0, b"") before the first."""
    row = (await tx.execute(select(seal.c.seq, seal.c.link).order_by(seal.c.seq.desc()).limit(1))).first()
    return (0, b"") if row is None else (row.seq, bytes(row.link))


async def newest_sealed(tx: Tx) -> int:
    """The highest evidence id that has a seal; 0 before the first."""
    return int((await tx.execute(select(func.coalesce(func.max(seal.c.evidence_id), 0)))).scalar_one())


async def unsealed(tx: Tx, after: int, limit: int) -> list[tuple[int, bytes]]:
    """Evidence rows with a higher id than `after` and without a seal, in order: (id, digest)."""
    rows = await tx.execute(
        select(evidence.c.id, evidence.c.digest)
        .outerjoin(seal, seal.c.evidence_id == evidence.c.id)
        .where(seal.c.seq.is_(None), evidence.c.id > after)
        .order_by(evidence.c.id)
        .limit(limit)
    )
    return [(row.id, bytes(row.digest)) for row in rows]


async def add_seals(tx: Tx, rows: list[tuple[int, int, bytes]], newest: Head) -> None:
    """Append seals (seq, evidence id, link) and the head that signs the last of them."""
    await tx.execute(
        insert(seal), [{"seq": seq, "evidence_id": row, "link": link} for seq, row, link in rows]
    )
    await tx.execute(
        insert(head).values(
            seq=newest.seq, link=newest.link, sealed_at=newest.sealed_at, signature=newest.signature
        )
    )


async def chain(tx: Tx) -> AsyncIterator[tuple[int, bytes, int, EvidenceRow | None]]:
    """Every seal in order with its evidence row: (seq, link, evidence id, row or None when it is gone)."""
    query = select(seal, evidence).outerjoin(evidence, evidence.c.id == seal.c.evidence_id)
    last = 0
    while True:
        page = (await tx.execute(query.where(seal.c.seq > last).order_by(seal.c.seq).limit(PAGE))).all()
        for row in page:
            yield row.seq, bytes(row.link), row.evidence_id, None if row.id is None else _row(row)
        if len(page) < PAGE:
            return
        last = page[-1].seq


def _row(row: Any) -> EvidenceRow:
    return EvidenceRow(
        row.id,
        row.at,
        row.kind,
        row.person_id,
        row.contact_id,
        row.subject,
        row.facts,
        None if row.body_enc is None else bytes(row.body_enc),
        bytes(row.digest),
    )


async def unsealed_count(tx: Tx) -> int:
    """Evidence rows that no seal covers."""
    counted = await tx.execute(
        select(func.count())
        .select_from(evidence.outerjoin(seal, seal.c.evidence_id == evidence.c.id))
        .where(seal.c.seq.is_(None))
    )
    return int(counted.scalar_one())


async def heads(tx: Tx) -> list[Head]:
    rows = await tx.execute(select(head).order_by(head.c.seq))
    return [Head(row.seq, bytes(row.link), row.sealed_at, bytes(row.signature)) for row in rows]
